"""What an engine is, and the names of those there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from headway.errors import UsageError

ENGINES = (
    "onnxruntime",
    "onnxruntime-cuda",
    "onnxruntime-cuda-fp16",
    "onnxruntime-tensorrt",
    "openvino",
    "openvino-bf16",
    "openvino-int8",
    "tensorrt",
    "tensorrt-fp16",
    "tensorrt-int8",
    "auto",
)
"""What a configuration may name; "auto" is the first of AUTO that opens and answers on this machine."""

AUTO = ("tensorrt-fp16", "tensorrt", "onnxruntime-cuda-fp16", "onnxruntime-cuda", "onnxruntime")


def graph_key(engine: str) -> str:
    """Key of the graph in a manifest's files that `engine` runs: "onnx", or one made in another precision."""
    precision = engine.rpartition("-")[2]
    return f"onnx_{precision}" if precision in ("fp16", "int8") else "onnx"


class Engine(Protocol):
    """A network that is loaded and warm."""

    name: str

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the network once. The arrays returned may be reused by the next call: copy to keep them."""
        ...

    def close(self) -> None:
        """Frees the engine; `infer` must not be called afterwards."""
        ...


def check_engine(engine: str) -> None:
    """Raises UsageError for a name that is none of ENGINES."""
    if engine not in ENGINES:
        raise UsageError(f"engine '{engine}' is none of {', '.join(ENGINES)}")
