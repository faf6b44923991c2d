"""What a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from headway import __version__
from headway.errors import HeadwayError
from headway.runtime.cpu import cpu_field, cpu_flags
from headway.runtime.gpu import power_mode

PACKAGES = (
    "numpy", "opencv-python-headless", "simplejpeg", "onnxruntime", "onnxruntime-gpu", "openvino", "torch",
    "tensorrt", "tensorrt-rtx-cu13", "cuda-python", "cuda-bindings",
)  # fmt: skip
JETSON = Path("/etc/nv_tegra_release")


_PRODUCT = """
import time, numpy
a = numpy.random.default_rng(0).random((1024, 1024), numpy.float32)
times = []
for _ in range(20):
    began = time.perf_counter()
    a @ a
    times.append(time.perf_counter() - began)
print(2 * 1024**3 / min(times) / 1e9)
"""


def product_rate(threads: int) -> float | None:
    """10^9 operations a second of a large fp32 matrix product on so many threads, the best of 20: about what the
    arithmetic of this CPU comes to. None where it could not be measured. In a process of its own, because numpy reads
    the number of threads once."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    found = subprocess.run([sys.executable, "-c", _PRODUCT], env=environment, capture_output=True, text=True)
    return float(found.stdout) if found.returncode == 0 else None


def machine(threads: int) -> dict[str, Any]:
    """CPU, cores, clock, load, memory, GPU, power mode, system, versions; None where the machine does not say."""
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
        "power_mode": power_mode(),
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

        return Cuda().memory_used_mib()
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
    found = {"headway": __version__}  # also from a checkout that nobody installed
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _number(text: str | None) -> float | None:
    return float(text) if text else None
