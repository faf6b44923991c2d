"""ONNX Runtime on an NVIDIA GPU: pinned staging, one stream, fixed addresses, the network as one CUDA graph.

For GPUs that TensorRT is not installed for. Where cuda-python is missing, headway.runtime.onnx runs the same file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from headway.errors import EngineError
from headway.runtime.onnx import cause, open_session
from headway.runtime.tensorrt_cuda import Buffer, Cuda, fill

log = logging.getLogger("headway.engine")

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class OnnxCudaEngine:
    """Runs one ONNX file on device 0. `graph=False` launches every kernel by itself."""

    def __init__(
        self,
        path: Path,
        precision: str = "fp32",
        graph: bool = True,
        threads: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.name = "onnxruntime-cuda" if precision == "fp32" else f"onnxruntime-cuda-{precision}"
        self._say = say or (lambda line: log.warning("%s", line))
        self._cuda = Cuda()
        self._stream = self._cuda.call("cudaStreamCreate")
        self._inputs: list[Buffer] = []
        self._outputs: list[Buffer] = []
        try:
            self._session, recorded = self._open(path, threads, graph)
            self._binding = self._session.io_binding()
            self._allocate()
            self._options = ort.RunOptions()
            if recorded:
                # The downloads come after the network on the same stream: one wait at the end is enough. Without a
                # graph ONNX Runtime hands its pinned scratch memory to a callback on the stream, and where nothing
                # waited for that, closing the session ends the whole process (1.31 on an H100: CUDA failure 800).
                self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
            self._run()  # the first run is also recorded
        except Exception:
            with suppress(EngineError):  # after one error CUDA often gives it for everything: the first is the cause
                self.close()
            raise

    def _open(self, path: Path, threads: int, graph: bool) -> tuple[Any, bool]:
        """The session, and whether it records its first run."""
        options = {"user_compute_stream": str(int(self._stream))}
        if graph:
            try:
                return open_session(path, threads, "cuda", {**options, "enable_cuda_graph": "1"}), True
            except EngineError as error:  # a layer that only the CPU has cannot be recorded
                self._say(f"{self.name}: without CUDA graph ({error})")
        return open_session(path, threads, "cuda", options), False

    def _allocate(self) -> None:
        self._inputs = [self._buffer(node) for node in self._session.get_inputs()]
        self._outputs = [self._buffer(node) for node in self._session.get_outputs()]
        bind_all(self._binding, self._inputs, self._outputs, "cuda")

    def _buffer(self, node: Any) -> Buffer:
        if node.type not in TYPES:
            raise EngineError(f"{self.name}: '{node.name}' is of {node.type}")
        return self._cuda.buffer(node.name, tuple(node.shape), np.dtype(TYPES[node.type]))

    def _run(self) -> None:
        for buffer in self._inputs:
            self._cuda.upload(buffer, self._stream)
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:  # onnxruntime raises its own unrelated types for every cause
            raise EngineError(f"ONNX Runtime failed: {cause(error)}") from error
        for buffer in self._outputs:
            self._cuda.download(buffer, self._stream)
        self._cuda.call("cudaStreamSynchronize", self._stream)

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer; the arrays returned are the pinned buffers, overwritten by the next call."""
        fill(self._inputs, feeds)
        self._run()
        return {buffer.name: buffer.host for buffer in self._outputs}

    def close(self) -> None:
        """Frees session, buffers and stream, in this order: the session's graph holds the addresses."""
        self._binding = self._session = None
        for buffer in (*self._inputs, *self._outputs):
            self._cuda.free(buffer)
        self._inputs, self._outputs = [], []
        if self._stream is not None:
            self._cuda.call("cudaStreamDestroy", self._stream)
            self._stream = None


def bind_all(binding: Any, inputs: Sequence[Buffer], outputs: Sequence[Buffer], device: str) -> None:
    """Tells ONNX Runtime the device addresses of all tensors, once."""
    for bind, buffers in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
        for b in buffers:
            bind(b.name, device, 0, b.host.dtype.type, b.host.shape, b.device_address)
