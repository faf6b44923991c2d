"""The doctor names what is wrong and the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway import doctor
from headway.cli.main import build

VERSIONS = {"onnxruntime": "1.30", "onnxruntime-gpu": "1.30", "opencv-python": "5.0", "opencv-python-headless": "5.0"}


def by_name(findings: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {f.what: f for f in findings}


def test_two_onnxruntimes_are_seen_and_the_cure_removes_both_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: VERSIONS.get(name, ""))
    found = by_name([*doctor._onnxruntime(), *doctor._opencv()])
    assert found["ONNX Runtime"].state == doctor.BROKEN
    assert found["ONNX Runtime"].cure == (
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    )  # fmt: skip
    assert found["OpenCV"].state == doctor.BROKEN
    assert found["OpenCV"].cure.startswith("pip uninstall -y opencv-python opencv-python-headless")


def test_missing_compilers_are_named_with_their_debian_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda tool: None if tool == "g++" else f"/usr/bin/{tool}")
    (finding,) = doctor._compilers()
    assert finding.cure == "sudo apt-get install -y g++"


@pytest.mark.parametrize(
    ("machine", "wheels", "distro", "state", "word"),
    [
        ("x86_64", "", "", doctor.MISSING, "pip install '.[ros]'"),
        ("aarch64", "", "", doctor.MISSING, "apt-get"),
        ("x86_64", "7.1", "humble", doctor.BROKEN, "uninstall"),
    ],
)
def test_ros_that_is_missing_or_mixed_is_told_with_the_cure_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, wheels: str, distro: str, state: str, word: str
) -> None:
    monkeypatch.setattr(doctor, "ROS_ROOT", tmp_path)
    monkeypatch.setattr(doctor, "_installed", lambda name: wheels)
    monkeypatch.setattr(doctor, "_found", lambda module: False)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    monkeypatch.setenv("ROS_DISTRO", distro)
    (finding,) = doctor._ros()
    assert finding.state == state
    assert word in finding.cure


def test_a_ros_that_is_installed_but_not_sourced_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "humble").mkdir()
    (tmp_path / "humble" / "setup.bash").touch()
    monkeypatch.setattr(doctor, "ROS_ROOT", tmp_path)
    monkeypatch.setattr(doctor, "_installed", lambda name: "")
    monkeypatch.setattr(doctor, "_found", lambda module: False)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    (finding,) = doctor._ros()
    assert finding.cure == f"source {tmp_path}/humble/setup.bash"


def test_a_model_whose_hash_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from headway.runtime.manifest import FileEntry, Manifest, write_manifest

    folder = tmp_path / "driving"
    folder.mkdir()
    (folder / "driving.onnx").write_bytes(b"not what the manifest says")
    files = {"onnx": FileEntry("driving.onnx", "0" * 64)}
    write_manifest(folder, Manifest("driving", "driving", files, {}, {}, 1))
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path))
    found = by_name(list(doctor._models()))
    assert found["model driving"].state == doctor.BROKEN
    assert "SHA-256" in found["model driving"].detail
    assert found["model head-pose"].state == doctor.MISSING


def test_a_models_folder_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "nowhere"))
    (finding,) = doctor._models()
    assert (finding.state, finding.cure) == (doctor.BROKEN, "unset HEADWAY_MODELS")
    assert "nowhere" in finding.detail


def test_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "shared_memory_free", lambda: 64 << 20)
    (finding,) = doctor._shared_memory()
    assert finding.state == doctor.OPTIONAL
    assert "--shm-size" in finding.cure


def test_the_command_ends_with_1_where_the_demo_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path))
    result = CliRunner().invoke(build(), ["doctor"])
    assert result.exit_code == 1
    assert "not ready" in result.output
    assert "model head-pose" in result.output


@pytest.mark.parametrize(
    ("modules", "packages", "state", "detail"),
    [
        ((), {}, doctor.OPTIONAL, "not installed: the GPU is not used"),
        ((), {"onnxruntime-gpu": "1.30"}, doctor.OPTIONAL, "not installed: ONNX Runtime uses the GPU"),
        (("tensorrt_rtx",), {"tensorrt-rtx-cu13": "1.7.1"}, doctor.OK, "TensorRT-RTX 1.7.1"),
        (("tensorrt", "tensorrt_rtx"), {"tensorrt": "10.3"}, doctor.OK, "10.3"),
    ],
)
def test_what_uses_the_gpu_is_said(
    monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...], packages: dict[str, str], state: str, detail: str
) -> None:
    monkeypatch.setattr(doctor, "nvidia_smi", lambda *fields: ["RTX 4090"])
    monkeypatch.setattr(doctor, "_found", lambda module: module in modules)
    monkeypatch.setattr(doctor, "_installed", lambda package: packages.get(package, ""))
    found = {f.what: f for f in doctor._gpu()}["TensorRT"]
    assert (found.state, found.detail) == (state, detail)


def test_tensorrt_without_cuda_python_is_told_since_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from headway.runtime.tensorrt_cuda import MODULES

    assert doctor.CUDA_MODULES == MODULES
    monkeypatch.setattr(doctor, "nvidia_smi", lambda *fields: ["NVIDIA H100"])
    monkeypatch.setattr(doctor, "_found", lambda module: module == "tensorrt")
    found = {f.what: f for f in doctor._gpu()}
    assert found["TensorRT"].state == doctor.OK
    assert found["cuda-python"].state == doctor.OPTIONAL
    assert found["cuda-python"].cure == "pip install '.[gpu]'"
    monkeypatch.setattr(doctor, "_found", lambda module: module in ("tensorrt", "cuda.cudart"))
    assert {f.what: f.state for f in doctor._gpu()}["cuda-python"] == doctor.OK


def test_openvino_that_is_not_installed_is_named_with_its_extra_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_found", lambda module: False)
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    (finding,) = doctor._openvino()
    assert (finding.state, finding.cure) == (doctor.OPTIONAL, "pip install '.[openvino]'")
    monkeypatch.setattr(doctor.platform, "machine", lambda: "aarch64")
    assert not list(doctor._openvino())


def test_engines_of_openvino_that_this_cpu_refuses_are_named_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    from headway.runtime import openvino

    monkeypatch.setattr(openvino, "unfit", lambda core, precision: "no VNNI" if precision == "int8" else "")
    found = by_name(doctor._openvino())
    assert list(found) == ["OpenVINO", "engine openvino-int8"]
    assert found["engine openvino-int8"].detail == "no VNNI"
