"""What this machine can run, and the command that installs what is missing."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from headway.errors import HeadwayError
from headway.paths import sample_dir
from headway.ros_environment import SEGMENT_BYTES, shared_memory_free
from headway.runtime.gpu import nvidia_smi

OK, MISSING, BROKEN, OPTIONAL = "ok", "missing", "broken", "optional"
ROS_ROOT = Path("/opt/ros")

# tool -> Debian package
TOOLS = {"gcc": "gcc", "g++": "g++"}
# extra -> (what it is for, the packages that prove it)
EXTRAS = {
    "render": ("synthetic people and streets", ("anny", "moderngl")),
    "train": ("training", ("torch", "safetensors")),
    "export": ("export to ONNX and TensorRT", ("torch", "onnx", "onnxscript")),
    "eval": ("evaluation against public tools", ("faster_coco_eval", "matplotlib")),
}
CUDA_MODULES = ("cuda.bindings.runtime", "cuda.cudart")  # those of runtime/tensorrt_cuda.py, which needs numpy


@dataclass(frozen=True)
class Finding:
    """One thing looked at. state: OK, MISSING or BROKEN (needed for the demo), OPTIONAL (missing, not needed)."""

    what: str
    state: str
    detail: str
    cure: str = ""


def examine() -> list[Finding]:
    """Everything, in the order in which it is needed."""
    core = (_python, _opencv, _onnxruntime, _ros, _messages, _compilers, _shared_memory, _models, _sample)
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (*core, _openvino, _gpu, _egl, _extras)
    return [finding for look in looks for finding in look()]


def _installed(package: str) -> str:
    """Version of an installed distribution, "" where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _found(module: str) -> bool:
    try:
        found = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):
        return False
    return found is not None and found.origin is not None  # no origin: a folder of that name, as in a checkout


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 10)
    detail = f"{platform.python_version()} on {platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    yield Finding("Python", OK if good else BROKEN, detail, "" if good else "install Python 3.10 or newer")


def _opencv() -> Iterator[Finding]:
    kinds = {k: v for k in ("opencv-python", "opencv-python-headless", "opencv-contrib-python") if (v := _installed(k))}
    if len(kinds) > 1:
        names = " ".join(kinds)
        cure = f"pip uninstall -y {names} && pip install opencv-python-headless"
        yield Finding("OpenCV", BROKEN, f"{' and '.join(kinds)} overwrite each other", cure)
    elif not _found("cv2"):
        yield Finding("OpenCV", MISSING, "no cv2", "pip install opencv-python-headless")
    else:
        import cv2

        yield Finding("OpenCV", OK, f"{cv2.__version__} ({next(iter(kinds), 'of the system')})")


def _onnxruntime() -> Iterator[Finding]:
    cpu, gpu = _installed("onnxruntime"), _installed("onnxruntime-gpu")
    if cpu and gpu:
        cure = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
        yield Finding("ONNX Runtime", BROKEN, f"onnxruntime {cpu} and onnxruntime-gpu {gpu} share one folder", cure)
    elif not cpu and not gpu and not _found("onnxruntime"):
        yield Finding("ONNX Runtime", MISSING, "no onnxruntime", "pip install onnxruntime")
    else:
        import onnxruntime

        providers = ", ".join(p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers())
        yield Finding("ONNX Runtime", OK, f"{onnxruntime.__version__}: {providers}")


def _ros() -> Iterator[Finding]:
    wheels, distro = _installed("ros-jazzy-rclpy"), os.environ.get("ROS_DISTRO", "")
    system = sorted(p.name for p in ROS_ROOT.iterdir() if (p / "setup.bash").is_file()) if ROS_ROOT.is_dir() else []
    if wheels and distro:
        cure = "pip uninstall the ros-* wheels (make clean && make demo), or use a shell without /opt/ros sourced"
        yield Finding("ROS 2", BROKEN, f"the Jazzy wheels and a sourced {distro} are mixed", cure)
    elif _found("rclpy"):
        yield Finding("ROS 2", OK, f"{distro} of the system" if distro else f"Jazzy wheels, rclpy {wheels}")
    elif system:
        yield Finding("ROS 2", MISSING, "installed but not sourced", f"source {ROS_ROOT}/{system[-1]}/setup.bash")
    elif platform.machine() == "x86_64":
        yield Finding("ROS 2", MISSING, "neither /opt/ros nor the wheels", "pip install '.[ros]'   (make demo does it)")
    else:
        cure = "sudo apt-get install ros-humble-ros-base   (after adding packages.ros.org; there are no wheels here)"
        yield Finding("ROS 2", MISSING, f"no /opt/ros, and no wheels for {platform.machine()}", cure)


def _messages() -> Iterator[Finding]:
    if _found("headway_msgs.msg"):
        yield Finding("headway_msgs", OK, "built")
    else:
        cure = "make demo   (or: colcon build --base-paths . headway_msgs, then source install/setup.bash)"
        yield Finding("headway_msgs", MISSING, "the messages are not built", cure)


def _compilers() -> Iterator[Finding]:
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if not missing:
        yield Finding("compilers", OK, ", ".join(TOOLS))
        return
    # Once the messages are built nothing is compiled any more.
    state = OPTIONAL if _found("headway_msgs.msg") else MISSING
    yield Finding("compilers", state, f"no {', '.join(missing)}", f"sudo apt-get install -y {' '.join(missing)}")


def _shared_memory() -> Iterator[Finding]:
    free = shared_memory_free()
    needed = 6 * SEGMENT_BYTES
    if free >= needed:
        yield Finding("shared memory", OK, f"{free >> 20} MiB free in /dev/shm")
    else:
        detail = (
            f"{free >> 20} MiB free in /dev/shm, {needed >> 20} wanted: large images go through UDP and may be lost"
        )
        yield Finding("shared memory", OPTIONAL, detail, "docker run --shm-size=1g ..., or a larger tmpfs on /dev/shm")


def _models() -> Iterator[Finding]:
    from headway.runtime.manifest import read_manifest, verified_path
    from headway.runtime.model import installed_models, model_folder
    from headway.runtime.signature import trusted_key

    cure = "git checkout -- models/weights   (or install headway again)"
    try:
        names = installed_models()
    except HeadwayError as error:
        yield Finding("models", BROKEN, str(error), "unset HEADWAY_MODELS")
        return
    for name in dict.fromkeys(["head-pose", "trajectory", "driving", *names]):
        if name not in names:
            yield Finding(f"model {name}", MISSING, "not installed", cure)
            continue
        try:
            manifest = read_manifest(model_folder(name), trusted_key())
            for key in manifest.files:
                verified_path(model_folder(name), manifest, key)
            yield Finding(f"model {name}", OK, f"{manifest.task}, SHA-256 {manifest.hash[:12]}")
        except HeadwayError as error:
            yield Finding(f"model {name}", BROKEN, str(error), cure)


def _sample() -> Iterator[Finding]:
    bags = sorted(p.name for p in sample_dir().glob("*.mcap"))
    if bags:
        yield Finding("sample bags", OK, ", ".join(bags))
    else:
        yield Finding("sample bags", MISSING, f"none in {sample_dir()}", "git checkout -- headway/sample")


def _openvino() -> Iterator[Finding]:
    """What `engine: openvino...` can be in a parameter file here; the extra is for x86 alone."""
    if platform.machine() != "x86_64":
        return
    if not _found("openvino"):
        yield Finding("OpenVINO", OPTIONAL, "not installed: no engine openvino...", "pip install '.[openvino]'")
        return
    import openvino

    from headway.runtime.openvino import unfit

    yield Finding("OpenVINO", OK, _installed("openvino"))
    for precision in ("bf16", "int8"):
        if reason := unfit(openvino.Core(), precision):
            yield Finding(f"engine openvino-{precision}", OPTIONAL, reason)


def _gpu() -> Iterator[Finding]:
    tegra = Path("/etc/nv_tegra_release")
    if tegra.is_file():
        release = tegra.read_text(encoding="utf-8", errors="replace").splitlines()[0].lstrip("# ")
        yield Finding("GPU", OK, f"Jetson, {release[:40]}")
    elif said := nvidia_smi("name", "driver_version", "memory.total"):
        yield Finding("GPU", OK, ", ".join(said))
    else:
        yield Finding("GPU", OPTIONAL, "no NVIDIA GPU: the models run on the CPU")
        return
    extra = "pip install '.[jetson]'" if tegra.is_file() else "pip install '.[gpu]'"
    if _found("tensorrt"):
        yield Finding("TensorRT", OK, _installed("tensorrt") or "of the system")
    elif _found("tensorrt_rtx"):
        yield Finding("TensorRT", OK, f"TensorRT-RTX {_installed('tensorrt-rtx-cu13')}".strip())
    else:
        jetpack = "sudo apt-get install nvidia-jetpack; python3 -m venv --system-site-packages"
        cure = jetpack if tegra.is_file() else extra
        user = "ONNX Runtime uses the GPU" if _installed("onnxruntime-gpu") else "the GPU is not used"
        yield Finding("TensorRT", OPTIONAL, f"not installed: {user}", cure)
    if any(_found(module) for module in CUDA_MODULES):
        yield Finding("cuda-python", OK, _installed("cuda-bindings") or _installed("cuda-python") or "found")
    else:
        yield Finding("cuda-python", OPTIONAL, "not installed: TensorRT cannot run", extra)


def _egl() -> Iterator[Finding]:
    libraries = [name for name in ("EGL", "OSMesa") if ctypes.util.find_library(name)]
    if libraries:
        yield Finding("rendering without a screen", OK, " and ".join(libraries))
    else:
        cure = "sudo apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri"
        yield Finding("rendering without a screen", OPTIONAL, "neither EGL nor OSMesa", cure)


def _extras() -> Iterator[Finding]:
    for extra, (purpose, modules) in EXTRAS.items():
        missing = [m for m in modules if not _found(m)]
        if missing:
            yield Finding(
                f"extra {extra}", OPTIONAL, f"{purpose}: no {', '.join(missing)}", f"pip install '.[{extra}]'"
            )
        else:
            yield Finding(f"extra {extra}", OK, purpose)
