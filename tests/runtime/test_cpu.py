"""What the CPU can do decides which arithmetic is trusted."""

from __future__ import annotations

import pytest

from headway.errors import EngineError
from headway.runtime import cpu


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Returns a function that makes this machine say something else of its CPU."""

    def say(text: str) -> None:
        file = tmp_path / "cpuinfo"
        file.write_text(text)
        monkeypatch.setattr(cpu, "CPUINFO", file)

    return say


@pytest.mark.parametrize(
    ("flags", "overflow"),
    [
        ("flags\t\t: fpu sse2 avx2 fma", True),
        ("flags\t\t: fpu sse2 avx2 avx_vnni", False),
        ("flags\t\t: fpu sse2 avx512f avx512_vnni", False),
        ("Features\t: fp asimd asimddp", False),
        ("", False),
    ],
)
def test_bytes_overflow_on_x86_without_vnni_alone(cpuinfo, flags, overflow):
    cpuinfo(f"processor\t: 0\nmodel name\t: Some CPU\n{flags}\n\nprocessor\t: 1\n")
    assert cpu.bytes_overflow() is overflow


def test_a_machine_that_says_nothing_has_no_flags(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "nowhere")
    assert cpu.cpu_field("model name") is None
    assert cpu.cpu_flags() == set()


def test_openvino_refuses_int8_where_it_would_be_wrong_and_names_what_to_take(cpuinfo, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed (headway[openvino])")
    from headway.runtime.openvino import OpenVinoEngine

    cpuinfo("flags\t: sse2 avx2\n")
    with pytest.raises(EngineError, match=r"no VNNI.*take engine 'openvino'"):
        OpenVinoEngine(tmp_path / "any.onnx", "int8")
