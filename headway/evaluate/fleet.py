"""Many drives, one after the other or in several processes: the runs are the same, and come in the order asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

from headway.children import end_with_parent
from headway.errors import HeadwayError
from headway.evaluate.closed_loop import FIRST_SEED, Driver, ExpertDriver, HeadwayDriver, Run, drive, ended, lost
from headway.evaluate.held_out import pushed_run
from headway.evaluate.reference_drivers import reference_drivers
from headway.evaluate.stress import make_stress
from headway.runtime.model import Model, open_model
from headway.worlds import World, open_world


@dataclass(frozen=True)
class Task:
    """One drive. stress: one of STRESSES, or "" for a healthy camera. pushed: the expert drives and is pushed off the
    lane, `driver` is asked in every state (held_out.py)."""

    route: str
    seed: int
    driver: str
    stress: str = ""
    pushed: bool = False


class Fleet:
    """A world and the drivers that take turns in it."""

    def __init__(self, world: World, drivers: Mapping[str, Driver]) -> None:
        self._world, self._drivers = world, drivers
        self.names = tuple(drivers)

    def drive(self, tasks: Sequence[Task]) -> Iterator[Run]:
        """One run for each task, in their order."""
        return map(self.one, tasks)

    def one(self, task: Task) -> Run:
        """See Task."""
        driver = self._drivers[task.driver]
        if task.pushed:
            return pushed_run(self._world, driver, task.route, task.seed)
        disturb = make_stress(task.stress) if task.stress else None
        return drive(self._world, driver, task.route, task.seed, disturb)


class Processes(Fleet):
    """The same in several processes, each with a world and networks of its own, opened by name and folder.

    A simulator may take its process with it. The drives after that go on in new processes; the one that was asked for
    is driven once more, alone, and counts as failed where its process dies again.
    """

    def __init__(self, start: Callable[[], ProcessPoolExecutor], names: tuple[str, ...], step_s: float) -> None:
        self._start, self.names, self._step_s = start, names, step_s
        self._pool = start()
        self._alive = False  # whether any drive has come to an end

    def drive(self, tasks: Sequence[Task]) -> Iterator[Run]:
        """See Fleet.drive. Raises HeadwayError where no process gets as far as one drive."""
        at = 0
        while at < len(tasks):
            try:
                for run in self._pool.map(_one, tasks[at:]):
                    self._alive = True
                    at += 1
                    yield run
            except BrokenProcessPool:
                yield self._again(tasks[at])
                at += 1

    def _again(self, task: Task) -> Run:
        self._restart()
        try:
            run = self._pool.submit(_one, task).result()
            self._alive = True
            return run
        except BrokenProcessPool as error:
            if not self._alive:
                raise HeadwayError(
                    "a process of the evaluation died: try --jobs 1, which shows its last words"
                ) from error
            self._restart()
            return lost(self._step_s, "its process died twice")

    def _restart(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()

    def one(self, task: Task) -> Run:
        """See Task."""
        return next(self.drive([task]))

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown()


def drivers_of(world: World, model: Model, reference: Model | None) -> dict[str, Driver]:
    """All that are compared, by their names in the tables."""
    published = reference_drivers(reference) if reference is not None else {}
    return {
        **published,
        "headway-regression": HeadwayDriver(model, fused=False),
        "headway": HeadwayDriver(model),
        "expert": ExpertDriver(world),
    }


@contextlib.contextmanager
def open_fleet(world: World, name: str, model: Model, reference: Model | None = None, jobs: int = 1) -> Iterator[Fleet]:
    """world: an open one, for one job; name: what further processes open it by."""
    drivers = drivers_of(world, model, reference)
    if jobs == 1:
        yield Fleet(world, drivers)
        return
    folders = (str(model.folder.resolve()), str(reference.folder.resolve()) if reference else None)
    with contextlib.closing(
        Processes(
            lambda: ProcessPoolExecutor(jobs, get_context("spawn"), _open, (name, *folders)),
            tuple(drivers),
            world.step_s,
        )
    ) as fleet:
        yield fleet


_own: list[Fleet] = []  # of a process of the pool, opened once for all of its tasks


def _open(world_name: str, model: str, reference: str | None) -> None:
    end_with_parent()
    world = open_world(world_name)
    published = open_model(reference, "driving") if reference else None
    _own.append(Fleet(world, drivers_of(world, open_model(model, "driving"), published)))


def _one(task: Task) -> Run:
    return _own[0].one(task)


def compare(
    fleet: Fleet,
    routes: Sequence[str],
    runs: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stress: str = "",
    without: Sequence[str] = (),
) -> tuple[dict[str, dict[str, list[Run]]], int]:
    """All drivers but those `without` on the same `runs` seeds of every route -> route -> driver -> runs, and how many
    runs failed."""
    names = [name for name in fleet.names if name not in without]
    seeds = range(FIRST_SEED, FIRST_SEED + runs)
    tasks = [Task(route, seed, name, stress) for route in routes for seed in seeds for name in names]
    results: dict[str, dict[str, list[Run]]] = {route: {name: [] for name in names} for route in routes}
    failed = 0
    for done, (task, run) in enumerate(zip(tasks, fleet.drive(tasks), strict=True), 1):
        failed += bool(run.failed)
        results[task.route][task.driver].append(run)
        progress(done, len(tasks))
    return results, failed


def held_out_runs(
    fleet: Fleet,
    driver: str,
    routes: Sequence[str],
    runs: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Run]:
    """Pushed drives on the evaluation's seeds, with error, confidence and coverage of what `driver` said, without those
    that failed. HeadwayError where all did."""
    seeds = range(FIRST_SEED, FIRST_SEED + runs)
    tasks = [Task(route, seed, driver, pushed=True) for route in routes for seed in seeds]
    found = []
    for done, run in enumerate(fleet.drive(tasks), 1):
        progress(done, len(tasks))
        found.append(run)
    return ended(found, f"{driver} with pushes")
