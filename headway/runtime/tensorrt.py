"""TensorRT engine: pinned staging, one stream, fixed addresses, the whole frame as one CUDA graph."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import EngineError
from headway.runtime.cache import EngineCache, EngineKey, ticking, unpack
from headway.runtime.tensorrt_build import Library, build_engine, find_library, make_logger, start
from headway.runtime.tensorrt_cuda import Buffer, Cuda, fill

log = logging.getLogger("headway.engine")

ANY = "any"
"""GPU and driver in the key of an engine that was built ahead of time and finishes itself where it is loaded."""


class TensorRTEngine:
    """Runs one ONNX file on device 0; the engine comes from `shipped` if it fits, else from the cache, else is built.

    `graph=False` launches every kernel by itself: for measuring what the CUDA graph brings.
    """

    def __init__(
        self,
        path: Path,
        precision: str = "fp32",
        graph: bool = True,
        shipped: Path | None = None,
        cache: EngineCache | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.name = "tensorrt" if precision == "fp32" else f"tensorrt-{precision}"
        self._file = path.name
        self._say = say or (lambda line: log.warning("%s", line))
        library = find_library()
        self._cuda = Cuda()
        self._runtime = start(library, "Runtime", make_logger(library.module))
        onnx = path.read_bytes()
        key = engine_key(onnx, precision, library, self._cuda.gpu, self._cuda.driver)
        engine = self._from_shipped(shipped, key, library) or (cache or EngineCache(say=self._say)).get(
            key, path.name, lambda phase: build_engine(library, onnx, phase).engine, self._load
        )
        self._engine = engine
        with self._finishing():
            self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{library.version} made no execution context for {path.name}: is the GPU out of memory?")
        self._stream = self._cuda.call("cudaStreamCreate")
        self._inputs: list[Buffer] = []
        self._outputs: list[Buffer] = []
        self._graph: Any = None
        try:
            self._allocate(library)
            if graph:
                with self._finishing():
                    self._capture()
        except Exception:
            with suppress(EngineError):  # after one error CUDA often gives it for everything: the first is the cause
                self.close()
            raise

    def _finishing(self) -> AbstractContextManager[None]:
        """Says each second that it lasts: TensorRT-RTX compiles its kernels for this GPU when an engine is loaded."""
        return ticking(self._say, lambda seconds: f"{self._file}: finishing the engine for this GPU, {seconds:.0f} s")

    def _load(self, engine: bytes) -> Any:
        with self._finishing():
            loaded = self._runtime.deserialize_cuda_engine(engine)
        if loaded is None:
            raise EngineError(f"TensorRT cannot load it: {self._runtime.logger.last or 'no reason given'}")
        return loaded

    def _from_shipped(self, shipped: Path | None, key: EngineKey, library: Library) -> Any:
        if shipped is None or not library.ahead_of_time:
            return None
        try:
            return self._load(unpack(shipped.read_bytes(), replace(key, gpu=ANY, driver=ANY)))
        except (EngineError, OSError) as error:
            self._say(f"{shipped.name} that came with the model is left aside: {error}")
            return None

    def _allocate(self, library: Library) -> None:
        trt = library.module
        for i in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(i)
            dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
            buffer = self._cuda.buffer(name, tuple(self._engine.get_tensor_shape(name)), dtype)
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            (self._inputs if is_input else self._outputs).append(buffer)
            if not self._context.set_tensor_address(name, buffer.device_address):
                raise EngineError(f"TensorRT takes no memory for '{name}'")

    def _queue(self) -> None:
        """Everything of one frame, in order, on the one stream."""
        for buffer in self._inputs:
            self._cuda.upload(buffer, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise EngineError("TensorRT could not start the network")
        for buffer in self._outputs:
            self._cuda.download(buffer, self._stream)

    def _capture(self) -> None:
        """Records one frame as a graph; where the network cannot be recorded, frames are launched one by one."""
        # A first plain run: what TensorRT sets up lazily must not happen inside the recording.
        self._queue()
        self._cuda.call("cudaStreamSynchronize", self._stream)
        mode = self._cuda.api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._cuda.call("cudaStreamBeginCapture", self._stream, mode)
        problem = None
        try:
            self._queue()
        except EngineError as error:
            problem = error
        try:
            recorded = self._cuda.call("cudaStreamEndCapture", self._stream)
            if problem is None:
                self._graph = self._cuda.call("cudaGraphInstantiate", recorded, 0)
            self._cuda.call("cudaGraphDestroy", recorded)
        except EngineError as error:
            problem = problem or error
        if self._graph is None:
            self._say(f"{self.name}: without CUDA graph ({problem})")

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer; the arrays returned are the pinned buffers, overwritten by the next call."""
        fill(self._inputs, feeds)
        if self._graph is None:
            self._queue()
        else:
            self._cuda.call("cudaGraphLaunch", self._graph, self._stream)
        self._cuda.call("cudaStreamSynchronize", self._stream)
        return {buffer.name: buffer.host for buffer in self._outputs}

    def close(self) -> None:
        """Frees graph, buffers and stream."""
        if self._graph is not None:
            self._cuda.call("cudaGraphExecDestroy", self._graph)
            self._graph = None
        for buffer in (*self._inputs, *self._outputs):
            self._cuda.free(buffer)
        self._inputs, self._outputs = [], []
        if self._stream is not None:
            self._cuda.call("cudaStreamDestroy", self._stream)
            self._stream = None


def engine_key(onnx: bytes, precision: str, library: Library, gpu: str = ANY, driver: str = ANY) -> EngineKey:
    """Key of the engine that `library` makes of `onnx`."""
    return EngineKey(hashlib.sha256(onnx).hexdigest(), precision, library.version, gpu, driver)
