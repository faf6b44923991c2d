"""Child processes end with the one that started them, whenever the signal comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
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


POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import os, time
from headway.children import end_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), end_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_the_processes_of_a_pool_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = Path("/proc") / str(int(parent.stdout.readline()))
        assert is_running(worker)
        parent.kill()
    ends = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(process: Path) -> bool:
    """A zombie, whom nobody asks for its code, has ended."""
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
