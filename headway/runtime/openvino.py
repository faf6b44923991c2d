"""OpenVINO engine for x86 CPUs: FP32, bfloat16 arithmetic where the CPU has it, or a graph quantised to INT8."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import EngineError, MissingDependencyError
from headway.runtime.cpu import bytes_overflow


class OpenVinoEngine:
    """Runs one ONNX file on the CPU. `precision` is "fp32", "bf16" (refused where it is not native), or "int8" for a
    graph with Q/DQ nodes, whose other layers run in FP32 (refused where sums of bytes overflow)."""

    def __init__(self, path: Path, precision: str = "fp32", threads: int = 1) -> None:
        self.name = "openvino" if precision == "fp32" else f"openvino-{precision}"
        try:
            openvino: Any = importlib.import_module("openvino")
        except ImportError as error:
            raise MissingDependencyError(f"OpenVINO is not installed ({error}): install `headway[openvino]`") from None
        core = openvino.Core()
        if reason := unfit(core, precision):
            raise EngineError(f"{reason}: take engine 'openvino' or 'onnxruntime'")
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # other nodes share the cores
        }
        try:
            self._compiled: Any = core.compile_model(core.read_model(io.BytesIO(path.read_bytes())), "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError and its own types for every cause
            raise EngineError(f"OpenVINO {openvino.__version__} refuses {path}: {_cause(error)}") from error
        self._request: Any = self._compiled.create_infer_request()
        self._outputs = [(output.get_any_name(), output) for output in self._compiled.outputs]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer; the arrays returned belong to the request and are overwritten by the next call."""
        try:
            self._request.infer(dict(feeds), share_inputs=True, share_outputs=True)
            return {name: self._request.get_tensor(output).data for name, output in self._outputs}
        except Exception as error:
            raise EngineError(f"OpenVINO failed: {_cause(error)}") from error

    def close(self) -> None:
        """Frees the compiled network."""
        del self._request, self._compiled


def unfit(core: Any, precision: str) -> str:
    """Why this CPU does not run `precision` under the openvino.Core given; "" where it does."""
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "this CPU has no bfloat16 arithmetic"
    if precision == "int8" and bytes_overflow():
        return "this CPU has no VNNI: OpenVINO adds products of bytes in 16 bits there, which overflow"
    return ""


def _cause(error: Exception) -> str:
    """The line of OpenVINO's report that says what is wrong: reasons are listed with "-- ", else it is the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    listed = [line[3:] for line in lines if line.startswith("-- ")]
    return listed[0] if listed else lines[-1] if lines else type(error).__name__
