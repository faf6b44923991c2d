"""A network in processes of its own, for `headway bench`: it takes its turns there and says how long they were.

Torch eager takes memory for the output of every layer and gives it back, and what the C library makes of that depends
on what else the process has held: `head-pose-nano` takes 31 ms alone and 24 where the buffers of a larger network have
raised the library's thresholds (two cores of Zen 4). In a process of its own a row does not depend on its neighbours.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from headway.bench.frames import Feeds
from headway.children import end_with_parent
from headway.errors import HeadwayError, ModelError

Make = Callable[[], tuple[Callable[[Feeds], Any], Callable[[Feeds], float]]]
"""Builds the network there, and what counts its work: 10^9 operations of one call, a multiplication and the addition
after it being two."""


class Times(NamedTuple):
    """Of one call, milliseconds: on the wall, and of the process that ran it."""

    wall_ms: float
    cpu_ms: float


def timed(call: Callable[[Feeds], Any], feeds: Feeds) -> Times:
    """Times of one call in this process."""
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    call(feeds)
    return Times((time.perf_counter_ns() - wall) / 1e6, (time.process_time_ns() - cpu) / 1e6)


class OwnProcess:
    """A call that runs in another process, with `feeds` that were sent there at the beginning."""

    def __init__(self, make: Make, feeds: Sequence[Feeds]) -> None:
        """Starts the process. Raises what `make` raised there (HeadwayError), ModelError where it ended without."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, list(feeds)), daemon=True)
        self._process.start()
        theirs.close()
        self._places = {id(f): i for i, f in enumerate(feeds)}
        self.gflop: float = self._answer()

    def __call__(self, feeds: Feeds) -> Times:
        """One call on one of the feeds, which are known by identity."""
        return Times(*self._answer(self._places[id(feeds)]))

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def _answer(self, asked: int | None = None) -> Any:
        try:
            if asked is not None:
                self._pipe.send(asked)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise ModelError(f"the network's own process ended with code {self._process.exitcode}") from None
        if isinstance(answer, HeadwayError):
            self.close()
            raise answer
        return answer


class OwnProcesses:
    """The same call in several such processes, one after the other. The median of one is a matter of luck: in five runs
    `head-pose` took 55 to 62 ms a call, where ONNX Runtime took 40.0 to 40.5 in each (two cores of Zen 4)."""

    def __init__(self, make: Make, feeds: Sequence[Feeds], count: int) -> None:
        """Starts `count` processes; raises what OwnProcess raises."""
        self._all: list[OwnProcess] = []
        self._calls = 0
        try:
            for _ in range(count):
                self._all.append(OwnProcess(make, feeds))
        except HeadwayError:
            self.close()
            raise
        self.gflop = self._all[0].gflop

    def __call__(self, feeds: Feeds) -> Times:
        """One call on one of the feeds, in the process whose turn it is."""
        self._calls += 1
        return self._all[self._calls % len(self._all)](feeds)

    def close(self) -> None:
        """Ends the processes."""
        for process in self._all:
            process.close()


def _serve(pipe: Connection, make: Make, feeds: Sequence[Feeds]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter: this process ends with it
    try:
        call, work = make()
        pipe.send(work(feeds[0]))
    except HeadwayError as error:
        pipe.send(error)
        return
    gc.collect()
    gc.disable()
    while True:
        try:
            place = pipe.recv()
        except EOFError:
            return
        pipe.send(tuple(timed(call, feeds[place])))
