"""What a GPU is set to, read from what the tools print, as logs of real machines show it."""

import stat

import pytest

from headway.runtime import gpu


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """Returns a function: puts a program of that name, which prints a text and ends with a code, on an empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "DEVFREQ", tmp_path / "devfreq")

    def put(name, text, code=0):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s\\n' '{text}'\nexit {code}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)

    return put


def devfreq(name, now, least, most):
    (gpu.DEVFREQ / name).mkdir(parents=True)
    for word, value in (("cur", now), ("min", least), ("max", most)):
        (gpu.DEVFREQ / name / f"{word}_freq").write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("printed", "code", "mode"),
    [
        ("NV Power Mode: MAXN\n0", 0, "MAXN"),
        ("NV Fan Mode:quiet\nNVPM VERB: Current mode: NV Power Mode: MODE_15W_6CORE\n2", 0, "MODE_15W_6CORE"),
        ("NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13\nNV Power Mode: 15W\n0", 1, "15W"),
        ("NVPM ERROR: bad input!", 1, None),
    ],
)
def test_the_power_mode_of_a_jetson_is_the_one_that_nvpmodel_names(tools, printed, code, mode):
    tools("nvpmodel", printed, code)
    assert gpu.power_mode() == mode


@pytest.mark.parametrize(("now", "least", "fixed"), [(1300500000, 1300500000, True), (306000000, 306000000, False)])
@pytest.mark.parametrize("name", gpu.JETSON)
def test_a_jetson_whose_lowest_clock_is_its_highest_is_fixed(tools, name, now, least, fixed):
    devfreq(name, now, least, 1300500000)
    assert gpu.gpu_clocks() == {"now_mhz": now / 1e6, "max_mhz": 1300.5, "fixed": fixed}


@pytest.mark.parametrize(
    ("printed", "clocks"),
    [
        ("2040 MHz, 2040 MHz", {"now_mhz": 2040.0, "max_mhz": 2040.0, "fixed": None}),
        ("210 MHz, [N/A]", {"now_mhz": 210.0, "max_mhz": None, "fixed": None}),
        ("1980 MHz, 1980 MHz\n345 MHz, 1980 MHz", {"now_mhz": 1980.0, "max_mhz": 1980.0, "fixed": None}),
        ("No devices were found", None),
    ],
)
def test_elsewhere_nvidia_smi_says_the_clocks_of_the_first_gpu_and_nobody_whether_they_are_fixed(
    tools, printed, clocks
):
    tools("nvidia-smi", printed)
    assert gpu.gpu_clocks() == clocks


@pytest.mark.parametrize(
    ("printed", "code", "mode"),
    [
        ("450.00 W", 0, "450.00 W"),
        ("[N/A]", 0, None),  # laptops
        ("NVIDIA-SMI has failed because it couldn", 9, None),
    ],
)
def test_without_nvpmodel_the_power_mode_is_the_power_limit(tools, printed, code, mode):
    tools("nvidia-smi", printed, code)
    assert gpu.power_mode() == mode


def test_a_machine_without_such_tools_says_nothing(tools):
    assert (gpu.gpu_clocks(), gpu.power_mode(), gpu.nvidia_smi("name")) == (None, None, [])
