"""Installed models: a manifest, and an engine opened from it. Stages see nothing else of the runtime."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headway.arrays import finite
from headway.errors import AbandonedError, EngineError, ModelError
from headway.paths import weights_dir
from headway.runtime import providers
from headway.runtime.engine import Engine, check_engine
from headway.runtime.manifest import Manifest, TensorSpec, read_manifest
from headway.runtime.restart import RestartableEngine
from headway.runtime.signature import trusted_key


@dataclass(frozen=True)
class Model:
    """An engine with the manifest it was opened from; checks tensors on the way in and out."""

    manifest: Manifest
    engine: Engine
    folder: Path

    @property
    def name(self) -> str:
        """Name of the model, for example "head-pose"."""
        return self.manifest.name

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the engine; raises EngineError where a shape or dtype is wrong or an output is not finite."""
        for name, spec in self.manifest.inputs.items():
            _check("input", name, feeds.get(name), spec)
        try:
            outputs = self.engine.infer(feeds)
        except (EngineError, AbandonedError):
            raise
        except Exception as error:  # whatever a runtime raises: the frame is lost, the process is not
            raise EngineError(f"{self.engine.name} failed: {type(error).__name__}: {error}") from error
        for name in self.manifest.outputs:
            if name not in outputs:
                raise EngineError(f"model '{self.name}' gave no output '{name}'")
            if not finite(outputs[name]):
                raise EngineError(f"model '{self.name}' gave NaN or infinity in output '{name}'")
        return outputs

    def close(self) -> None:
        """Frees the engine."""
        self.engine.close()


def _check(what: str, name: str, array: np.ndarray | None, spec: TensorSpec) -> None:
    if array is None:
        raise EngineError(f"{what} '{name}' is missing")
    if array.shape != spec.shape or array.dtype != spec.dtype:
        raise EngineError(
            f"{what} '{name}' is {array.dtype}{list(array.shape)}, the manifest says {spec.dtype}{list(spec.shape)}"
        )


def open_model(name: str, task: str, engine: str = "onnxruntime", threads: int = 1) -> Model:
    """Opens an installed model by name, or a model folder by path; verifies hashes, loads and warms the engine.

    The engine can be restarted (headway.runtime.restart). Raises ModelError (folder, hash, task), EngineError (the
    engine refuses the file or finds no device), UsageError (unknown engine, a trusted key that is none),
    MissingDependencyError (the engine's library is not installed). Only "auto" falls back: `Model.engine.name` is the
    engine that answers.
    """
    check_engine(engine)
    return _open(model_folder(name), name, task, engine, threads, trusted_key())


def open_own(folder: Path, task: str, engine: str = "onnxruntime") -> Model:
    """The same for a folder that this process has made itself: no signature is asked for."""
    check_engine(engine)
    return _open(folder, str(folder), task, engine, 1, None)


def _open(folder: Path, name: str, task: str, engine: str, threads: int, public_key: Path | None) -> Model:
    manifest = read_manifest(folder, public_key)
    if manifest.task != task:
        raise ModelError(f"model '{name}' is for task '{manifest.task}', not '{task}'")

    def warm(opened: Engine) -> None:
        blank = {k: np.zeros(spec.shape, spec.dtype) for k, spec in manifest.inputs.items()}
        try:
            for key, array in Model(manifest, opened, folder).infer(blank).items():
                if key in manifest.outputs:  # shapes are fixed: what holds now holds for every frame
                    _check("output", key, array, manifest.outputs[key])
        except Exception:
            with suppress(Exception):  # after one error CUDA often gives it for everything: the first is the cause
                opened.close()
            raise

    def fresh() -> Engine:
        if engine == "auto":
            return providers.open_first(folder, manifest, threads, warm)
        opened = providers.open_engine(engine, folder, manifest, threads)
        warm(opened)
        return opened

    return Model(manifest, RestartableEngine(fresh), folder)


def model_folder(name: str) -> Path:
    """Folder of an installed model (by name), or of a model anywhere (by a path with a separator)."""
    folder = Path(name).expanduser() if "/" in name else weights_dir() / name
    if not folder.is_dir():
        known = ", ".join(installed_models()) or "none"
        raise ModelError(f"no model '{name}' in {folder.parent}; installed: {known}")
    return folder


def installed_models() -> list[str]:
    """Names of the models below the weights folder."""
    root = weights_dir()
    return sorted(p.parent.name for p in root.glob("*/manifest.json")) if root.is_dir() else []
