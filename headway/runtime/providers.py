"""Which engines there are, and how each is opened. Libraries are imported when an engine of theirs is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from headway.errors import EngineError, HeadwayError, MissingDependencyError, ModelError
from headway.runtime.engine import AUTO, Engine, graph_key
from headway.runtime.few import FEW, TwoSizes
from headway.runtime.manifest import Manifest, verified_path
from headway.runtime.onnx_file import external_tensors

log = logging.getLogger("headway.engine")

Opener = Callable[[Path, Manifest, int], Engine]


def open_engine(name: str, folder: Path, manifest: Manifest, threads: int) -> Engine:
    """Opens engine `name` (not "auto") on the model in `folder`, hash verified; raises what that engine raises."""
    try:
        return OPENERS[name](folder, manifest, threads)
    except HeadwayError:
        raise
    except Exception as error:  # whatever a library raises, of a version that nobody tried: "auto" has others to try
        raise EngineError(f"{name} cannot be opened: {type(error).__name__}: {error}") from error


def open_first(folder: Path, manifest: Manifest, threads: int, warm: Callable[[Engine], None]) -> Engine:
    """Engine "auto": the fastest that opens and answers here, ONNX Runtime on the CPU last. Says which, and why."""
    reasons = []
    for name in AUTO:
        if (key := graph_key(name)) not in manifest.files:
            reasons.append(f"{name}: the model has no {key.removeprefix('onnx_')} graph")
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

        whole = OnnxEngine(_graph(folder, manifest, graph_key("onnxruntime")), threads, provider)
        # On a GPU the larger graph is no slower.
        if provider != "cpu" or FEW not in manifest.files:
            return whole
        return TwoSizes(whole, OnnxEngine(_graph(folder, manifest, FEW), threads, provider), manifest)

    return opener


def _onnxruntime_cuda(name: str, precision: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.onnx import OnnxEngine, provider_options
        from headway.runtime.onnx_cuda import OnnxCudaEngine

        provider_options("cuda")  # the reason that helps most comes first
        graph = _graph(folder, manifest, graph_key(name))
        try:
            return OnnxCudaEngine(graph, precision, threads=threads)
        except MissingDependencyError as error:
            log.warning("%s: no pinned staging and no CUDA graph (%s)", graph.name, error)
            plain = OnnxEngine(graph, threads, "cuda")
            plain.name = name
            return plain

    return opener


def _graph(folder: Path, manifest: Manifest, key: str) -> Path:
    """The graph under `key` of the manifest's files, hash verified and everything in this one file.

    Raises ModelError; where the model has no such graph it names the command that makes it.
    """
    if key not in manifest.files:
        precision = key.rpartition("_")[2]
        raise ModelError(
            f"model '{manifest.name}' has no {precision} graph: "
            f"headway export {manifest.name} --to onnx --precision {precision} --out DIR"
        )
    path = verified_path(folder, manifest, key)
    try:
        outside = external_tensors(path.read_bytes())
    except ValueError as error:
        raise EngineError(f"{path} is no ONNX file: {error}") from error
    if outside:
        raise ModelError(
            f"{path} keeps {len(outside)} tensors in other files ('{outside[0]}'), which its manifest's hash does not "
            "cover: export the model into one file"
        )
    return path


def _openvino(precision: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.openvino import OpenVinoEngine

        return OpenVinoEngine(_graph(folder, manifest, graph_key(f"openvino-{precision}")), precision, threads)

    return opener


def _tensorrt(precision: str) -> Opener:
    def opener(folder: Path, manifest: Manifest, threads: int) -> Engine:
        from headway.runtime.tensorrt import TensorRTEngine

        graph, shipped = _graph(folder, manifest, graph_key(f"tensorrt-{precision}")), f"tensorrt_{precision}"
        return TensorRTEngine(
            graph,
            precision,
            shipped=verified_path(folder, manifest, shipped) if shipped in manifest.files else None,
        )

    return opener


OPENERS: dict[str, Opener] = {
    "onnxruntime": _onnxruntime("cpu"),
    "onnxruntime-cuda": _onnxruntime_cuda("onnxruntime-cuda", "fp32"),
    "onnxruntime-cuda-fp16": _onnxruntime_cuda("onnxruntime-cuda-fp16", "fp16"),
    "onnxruntime-tensorrt": _onnxruntime("tensorrt"),
    "openvino": _openvino("fp32"),
    "openvino-bf16": _openvino("bf16"),
    "openvino-int8": _openvino("int8"),
    "tensorrt": _tensorrt("fp32"),
    "tensorrt-fp16": _tensorrt("fp16"),
    "tensorrt-int8": _tensorrt("int8"),
}
