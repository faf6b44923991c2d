"""Shared by all tests: where the data are, and closing lines that say what was fuzzed, what was skipped and why.

The tests run in several processes (pytest-xdist); what the processes counted is gathered here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from hypothesis import settings

from headway.paths import data_dir

settings.register_profile("default", deadline=None, max_examples=50, print_blob=True)
settings.register_profile("nightly", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("default")


@pytest.fixture
def shared_data():
    """Returns a function: name of a data folder -> its path, or a skip that says which folder was looked for."""

    def find(name: str) -> Path:
        root = data_dir()
        folder = (root or Path("../shared/data")) / name
        if not folder.exists():
            pytest.skip(f"no data: {folder} does not exist (set HEADWAY_DATA)")
        return folder

    return find


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-json", help="write how many examples were tried on what to this file")


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["fuzz"] = fuzzing.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", None)  # a process that died told nothing
    if output and "fuzz" in output:
        fuzzing.gather(output["fuzz"])


def pytest_terminal_summary(terminalreporter):
    fuzzing.report(terminalreporter.write_line, terminalreporter.config.getoption("--fuzz-json", None))
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "") for report in skipped)
    terminalreporter.write_line(f"skipped: {len(skipped)} (never counted as shown)")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"  {count} x {reason.removeprefix('Skipped: ')}")
