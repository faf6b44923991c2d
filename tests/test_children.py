"""Child processes end with the one that started them, whenever the signal comes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.children import child, terminable

SLEEPING = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_while_a_process_is_being_started_ends_that_process_too(
    number: signal.Signals, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            started.append(self)
            signal.raise_signal(number)  # before whoever starts it can know of it

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    problems: list[str] = []

    def start() -> None:
        with terminable(), child(SLEEPING, {}, tmp_path / "sleeping.log", problems):
            pytest.fail("went on as if nothing had come")

    with pytest.raises(raised):
        start()
    assert started[0].poll() is not None, "the process was left behind"
    assert problems
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


def test_a_process_that_ends_by_itself_is_no_problem(tmp_path: Path) -> None:
    problems: list[str] = []
    with child([sys.executable, "-c", "pass"], {}, tmp_path / "brief.log", problems) as process:
        process.wait(30)
    assert problems == []
