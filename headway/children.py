"""Processes of this one that end with it, whenever a signal comes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any

SIGTERM_S, SIGKILL_S = 11.0, 5.0
"""How long each is waited for."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does: through the exits of all contexts, which end the nodes."""

    def end(*_: Any) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread: whoever started it looks after signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """First call in a process of a pool: it would wait for tasks for ever where its parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    """SIGTERM and SIGINT wait for the end of this block. One that came while a process is being started would leave it
    behind, known to nobody."""
    came: list[int] = []
    try:
        before = {
            number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGTERM, signal.SIGINT)
        }
    except ValueError:  # not the main thread, which alone hears of signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


@contextlib.contextmanager
def child(
    command: list[str], env: dict[str, str], log: Path, problems: list[str], piped: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A process that is asked to end with SIGTERM, then killed; what was not clean goes to `problems`."""
    process = None
    with log.open("w", encoding="utf-8") as file:
        try:
            with _unbroken():
                # Its own session: Ctrl-C at the terminal ends this process, which then ends the others in order.
                process = subprocess.Popen(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if piped else file,
                    stderr=file,
                    text=True,
                    start_new_session=True,
                )
            yield process
        finally:
            if process is not None:
                _end(process)
                if process.returncode != 0:
                    problems.append(f"{log.stem} ended with code {process.returncode}: see {log}")


def _end(process: subprocess.Popen[str]) -> None:
    # Not SIGINT: a process that is still importing answers it with a traceback.
    for sent, patience in ((signal.SIGTERM, SIGTERM_S), (signal.SIGKILL, SIGKILL_S)):
        if process.poll() is None:
            process.send_signal(sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    if process.stdout:
        process.stdout.close()
