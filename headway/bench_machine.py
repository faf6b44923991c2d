"""What a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError
from headway.runtime.cpu import cpu_field, cpu_flags

PACKAGES = (
    "headway", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "tensorrt",
    "tensorrt-rtx-cu13", "cuda-python", "cuda-bindings",
)  # fmt: skip
JETSON = Path("/etc/nv_tegra_release")


def machine(threads: int) -> dict[str, Any]:
    """CPU, cores, clock, load, memory, GPU, system and versions; None where the machine does not say."""
    return {
        "cpu": cpu_field("model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "clock_mhz": _number(cpu_field("cpu mhz")),
        "features": [
            f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni", "asimd") if f in cpu_flags()
        ],
        "load_1min": os.getloadavg()[0],
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20,
        "gpu": _gpu(),
        "jetson": JETSON.read_text(encoding="utf-8").splitlines()[0] if JETSON.is_file() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
    }


def rss_mib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def gpu_used_mib() -> float | None:
    """Memory taken on GPU 0 by everybody, None without one."""
    try:
        from headway.runtime.tensorrt_cuda import Cuda

        return Cuda().memory_used_mb()
    except HeadwayError:
        return None


def _gpu() -> str | None:
    try:
        from headway.runtime.tensorrt_cuda import Cuda

        cuda = Cuda()
    except HeadwayError:
        return None
    return f"{cuda.gpu}, CUDA driver {cuda.driver}"


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _number(text: str | None) -> float | None:
    return float(text) if text else None
