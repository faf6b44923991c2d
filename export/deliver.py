"""`headway export`: an installed model becomes a folder for a device, checked, in the precision that was asked for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from headway.bench.frames import real_feeds
from headway.errors import ModelError, UsageError
from headway.export.compare import few_parity, judged, only, parity, torch_parity
from headway.export.gate import Row, run_gate, unmeasured, verdict
from headway.export.graph import cast_first, without_traces
from headway.export.half import HalfReport, to_half
from headway.export.operators import check_graph
from headway.export.opset import lower
from headway.export.quantise import Int8Report, to_int8
from headway.runtime.cache import pack
from headway.runtime.engine import check_engine, graph_key
from headway.runtime.few import FEW
from headway.runtime.manifest import Manifest, file_entries, read_manifest, verified_path, write_manifest
from headway.runtime.model import model_folder, open_own
from headway.runtime.signature import VARIABLE, trusted_key
from headway.runtime.tensorrt import engine_key
from headway.runtime.tensorrt_build import Library, build_engine, find_library

TARGETS = ("onnx", "tensorrt")
PRECISIONS = ("fp32", "fp16", "int8")
CALIBRATION_FRAMES = 64


@dataclass
class Delivery:
    """What was made, for the table on the terminal."""

    folder: Path
    files: dict[str, int] = field(default_factory=dict)
    torch_parity: dict[str, float] = field(default_factory=dict)
    few_parity: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    parity_source: str = ""
    few_source: str = ""
    half: HalfReport | None = None
    int8: Int8Report | None = None
    layers: dict[str, int] = field(default_factory=dict)
    gates: dict[str, list[Row]] = field(default_factory=dict)
    gate_data: str = ""
    notes: list[str] = field(default_factory=list)


def deliver(
    name: str,
    target: str,
    precision: str,
    out: Path,
    data: Path | None = None,
    allow_loss: bool = False,
    engines: Sequence[str] = (),
    opset: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Delivery:
    """Writes the model folder `out`; nothing is left there where a check refuses.

    `engines`: engines of this machine that have to pass the accuracy gate as well, for example openvino-bf16.
    `opset`: an older ONNX operator set to write the graphs in (see headway.export.opset).

    Raises ModelError (not installed, not signed by the trusted key, wrong hash, an operator off the list, answers that
    are no numbers, a graph for few people that says something else), AccuracyLossError, UsageError,
    MissingDependencyError (no TensorRT) and EngineError (TensorRT refuses).
    """
    if target not in TARGETS or precision not in PRECISIONS:
        raise UsageError(f"--to is one of {', '.join(TARGETS)}, --precision one of {', '.join(PRECISIONS)}")
    if opset and precision == "int8":
        raise UsageError("--opset: nvidia-modelopt writes INT8 graphs in an operator set of its own (19)")
    for engine in engines:
        check_engine(engine)
    source = model_folder(name)
    manifest = read_manifest(source, trusted_key())
    if out.resolve() == source.resolve():
        raise UsageError(f"--out {out} is the folder of the model itself: give another one")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"--out {out} is not empty")
    # It is wanted last, after minutes of measuring: who lacks it hears so now.
    library = find_library(("tensorrt_rtx",)) if target == "tensorrt" else None
    delivery = Delivery(out)
    if trusted_key():
        delivery.notes.append(f"{VARIABLE} is set, and what was made is not signed yet: `headway models --sign KEY`")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Made beside `out` and renamed at the end: a folder that looks finished is finished.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir(mode=0o755)
        say("checking the network")
        names = _copy(source, manifest, folder, opset)
        evaluation = dict(manifest.evaluation)
        say("comparing with torch on real input")
        evaluation |= _torch_parity(folder, manifest, names, delivery)
        if FEW in names:
            say("comparing the graph for few people")
            delivery.few_parity, delivery.few_source = few_parity(folder, manifest, names)
            evaluation |= {"parity_few": delivery.few_parity, "parity_few_on": delivery.few_source}
        if precision != "fp32":
            key = f"onnx_{precision}"
            names[key] = f"{manifest.name}.{precision}.onnx"
            if precision == "fp16":
                say("converting to half precision")
                delivery.half = _halve(folder / names["onnx"], folder / names[key])
            else:
                say("quantising on real input")
                delivery.int8, evaluation["calibration_int8"] = _quantise(folder, manifest, names)
            with judged(folder, names, key) as graphs:
                say("comparing on real input")
                delivery.parity, delivery.parity_source = parity(folder, manifest, graphs, key)
                say("measuring accuracy")
                gate = _Gate(folder, manifest, graphs, data, allow_loss, delivery)
                evaluation[f"gate_{precision}"] = gate.run(precision, key, "onnxruntime")
            evaluation[f"parity_{precision}"] = {"source": delivery.parity_source, "worst": delivery.parity}
        for engine in engines:
            say(f"measuring accuracy on {engine}")
            gate = _Gate(folder, manifest, names, data, allow_loss, delivery)
            evaluation[f"gate_{engine}"] = gate.run(engine, graph_key(engine), engine)
        if library:
            say("building the TensorRT engine")
            names[f"tensorrt_{precision}"] = _engine(library, folder, manifest, names, precision, delivery, say)
        write_manifest(
            folder,
            replace(
                manifest,
                files=file_entries(folder, names),
                evaluation=evaluation,
                exporter=f"{manifest.exporter}; headway export --to {target} --precision {precision}"
                + (f" --opset {opset}" if opset else ""),
            ),
        )
        delivery.files = {p.name: p.stat().st_size for p in sorted(folder.iterdir())}
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return delivery


def _copy(source: Path, manifest: Manifest, folder: Path, opset: int | None) -> dict[str, str]:
    """Copies the model's files after their hashes were checked, and brings the graphs into the form engines want."""
    names = {}
    for key in manifest.files:
        path = verified_path(source, manifest, key)
        shutil.copyfile(path, folder / path.name)
        names[key] = path.name
    for path in (folder / name for key, name in names.items() if key.startswith("onnx")):
        model = check_graph(path)
        if cast_first(model):
            onnx.save(model, str(path))
            check_graph(path)
        if opset:
            onnx.save(lower(model, opset), str(path))
    return names


def _torch_parity(folder: Path, manifest: Manifest, names: Mapping[str, str], delivery: Delivery) -> dict[str, Any]:
    """What the manifest says of it; a note where the weights are of another version of the network."""
    try:
        worst, source = torch_parity(folder, manifest, names)
    except ModelError as error:
        delivery.notes.append(f"not compared with torch: {error}")
        return {}
    delivery.torch_parity, delivery.parity_source = worst, source
    return {"parity_torch_onnxruntime": worst, "parity_torch_onnxruntime_on": source}


def _halve(full: Path, half: Path) -> HalfReport:
    model, report = to_half(check_graph(full))
    onnx.save(model, str(half))
    check_graph(half)
    return report


def _quantise(folder: Path, manifest: Manifest, names: Mapping[str, str]) -> tuple[Int8Report, dict[str, Any]]:
    """Writes the INT8 graph; returns which layers it holds, and what the manifest says of the calibration."""
    only(folder, manifest, names, "onnx")
    model = open_own(folder, manifest.task)
    feeds, source = real_feeds(model, CALIBRATION_FRAMES, apart=True)
    model.close()
    report = to_int8(folder / names["onnx"], folder / names["onnx_int8"], feeds)
    cleaned = without_traces(check_graph(folder / names["onnx_int8"]))
    onnx.save(cleaned, str(folder / names["onnx_int8"]))
    return report, {"source": source, "inputs": len(feeds), "tool": report.tool, "kept_in_fp32": list(report.full)}


@dataclass
class _Gate:
    """The accuracy gate on what lies in `folder`."""

    folder: Path
    manifest: Manifest
    names: Mapping[str, str]
    data: Path | None
    allow_loss: bool
    delivery: Delivery

    def run(self, label: str, graph: str, engine: str) -> Mapping[str, Any]:
        """What the manifest records of graph `graph` run by `engine` against the FP32 graph on ONNX Runtime."""
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as beside:
            other = Path(beside) / self.manifest.name
            shutil.copytree(self.folder, other)
            only(self.folder, self.manifest, self.names, "onnx")
            # As on the device: there ONNX Runtime answers for few people by the graph that is made for them.
            only(other, self.manifest, self.names, graph, beside=(FEW,) if graph == "onnx" else ())
            try:
                rows, used = run_gate(self.manifest.task, self.folder, other, self.data, engine)
            except UsageError as error:
                if not self.allow_loss:
                    raise
                self.delivery.notes.append(f"{label} not measured: {error}")
                return {"measured": False, "reason": str(error), "allowed_loss": True}
        self.delivery.gates[label], self.delivery.gate_data = rows, used
        if unmeasured(rows):
            self.delivery.notes.append(
                f"{label}: mAP was not measured, {used} has no head boxes: "
                "`headway render people --split val --out DIR`, then --data DIR"
            )
        return verdict(label, rows, used, self.allow_loss)


def _engine(
    library: Library,
    folder: Path,
    manifest: Manifest,
    names: Mapping[str, str],
    precision: str,
    delivery: Delivery,
    say: Callable[[str], None],
) -> str:
    graph = (folder / names["onnx" if precision == "fp32" else f"onnx_{precision}"]).read_bytes()
    built = build_engine(library, graph, lambda text: say(f"building the TensorRT engine: {text}"))
    delivery.layers = built.counts
    delivery.notes.append(
        f"engine of {library.version}: finished for the GPU where it is loaded; `tensorrt` (JetPack, data centre) "
        "builds its own from the ONNX file on first use and keeps it in its cache"
    )
    name = f"{manifest.name}.{precision}.engine"
    (folder / name).write_bytes(pack(engine_key(graph, precision, library), built.engine))
    return name
