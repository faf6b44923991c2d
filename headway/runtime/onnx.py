"""ONNX Runtime engine: on the CPU, or through its CUDA and TensorRT providers where this build has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort

from headway.errors import EngineError

PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {}),
    # Without its own engine cache: that one is keyed by node names alone and lies in the working directory.
    "tensorrt": ("TensorrtExecutionProvider", {"trt_engine_cache_enable": "0"}),
}


class OnnxEngine:
    """Runs one ONNX file. `threads` is the intra-op thread count: results are bit-identical for the same count."""

    def __init__(self, path: Path, threads: int = 1, provider: str = "cpu") -> None:
        self.name = "onnxruntime" if provider == "cpu" else f"onnxruntime-{provider}"
        wanted = _provider(provider)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads take the CPU from the other nodes of the graph between two frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[wanted])
        except Exception as error:  # onnxruntime raises its own unrelated types for every cause
            raise EngineError(f"ONNX Runtime {ort.__version__} refuses {path}: {error}") from error
        found = self._session.get_providers()[0]
        if found != wanted[0]:  # it falls back to the CPU without a word that a program could read
            raise EngineError(f"ONNX Runtime could not start {wanted[0]} for {path.name} and took {found}")
        self._outputs = [o.name for o in self._session.get_outputs()]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer."""
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, dict(feeds)), strict=True))
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {error}") from error

    def close(self) -> None:
        """Frees the session."""
        del self._session


def _provider(name: str) -> tuple[str, dict[str, str]]:
    provider, options = PROVIDERS[name]
    if provider not in ort.get_available_providers():
        raise EngineError(
            f"this ONNX Runtime ({ort.__version__}) has no {provider}: "
            "`pip uninstall onnxruntime`, then install `headway[gpu]`"
        )
    return provider, options
