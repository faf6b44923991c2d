"""Counts what became of each example, and looks at the memory that a target took.

`make test-nightly` tries 1,000 examples and more of each; a plain run a few, so that all of it stays below 30 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzzing import Outcomes, peaks

PEAK_MIB = 512
"""What one target may take beyond what the process had before. A frame of 8192x4096 is 100 MB."""


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
        peaks[target] = _status("VmHWM") - before
        assert peaks[target] < PEAK_MIB, f"{target} took {peaks[target]} MiB"
