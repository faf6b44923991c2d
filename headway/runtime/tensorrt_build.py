"""ONNX to a TensorRT engine, through one adapter for `tensorrt` (10.3 on JetPack 6 up to 11) and `tensorrt_rtx`.

TensorRT-RTX builds without a GPU; its engines are finished for the GPU at hand when they are loaded. `tensorrt`
measures kernels on the GPU it builds for. Networks are strongly typed: the precision of every layer is that of the
ONNX graph (see headway.export.half), no builder flag changes it.
"""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headway.errors import EngineError, MissingDependencyError

log = logging.getLogger("headway.tensorrt")

LIBRARIES = ("tensorrt", "tensorrt_rtx")
INSTALL = "install `headway[gpu]` (on a Jetson TensorRT comes with JetPack), or `headway[rtx]` to build without a GPU"


@dataclass(frozen=True)
class Library:
    """One of the two modules, with the name that stands in cache keys."""

    module: Any
    name: str

    @property
    def version(self) -> str:
        """For example "tensorrt_rtx 1.7.1.116"."""
        return f"{self.name} {self.module.__version__}"

    @property
    def ahead_of_time(self) -> bool:
        """Whether it builds without a GPU."""
        return self.name == "tensorrt_rtx"


def find_library(names: tuple[str, ...] = LIBRARIES) -> Library:
    """The first of `names` that imports; raises MissingDependencyError naming what to install."""
    reasons = []
    for name in names:
        try:
            return Library(importlib.import_module(name), name)
        except (ImportError, OSError) as error:  # OSError: the shared library of another CUDA version
            reasons.append(f"{name}: {error}")
    raise MissingDependencyError(f"TensorRT is not to be had ({'; '.join(reasons)}): {INSTALL}")


@dataclass(frozen=True)
class Built:
    """An engine, and the precision of each layer as the network that was built says it."""

    engine: bytes
    precisions: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """Layers per precision, for example {"HALF": 122, "FLOAT": 76}."""
        return dict(Counter(self.precisions.values()).most_common())


def build_engine(library: Library, onnx: bytes, phase: Callable[[str], None] = lambda text: None) -> Built:
    """Parses `onnx` and builds; raises EngineError with TensorRT's own words, and the node where the parser stopped."""
    trt = library.module
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    if builder is None:  # the bindings give None where CUDA cannot start
        raise EngineError(f"{library.version} cannot start here: {logger.last or 'no CUDA device'}")
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, logger)
    phase("reading the network")
    if not parser.parse(onnx):
        raise EngineError(f"{library.version} refuses the network: {_parser_errors(parser)}")
    config = builder.create_builder_config()
    if hasattr(trt, "IProgressMonitor"):
        config.progress_monitor = _monitor(trt, phase)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that the inspector names the layers
    phase("optimising")
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"{library.version} built nothing: {logger.last or 'no reason given'}")
    return Built(bytes(engine), layer_precisions(network))


def layer_precisions(network: Any) -> dict[str, str]:
    """Layer -> type of its first output, in a strongly typed network the type it runs in; shape arithmetic left out."""
    found = {}
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        if layer.num_outputs:
            kind = layer.get_output(0).dtype.name
            if kind in ("FLOAT", "HALF", "BF16", "INT8", "FP8"):
                found[layer.name] = kind
    return found


def _strongly_typed(trt: Any) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    # TensorRT 11 knows no other kind of network and may drop the flag.
    return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0


def _parser_errors(parser: Any) -> str:
    lines = []
    for i in range(min(parser.num_errors, 2)):
        error = parser.get_error(i)
        lines.append(
            f"node {error.node()} ({error.node_name() or error.node_operator()}): {error.desc().splitlines()[0]}"
        )
    return "; ".join(lines) or "no reason given"


def make_logger(trt: Any) -> Any:
    """TensorRT's logger bound to Python's logging; `last` keeps the newest error for messages."""

    class PythonLogger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, text: str) -> None:
            if severity == trt.ILogger.Severity.ERROR:
                self.last = text.splitlines()[0]
            log.debug("%s", text)

    return PythonLogger()


def _monitor(trt: Any, phase: Callable[[str], None]) -> Any:
    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str, steps: int) -> None:
            phase(name.lower())

        def step_complete(self, name: str, step: int) -> bool:
            return True

        def phase_finish(self, name: str) -> None:
            pass

    return Monitor()
