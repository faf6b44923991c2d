"""ONNX Runtime engine: on the CPU, or through its CUDA and TensorRT providers where this build has them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from headway.errors import EngineError

PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    # FP32 means FP32 here: no TF32 inside it.
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    # Without its own engine cache: that one is keyed by node names alone and lies in the working directory.
    "tensorrt": ("TensorrtExecutionProvider", {"trt_engine_cache_enable": "0"}),
}


class OnnxEngine:
    """Runs one ONNX file. `threads` is the intra-op thread count: results are bit-identical for the same count."""

    def __init__(self, path: Path, threads: int = 1, provider: str = "cpu") -> None:
        self.name = "onnxruntime" if provider == "cpu" else f"onnxruntime-{provider}"
        self._session = open_session(path, threads, provider)
        self._outputs = [o.name for o in self._session.get_outputs()]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer."""
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, dict(feeds)), strict=True))
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {cause(error)}") from error

    def close(self) -> None:
        """Frees the session."""
        del self._session


def open_session(path: Path, threads: int, provider: str, options: Mapping[str, str] | None = None) -> Any:
    """A session of `provider` with its own options and `options`; raises EngineError where another took its place."""
    name, own = provider_options(provider)
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = threads
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    session_options.use_deterministic_compute = provider != "cpu"  # the CPU's is, for the same number of threads
    # Spinning threads take the CPU from the other nodes of the graph between two frames.
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(path), session_options, providers=[(name, {**own, **(options or {})})])
    except Exception as error:  # onnxruntime raises its own unrelated types for every cause
        raise EngineError(f"ONNX Runtime {ort.__version__} refuses {path}: {cause(error)}") from error
    found = session.get_providers()[0]
    if found != name:  # it falls back to the CPU without a word that a program could read
        raise EngineError(f"ONNX Runtime could not start {name} for {path.name} and took {found}")
    return session


def cause(error: Exception) -> str:
    """ONNX Runtime's words in one line."""
    return " ".join(str(error).split())


def provider_options(name: str) -> tuple[str, dict[str, str]]:
    """ONNX Runtime's name and the options of `name`; raises EngineError where this build has none."""
    provider, options = PROVIDERS[name]
    if provider not in ort.get_available_providers():
        cure = "`pip uninstall onnxruntime`, then install `headway[gpu]`"
        if platform.machine() == "aarch64":  # PyPI has no onnxruntime-gpu for it
            cure = "on a Jetson take engine tensorrt, or NVIDIA's own onnxruntime-gpu for your JetPack"
        raise EngineError(f"this ONNX Runtime ({ort.__version__}) has no {provider}: {cure}")
    return provider, options
