"""How many examples were tried on what, and what became of them: a table at the end, and a file for the docs.

`make test-nightly` tries 1,000 examples and more of each; a plain run a few, so that all of it stays below 30 s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Outcomes, tried

PEAK_MIB = 512
"""What one target may take beyond what the process had before. A frame of 8192x4096 is 100 MB."""

_peaks: dict[str, int] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-json", help="write how many examples were tried on what to this file")


def _status(name: str) -> int:
    """MiB from /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) >> 10
    raise AssertionError(f"/proc/self/status has no {name}")


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> Any:
    """An Outcomes for this test; afterwards the peak of memory is looked at."""
    target = request.node.name.removeprefix("test_")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
    except OSError:
        before = -1  # another system, or not allowed: the examples are tried all the same
    yield Outcomes(target)
    if before >= 0:
        _peaks[target] = _status("VmHWM") - before
        assert _peaks[target] < PEAK_MIB, f"{target} took {_peaks[target]} MiB"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not tried:
        return
    terminalreporter.write_line("fuzz: examples by target and outcome")
    for target, counts in tried.items():
        parts = ", ".join(f"{n} {what}" for what, n in counts.most_common() if what != "examples")
        peak = f", {_peaks[target]} MiB more at most" if target in _peaks else ""
        terminalreporter.write_line(f"  {counts['examples']:>6} {target}: {parts}{peak}")
    file = terminalreporter.config.getoption("--fuzz-json", None)
    if file:
        rows = [{"target": t, "peak_mib": _peaks.get(t), **c} for t, c in tried.items()]
        Path(file).write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
