"""Rows of one network take turns, call by call, and what each turn took is kept."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headway.bench.frames import Feeds
from headway.bench.process import Times, timed
from headway.errors import HeadwayError

WARM_UP = 5

Call = Callable[[Feeds], Any]


@dataclass
class Contestant:
    """One row in the making. `every`: takes a turn in one round of so many; gflop: work of one call, 10^9 operations,
    None where nobody counted; clock: how its turns are timed; failed: why it has no turn any more."""

    name: str
    engine: str
    precision: str
    call: Call
    feeds: Sequence[Feeds]
    every: int = 1
    note: str = ""
    gflop: float | None = None
    clock: Callable[[Call, Feeds], Times] = timed
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    failed: str = ""

    def turn(self, i: int, keep: bool = True) -> None:
        """One call, timed; an engine that fails, or a process that ended, has had its last."""
        if self.failed:
            return
        try:
            times = self.clock(self.call, self.feeds[i % len(self.feeds)])
        except HeadwayError as error:
            self.failed = str(error)
            return
        if keep:
            self.wall_ms.append(times.wall_ms)
            self.cpu_ms.append(times.cpu_ms)

    def row(self) -> dict[str, Any]:
        """The row as it goes into the file."""
        return {
            "name": self.name,
            "engine": self.engine,
            "precision": self.precision,
            **quantiles(self.wall_ms),
            "cpu_p50_ms": float(np.median(self.cpu_ms)),
            "calls": len(self.wall_ms),
            **({"gflop_s": 1e3 * self.gflop / float(np.median(self.wall_ms))} if self.gflop else {}),
            **({"note": self.note} if self.note else {}),
        }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{q}_ms": float(np.percentile(values, q)) for q in (50, 95, 99)}


def take_turns(
    contestants: Sequence[Contestant], rounds: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Fills the times of all: warm-up, then `rounds` rounds in which each has its turn, the order turning too."""
    for c in contestants:
        for i in range(WARM_UP if c.every == 1 else 1):
            c.turn(i, keep=False)
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        for i in range(rounds):
            first = i % max(len(contestants), 1)
            for c in (*contestants[first:], *contestants[:first]):
                if i % c.every == 0:
                    c.turn(i)
            progress(i + 1, rounds)
    finally:
        if enabled:
            gc.enable()


def elsewhere(call: Call, feeds: Feeds) -> Times:
    """The clock of a call that runs in another process and says itself how long it took (see `OwnProcesses`)."""
    times: Times = call(feeds)
    return times
