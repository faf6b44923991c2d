"""Drives in several processes are the drives of one."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from headway.errors import HeadwayError
from headway.evaluate.closed_loop import Run, lost
from headway.evaluate.fleet import Fleet, Processes, Task, compare, drivers_of, held_out_runs, open_fleet
from headway.runtime.model import open_model
from headway.worlds import open_world

TASKS = [
    Task("straight", 20_001, "headway"),
    Task("one-turn", 20_000, "expert"),
    Task("straight", 20_001, "headway-regression", stress="delay"),
    Task("straight", 20_002, "headway", pushed=True),
]


def test_two_processes_give_the_runs_of_one_in_the_same_order() -> None:
    world, model = open_world("roadworld"), open_model("driving-roadworld", "driving")
    alone = list(Fleet(world, drivers_of(world, model, None)).drive(TASKS))
    with open_fleet(world, "roadworld", model, jobs=2) as fleet:
        assert isinstance(fleet, Processes)
        assert fleet.names == ("headway-regression", "headway", "expert")
        together = list(fleet.drive(TASKS))
    assert len(together) == len(TASKS)
    for a, b in zip(alone, together, strict=True):
        assert a.failed == b.failed == ""
        assert a.states == b.states
        for name in ("path", "lateral", "speed", "error", "confidence", "covered"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


class Counting(Fleet):
    """A fleet that only notes what it is asked for."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.asked: list[Task] = []

    def drive(self, tasks):
        self.asked += tasks
        return iter([Failed()] * len(tasks))


class Failed:
    failed = "the simulator died"


def test_all_drivers_take_the_same_seeds_and_failed_runs_are_counted_and_kept_out_of_confidence() -> None:
    fleet, seen = Counting(("a", "expert")), []
    results, failed = compare(fleet, ["x", "y"], 2, lambda done, total: seen.append((done, total)))
    assert failed == 8
    assert seen[-1] == (8, 8)
    assert {r: {d: len(runs) for d, runs in by.items()} for r, by in results.items()} == {
        route: {"a": 2, "expert": 2} for route in ("x", "y")
    }
    seeds = {d: [t.seed for t in fleet.asked if t.driver == d] for d in fleet.names}
    assert seeds["a"] == seeds["expert"]
    stressed, _ = compare(fleet, ["x"], 1, stress="noise", without=["expert"])
    assert list(stressed["x"]) == ["a"]
    with pytest.raises(
        HeadwayError, match="every drive of a with pushes failed, the first one with the simulator died"
    ):
        held_out_runs(fleet, "a", ["x"], 3)


def test_a_process_that_dies_is_said_in_one_line() -> None:
    world, model = open_world("roadworld"), open_model("driving-roadworld", "driving")
    with (
        pytest.raises(HeadwayError, match="--jobs 1"),
        open_fleet(world, "a world that is none", model, jobs=2) as fleet,
    ):
        list(fleet.drive(TASKS[:1]))


def dying(task: Task) -> Run:
    """A simulator that ends its process: at seed 1 always, at seed 2 the first time."""
    if task.seed == 1:
        os._exit(134)
    marker = Path(task.route)
    if task.seed == 2 and not marker.exists():
        marker.touch()
        os._exit(134)
    return lost(0.1, "" if task.seed != 1 else "unreachable")


def test_a_simulator_that_ends_its_process_costs_one_run_at_most(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("headway.evaluate.fleet._one", dying)
    tasks = [Task(str(tmp_path / "died"), seed, "expert") for seed in (0, 1, 2, 3, 1)]
    fleet = Processes(lambda: ProcessPoolExecutor(1, get_context("fork")), ("expert",), 0.1)
    runs = list(fleet.drive(tasks))
    fleet.close()
    assert [run.failed for run in runs] == ["", "its process died twice", "", "", "its process died twice"]


def test_a_first_drive_that_succeeds_only_the_second_time_counts_as_a_sign_of_life(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("headway.evaluate.fleet._one", dying)
    fleet = Processes(lambda: ProcessPoolExecutor(1, get_context("fork")), ("expert",), 0.1)
    runs = list(fleet.drive([Task(str(tmp_path / "died"), seed, "expert") for seed in (2, 1)]))
    fleet.close()
    assert [run.failed for run in runs] == ["", "its process died twice"]
