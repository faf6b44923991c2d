"""ONNX to a TensorRT engine, through one adapter for `tensorrt` (8.6 on JetPack 6.0, 10.3 on 6.1, up to 11) and
`tensorrt_rtx`.

TensorRT-RTX builds without a GPU; its engines are finished for the GPU at hand when they are loaded. `tensorrt`
measures kernels on the GPU it builds for. Networks are strongly typed: the precision of every layer is that of the
ONNX graph (see headway.export.half), no builder flag changes it. TensorRT 8 knows no such networks: there every layer
is held to its precision one by one.
"""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headway.errors import EngineError, MissingDependencyError
from headway.runtime.onnx_file import opset

log = logging.getLogger("headway.tensorrt")

LIBRARIES = ("tensorrt", "tensorrt_rtx")
OLD_OPSET = 17
"""The newest that TensorRT 8.6 reads."""
INSTALL = (
    "install `headway[gpu]`, or `headway[rtx]` to build without a GPU; on a Jetson it comes with JetPack "
    "(`sudo apt-get install nvidia-jetpack`, and a venv made with --system-site-packages), beside `headway[jetson]`"
)


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
    def strongly_typed(self) -> bool:
        """Whether the types of the graph are the precisions of its layers: since TensorRT 9."""
        return self.name == "tensorrt_rtx" or int(self.module.__version__.split(".")[0]) >= 9

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
    _refuse_newer(library, onnx)
    trt = library.module
    logger = make_logger(trt)
    builder = start(library, "Builder", logger)
    network = builder.create_network(_network_kind(library))
    parser = trt.OnnxParser(network, logger)
    phase("reading the network")
    if not parser.parse(onnx):
        raise EngineError(f"{library.version} refuses the network: {_parser_errors(parser)}")
    config = builder.create_builder_config()
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)  # FP32 means FP32 here, on every GPU
    if not library.strongly_typed:
        hold_precisions(trt, network, config)
    if hasattr(trt, "IProgressMonitor"):
        config.progress_monitor = _monitor(trt, phase)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that the inspector names the layers
    phase("optimising")
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"{library.version} built nothing: {logger.last or 'no reason given'}")
    return Built(bytes(engine), layer_precisions(network))


def _refuse_newer(library: Library, onnx: bytes) -> None:
    """TensorRT 8 reads a graph that is too new for it, and computes something else."""
    if not library.strongly_typed and opset(onnx) > OLD_OPSET:
        raise EngineError(
            f"{library.version} reads ONNX operator sets up to {OLD_OPSET}, this graph is of {opset(onnx)}: "
            f"headway export NAME --to onnx --precision P --opset {OLD_OPSET} --out DIR"
        )


def start(library: Library, what: str, logger: Any) -> Any:
    """A "Builder" or a "Runtime" of TensorRT; raises EngineError where CUDA cannot start under it."""
    try:
        started = getattr(library.module, what)(logger)
    except TypeError:  # TensorRT 8 where CUDA cannot start; later ones give None
        started = None
    if started is None:
        raise EngineError(f"{library.version} cannot start here: {logger.last or 'no CUDA device'}")
    return started


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


def hold_precisions(trt: Any, network: Any, config: Any) -> None:
    """TensorRT 8: holds every layer to the precision that the graph gives it.

    The flag for halves only allows them. What a layer computes in is what its first float input is in: a graph changes
    precision in casts alone.
    """
    floats = (trt.DataType.FLOAT, trt.DataType.HALF)
    kinds = {network.get_input(i).name: network.get_input(i).dtype for i in range(network.num_inputs)}
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        own = layer.get_output(0).dtype
        given = layer.type in (trt.LayerType.CAST, trt.LayerType.CONSTANT)
        inputs = [layer.get_input(j) for j in range(layer.num_inputs)]
        kind = own if given else next((kinds[t.name] for t in inputs if t and kinds.get(t.name) in floats), own)
        for j in range(layer.num_outputs):
            output = layer.get_output(j)
            kinds[output.name] = kind if output.dtype in floats else output.dtype
            if not given and kind in floats and output.dtype in floats:
                layer.precision = kind
                layer.set_output_type(j, kind)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    if trt.DataType.HALF in kinds.values():
        config.set_flag(trt.BuilderFlag.FP16)


def _network_kind(library: Library) -> int:
    flags = library.module.NetworkDefinitionCreationFlag
    if not library.strongly_typed:
        return 1 << int(flags.EXPLICIT_BATCH)  # the only kind there that a graph can be read into
    # TensorRT 11 knows no other kind of network and may drop the flag.
    return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0


def _parser_errors(parser: Any) -> str:
    lines = []
    for i in range(min(parser.num_errors, 2)):
        error = parser.get_error(i)
        # TensorRT 8 knows the number of the node and not its name.
        name = f" ({error.node_name() or error.node_operator()})" if hasattr(error, "node_name") else ""
        lines.append(f"node {error.node()}{name}: {error.desc().splitlines()[0]}")
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
