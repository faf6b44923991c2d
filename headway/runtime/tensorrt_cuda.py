"""The few CUDA calls that a runner needs, through cuda-python, every error checked."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.errors import EngineError, MissingDependencyError

MODULES = ("cuda.bindings.runtime", "cuda.cudart")
"""Since cuda-python 12.6, and before."""
FUNCTIONS = (
    "cudaDriverGetVersion",
    "cudaFree",
    "cudaFreeHost",
    "cudaGetDeviceCount",
    "cudaGetDeviceProperties",
    "cudaGraphDestroy",
    "cudaGraphExecDestroy",
    "cudaGraphInstantiate",
    "cudaGraphLaunch",
    "cudaMalloc",
    "cudaMallocHost",
    "cudaMemGetInfo",
    "cudaMemcpyAsync",
    "cudaStreamBeginCapture",
    "cudaStreamCreate",
    "cudaStreamDestroy",
    "cudaStreamEndCapture",
    "cudaStreamSynchronize",
)
"""Everything that is called here and in tensorrt.py: a test looks that the installed cuda-python has it."""
HINTS = {
    "cudaErrorInsufficientDriver": " (no driver, or one older than the CUDA of cuda-python: for a driver of CUDA 12, "
    "as in JetPack 6, install 'cuda-python<13', which `headway[jetson]` does)"
}
"""What to do about an error, where its name does not say."""


@dataclass(frozen=True)
class Buffer:
    """A tensor at two fixed addresses: pinned host memory, seen as `host`, and device memory."""

    name: str
    host: np.ndarray
    host_address: int
    device_address: int

    @property
    def nbytes(self) -> int:
        """Size of either copy."""
        return self.host.nbytes


def fill(inputs: Sequence[Buffer], feeds: Mapping[str, np.ndarray]) -> None:
    """Copies the arrays of one frame into the pinned buffers; raises EngineError where one is missing."""
    for buffer in inputs:
        if buffer.name not in feeds:
            raise EngineError(f"input '{buffer.name}' is missing")
        np.copyto(buffer.host, feeds[buffer.name], casting="no")


class Cuda:
    """Device 0. Raises MissingDependencyError without cuda-python, EngineError without a usable GPU."""

    def __init__(self) -> None:
        self.api = find_cuda()
        try:
            count = self.call("cudaGetDeviceCount")
        except EngineError as error:
            raise EngineError(f"no usable NVIDIA GPU: {error}") from None
        if count < 1:
            raise EngineError("no NVIDIA GPU in this machine")
        found = self.call("cudaGetDeviceProperties", 0)
        name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
        # Modules of one family (Orin) may share name and capability and differ in size: kernels are chosen by it.
        self.gpu = f"{name} sm{found.major}{found.minor} x{found.multiProcessorCount}"
        self.driver = str(self.call("cudaDriverGetVersion"))

    def call(self, function: str, *args: Any) -> Any:
        """Calls `function` and returns what follows the error code; raises EngineError with CUDA's name for it."""
        code, *values = getattr(self.api, function)(*args)
        if code != self.api.cudaError_t.cudaSuccess:
            if code == self.api.cudaError_t.cudaErrorMemoryAllocation:
                raise EngineError(f"GPU out of memory in {function}: close other programs or take a smaller model")
            raise EngineError(f"{function} failed: {code.name}{HINTS.get(code.name, '')}")
        return values[0] if len(values) == 1 else tuple(values)

    def buffer(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Buffer:
        """Allocates both copies of a tensor."""
        size = int(np.prod(shape)) * dtype.itemsize
        device = int(self.call("cudaMalloc", size))
        try:
            address = int(self.call("cudaMallocHost", size))
        except EngineError:
            self.call("cudaFree", device)
            raise
        memory = (ctypes.c_uint8 * size).from_address(address)
        host = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        host[...] = 0
        return Buffer(name, host, address, device)

    def free(self, buffer: Buffer) -> None:
        """Gives both copies back; `buffer.host` must not be touched afterwards."""
        self.call("cudaFree", buffer.device_address)
        self.call("cudaFreeHost", buffer.host_address)

    def upload(self, buffer: Buffer, stream: Any) -> None:
        """Queues host -> device."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", buffer.device_address, buffer.host_address, buffer.nbytes, kind, stream)

    def download(self, buffer: Buffer, stream: Any) -> None:
        """Queues device -> host."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", buffer.host_address, buffer.device_address, buffer.nbytes, kind, stream)

    def memory_used_mib(self) -> float:
        """MiB taken on the device, by everybody."""
        free, total = self.call("cudaMemGetInfo")
        return (total - free) / 2**20


def find_cuda() -> Any:
    """cuda-python's runtime module, under its new name or its old one."""
    reasons = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            reasons.append(str(error))
    raise MissingDependencyError(
        f"cuda-python is not installed ({reasons[0]}): install `headway[gpu]`, on a Jetson `headway[jetson]`"
    )
