"""The manifest binds a model folder together: hashes, tensors, training, evaluation, licence.

`models/weights/<name>/manifest.json` is the only way to a model: nothing is loaded whose SHA-256 it does not hold.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headway.errors import ModelError
from headway.json_files import finite
from headway.runtime import signature

SCHEMA = 1
FILE_NAME = "manifest.json"
SIZE_LIMIT = 4 << 20  # bytes; the largest shipped one has a few kB
TASKS = ("head-pose", "trajectory", "driving")
DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64", "bool")
LONGEST_NAME = 255  # bytes, on every file system in use
ELEMENT_LIMIT = 1 << 28  # numbers in one tensor
KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "exporter", "data_licence"), str),
    **dict.fromkeys(("config", "training", "evaluation"), Mapping),
    "parameters": int,
}


@dataclass(frozen=True)
class FileEntry:
    """A file of the model folder: bare name and SHA-256 in hex."""

    path: str
    sha256: str


@dataclass(frozen=True)
class TensorSpec:
    """shape and dtype of one tensor, and what its last axis or its channels mean.

    layout: "NHWC" or "NCHW" for images; color: "BGR" or "RGB"; scale: what the host multiplies before the network
    (1 where the graph normalises by itself); columns: name -> [first, last) along the last axis.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: str = ""
    color: str = ""
    scale: float = 1.0
    columns: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def column(self, name: str) -> slice:
        """The slice of the last axis that holds `name`."""
        if name not in self.columns:
            raise ModelError(f"manifest names no output column '{name}'; it has {', '.join(self.columns) or 'none'}")
        first, last = self.columns[name]
        return slice(first, last)


@dataclass(frozen=True)
class Manifest:
    """Everything that belongs to one model. `config` holds thresholds and calibration that the stage reads."""

    name: str
    task: str
    files: Mapping[str, FileEntry]
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    parameters: int
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    exporter: str = ""
    data_licence: str = ""
    schema: int = SCHEMA

    @property
    def hash(self) -> str:
        """SHA-256 of the ONNX file: the model's identity in traces and reports."""
        return self.files["onnx"].sha256


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_manifest(folder: Path, public_key: Path | None = None) -> Manifest:
    """Reads and checks the form of `folder`/manifest.json; does not look at the files it names.

    With `public_key` (PEM, Ed25519) the very bytes that are read must be signed by it, in `folder`/manifest.json.sig.
    Raises ModelError, and UsageError for a key that is none.
    """
    path = folder / FILE_NAME
    try:
        content = _content(path)
        if public_key is not None:
            signature.check(content, signature_file(folder), public_key)
        raw = json.loads(content)
    except FileNotFoundError:
        raise ModelError(f"{folder} is no model folder: {FILE_NAME} is missing") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, a number of 5,000 digits
        raise ModelError(f"{path} cannot be read: {error}") from error
    try:
        return _parse(raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path} is not a manifest of schema {SCHEMA}: {type(error).__name__}: {error}") from error


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise ModelError(f"{path} is larger than {SIZE_LIMIT >> 20} MiB: it is no manifest")
    return content


def signature_file(folder: Path) -> Path:
    """Where the signature of a model folder lies."""
    return folder / (FILE_NAME + signature.SUFFIX)


def sign_manifest(folder: Path, private_key: Path) -> Path:
    """Signs `folder`/manifest.json, after every file that it names was found to match; returns the signature's path."""
    manifest = read_manifest(folder)
    for key in manifest.files:
        verified_path(folder, manifest, key)
    path = signature_file(folder)
    path.write_bytes(signature.sign(_content(folder / FILE_NAME), private_key))
    return path


def _parse(raw: Mapping[str, Any]) -> Manifest:
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']}")
    if raw["task"] not in TASKS:
        raise ValueError(f"task '{raw['task']}' is none of {', '.join(TASKS)}")
    files = {k: FileEntry(**v) for k, v in raw["files"].items()}
    for entry in files.values():
        _bare(entry.path, "file name")
        _is(entry.sha256, str, "sha256")
    if "onnx" not in files:
        raise ValueError("files.onnx is missing")
    manifest = Manifest(
        **{
            **raw,
            "files": files,
            "inputs": {k: _tensor(v) for k, v in raw["inputs"].items()},
            "outputs": {k: _tensor(v) for k, v in raw["outputs"].items()},
        }
    )
    for name, kind in KINDS.items():
        _is(getattr(manifest, name), kind, name)
    _bare(manifest.name, "name")
    return manifest


def _bare(name: str, what: str) -> None:
    """A manifest comes from outside: no file that is called after what it says may lie out of its folder."""
    if not name or "\0" in name or Path(name).name != name or name in (".", ".."):
        raise ValueError(f"{what} {name!r} is not a bare name")
    if (length := len(os.fsencode(name))) > LONGEST_NAME:
        raise ValueError(f"{what} {name[:40]!r}... has {length} bytes: {LONGEST_NAME} is the most")


def _is(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {str(value)[:80]!r}: {kind.__name__.lower()} is wanted")


def _tensor(raw: Mapping[str, Any]) -> TensorSpec:
    columns = {k: (int(a), int(b)) for k, (a, b) in raw.get("columns", {}).items()}
    spec = TensorSpec(**{**raw, "shape": tuple(int(n) for n in raw["shape"]), "columns": columns})
    if spec.dtype not in DTYPES:
        raise ValueError(f"dtype {spec.dtype!r} is none of {', '.join(DTYPES)}")
    # Memory is taken by these numbers before the engine has seen them.
    if min(spec.shape, default=0) < 0 or len(spec.shape) > 8 or math.prod(spec.shape) > ELEMENT_LIMIT:
        raise ValueError(f"shape {list(spec.shape)[:8]} has a negative length, or more than {ELEMENT_LIMIT:,} numbers")
    width = spec.shape[-1] if spec.shape else 0
    for name, (first, last) in columns.items():
        if not 0 <= first < last <= width:
            raise ValueError(f"column '{name}' is [{first}, {last}) of {width} numbers")
    for name in ("layout", "color"):
        _is(getattr(spec, name), str, name)
    if isinstance(spec.scale, bool) or not isinstance(spec.scale, (int, float)) or not math.isfinite(spec.scale):
        raise ValueError(f"scale = {str(spec.scale)[:80]}: a finite number is wanted")
    return spec


def verified_path(folder: Path, manifest: Manifest, key: str) -> Path:
    """Path of the file under `key`, after its SHA-256 was found to match."""
    entry = manifest.files.get(key)
    if entry is None:
        raise ModelError(f"model '{manifest.name}' has no file '{key}' in {folder / FILE_NAME}")
    path = folder / entry.path
    try:
        if path.resolve().parent != folder.resolve():
            raise ModelError(f"{path} is a link out of its model folder: put the file itself there")
        if not path.is_file():
            raise ModelError(f"{path} is missing though {FILE_NAME} names it: install the model again")
        found = sha256(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise ModelError(f"{path} cannot be read: {error}") from error
    if found != entry.sha256:
        raise ModelError(
            f"{path} is not the file its manifest names (SHA-256 {found[:12]}…, expected {entry.sha256[:12]}…): "
            "install the model again"
        )
    return path


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Writes `folder`/manifest.json (sorted keys, so that a diff shows what changed) and returns its path.

    A measurement that is no number (a loss that was allowed) is null.
    """
    path = folder / FILE_NAME
    text = json.dumps(finite(asdict(manifest)), indent=1, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def file_entries(folder: Path, names: Mapping[str, str]) -> dict[str, FileEntry]:
    """key -> file name becomes key -> FileEntry with the hash of the file as it lies in `folder` now."""
    return {key: FileEntry(name, sha256(folder / name)) for key, name in names.items()}
