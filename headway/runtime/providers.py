"""Which engines there are, and how each is opened. Libraries are imported when an engine of theirs is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from headway.errors import EngineError, MissingDependencyError, ModelError
from headway.runtime.engine import AUTO, Engine
from headway.runtime.manifest import Manifest, verified_path

log = logging.getLogger("headway.engine")

Opener = Callable[[Path, Manifest, int], Engine]


def open_engine(name: str, folder: Path, manifest: Manifest, threads: int) -> Engine:
    """Opens engine `name` (not "auto") on the model in `folder`, hash verified; raises what that engine raises."""
    return OPENERS[name](folder, manifest, threads)


def open_first(folder: Path, manifest: Manifest, threads: int, warm: Callable[[Engine], None]) -> Engine:
    """Engine "auto": the fastest that opens and answers here, ONNX Runtime on the CPU last. Says which, and why."""
    reasons = []
    for name in AUTO:
        if name.endswith("-fp16") and "onnx_fp16" not in manifest.files:
            continue
        try:
            engine = open_engine(name, folder, manifest, threads)
            warm(engine)
        except (EngineError, MissingDependencyError) as error:
            reasons.append(f"{name}: {error}")
            continue
        if reasons:
            log.warning("model '%s' runs on %s (%s)", manifest.name, engine.name, "; ".join(reasons))
        return engine
    raise EngineError(f"no engine runs model '{manifest.name}': {'; '.join(reasons)}")


def _onnxruntime(provider: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.onnx import OnnxEngine

        return OnnxEngine(verified_path(folder, manifest, "onnx"), threads, provider)

    return opener


def _openvino(precision: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.openvino import OpenVinoEngine

        return OpenVinoEngine(verified_path(folder, manifest, "onnx"), precision, threads)

    return opener


def _tensorrt(precision: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.tensorrt import TensorRTEngine

        key = "onnx" if precision == "fp32" else f"onnx_{precision}"
        if key not in manifest.files:
            raise ModelError(
                f"model '{manifest.name}' has no {precision} graph: "
                f"headway export {manifest.name} --to tensorrt --precision {precision} --out DIR"
            )
        shipped = f"tensorrt_{precision}"
        return TensorRTEngine(
            verified_path(folder, manifest, key),
            precision,
            shipped=verified_path(folder, manifest, shipped) if shipped in manifest.files else None,
        )

    return opener


OPENERS: dict[str, Opener] = {
    "onnxruntime": _onnxruntime("cpu"),
    "onnxruntime-cuda": _onnxruntime("cuda"),
    "onnxruntime-tensorrt": _onnxruntime("tensorrt"),
    "openvino": _openvino("fp32"),
    "openvino-bf16": _openvino("bf16"),
    "tensorrt": _tensorrt("fp32"),
    "tensorrt-fp16": _tensorrt("fp16"),
}
