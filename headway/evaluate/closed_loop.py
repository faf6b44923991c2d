"""Closed loop: drivers in a world, on the same seeds, through the same gate; and what they did in numbers.

A driver turns an observation into what the network stage gives (`Steering`); the gate and the vehicle behind it are
the same for all, so that a difference is the driver's. The seeds lie above those that training may use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headway.errors import HeadwayError
from headway.evaluate.confidence import auroc, expected_calibration_error, reliability
from headway.evaluate.curves import LEASH_STEP_M, area_between, cut_at_end, dtw, frechet, length_difference, resampled
from headway.runtime.model import Model
from headway.stages.drive import DriveStage
from headway.stages.gate import Gate
from headway.types import DriveCommand, DriveState, Frame, Odometry, Steering
from headway.worlds import Observation, World

Array = NDArray[np.floating]
Image = NDArray[np.uint8]

FIRST_SEED = 20_000
LONGEST_RUN_S = 90.0
BOOTSTRAP = 2000


class Driver(Protocol):
    """One way to drive."""

    def reset(self) -> None:
        """Before every run."""
        ...

    def __call__(self, image: Image, seen: Observation) -> Steering:
        """What to do; `image` is what the camera gives, perhaps disturbed."""
        ...


class HeadwayDriver:
    """The DriveStage as it ships; with `fused=False` its scalar head alone, without doubt: `headway-regression`."""

    def __init__(self, model: Model, fused: bool = True) -> None:
        self._stage = DriveStage(model)
        self._fused = fused

    def reset(self) -> None:
        """See Driver.reset."""
        self._stage.reset()

    def __call__(self, image: Image, seen: Observation) -> Steering:
        """See Driver."""
        if self._fused:
            return self._stage(Frame(stamp_ns=seen.stamp_ns, image=image, odometry=odometry_of(seen)))
        said = self._stage.infer(image)
        return Steering(said.steering, said.throttle, (-1.0, 1.0), 0.0, brake=said.brake)


class ExpertDriver:
    """The world's own expert: it sees the road, not the image."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, image: Image, seen: Observation) -> Steering:
        """See Driver."""
        steering, throttle = self._world.expert()
        return Steering(steering, throttle, (steering, steering), 1.0)


def odometry_of(seen: Observation) -> Odometry:
    """What the vehicle measures of its own motion."""
    return Odometry(seen.stamp_ns, np.array([seen.speed_mps, 0.0, 0.0]), seen.yaw_rate)


@dataclass
class Run:
    """What happened in one run; arrays over steps. `failed`: the world died, and why."""

    path: Array
    lateral: Array
    off_road: NDArray[np.bool_]
    speed: Array
    error: Array
    confidence: Array
    covered: NDArray[np.bool_]
    states: list[DriveState]
    completed: bool
    progress: float
    lane: Array
    step_s: float
    failed: str = ""


def drive(
    world: World,
    driver: Driver,
    route: str,
    seed: int,
    disturb: Callable[[Image, int], Image] | None = None,
    watch: Callable[[Observation, DriveCommand], None] | None = None,
) -> Run:
    """One run: to the end of the route, the loss of the lane, a stop, or LONGEST_RUN_S. A world that dies fails it.

    `watch` is told every observation with the command that answered it.
    """
    gate, records = Gate(world.vehicle), []
    states: list[DriveState] = []
    lane, failed, seen = np.zeros((1, 2)), "", None
    try:
        seen = world.reset(route, seed)
        lane = np.asarray(world.lane(), float)
        driver.reset()
        for i in range(int(LONGEST_RUN_S / world.step_s)):
            image = seen.image if disturb is None else disturb(seen.image, i)
            answer = driver(image, seen)
            wanted = world.expert()[0]
            command = gate(seen.stamp_ns, answer, odometry_of(seen), None)
            covered = answer.interval[0] <= wanted <= answer.interval[1]
            error = abs(answer.steering - wanted)
            records.append(
                (*seen.pose[:2], seen.lateral_m, seen.off_road, seen.speed_mps, error, answer.confidence, covered)
            )
            states.append(command.state)
            if watch is not None:
                watch(seen, command)
            seen = world.step(command)
            if seen.done or (command.state == DriveState.STOP and seen.speed_mps < 0.02):
                break
    except Exception as error:  # a user's simulator may raise anything: this run is lost, the others go on
        failed = f"{type(error).__name__}: {error}"
    table = np.array(records, float).reshape(-1, 8)
    last = np.array([seen.pose[:2]]) if seen is not None else np.zeros((0, 2))
    return Run(
        path=np.concatenate([table[:, :2], last]),
        lateral=table[:, 2],
        off_road=table[:, 3] > 0,
        speed=table[:, 4],
        error=table[:, 5],
        confidence=table[:, 6],
        covered=table[:, 7] > 0,
        states=states,
        completed=not failed and seen is not None and seen.progress >= 1.0,
        progress=seen.progress if seen is not None else 0.0,
        lane=lane,
        step_s=world.step_s,
        failed=failed,
    )


def lost(step_s: float, why: str) -> Run:
    """A run of which nothing is known but that it failed."""
    nothing = np.zeros(0)
    none = np.zeros(0, bool)
    return Run(
        path=np.zeros((0, 2)),
        lateral=nothing,
        off_road=none,
        speed=nothing,
        error=nothing,
        confidence=nothing,
        covered=none,
        states=[],
        completed=False,
        progress=0.0,
        lane=np.zeros((1, 2)),
        step_s=step_s,
        failed=why,
    )


def ended(runs: Sequence[Run], whose: str) -> list[Run]:
    """Those that did not fail; HeadwayError that says why the first one did where none is left."""
    found = [run for run in runs if not run.failed]
    if not found:
        raise HeadwayError(f"every drive of {whose} failed, the first one with {runs[0].failed}")
    return found


def measures(run: Run) -> dict[str, float]:
    """Numbers of one run; curve measures compare the driven path with the whole lane, so a stop costs distance."""
    if not run.states:
        nan = float("nan")
        keys = ("frechet_m", "dtw", "area", "curve_length", "deviation_m", "deviation_p95_m", "jerk")
        return {**dict.fromkeys(keys, nan), "off_road_s": nan, "off_road_m": nan, "completed": 0.0, "stopped": 0.0}
    path = cut_at_end(run.path, run.lane)
    driven, lane = resampled(path), resampled(run.lane)
    jerk = np.diff(run.speed, 2) / run.step_s**2
    return {
        "frechet_m": frechet(resampled(path, LEASH_STEP_M), resampled(run.lane, LEASH_STEP_M)),
        "dtw": dtw(driven, lane),
        "area": area_between(driven, lane),
        "curve_length": length_difference(driven, lane),
        "deviation_m": float(np.abs(run.lateral).mean()),
        "deviation_p95_m": float(np.quantile(np.abs(run.lateral), 0.95)),
        "off_road_s": float(run.off_road.sum() * run.step_s),
        "off_road_m": float((run.speed * run.off_road).sum() * run.step_s),
        "completed": float(run.completed),
        "stopped": float(run.states[-1] == DriveState.STOP),
        "jerk": float(np.sqrt((jerk**2).mean())) if len(jerk) else 0.0,
    }


def table_of(results: dict[str, dict[str, list[Run]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """route -> driver -> mean of every measure over its runs, with failed runs counted and left out of the means."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for route, by_driver in results.items():
        table[route] = {}
        for name, runs in by_driver.items():
            rows = [measures(run) for run in runs if not run.failed]
            means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} if rows else {}
            table[route][name] = {**means, "runs": len(runs), "failed": len(runs) - len(rows)}
    return table


def paired(
    results: dict[str, dict[str, list[Run]]], first: str, second: str, key: str = "frechet_m"
) -> dict[str, Any] | None:
    """first - second, paired by seed, over all routes: mean difference with its 95 % bootstrap interval, and ratio;
    None where on no seed both came to an end."""
    pairs = [
        (measures(a)[key], measures(b)[key])
        for by_driver in results.values()
        for a, b in zip(by_driver[first], by_driver[second], strict=True)
        if not a.failed and not b.failed
    ]
    if not pairs:
        return None
    values = np.array(pairs)
    difference = values[:, 0] - values[:, 1]
    draws = np.random.default_rng(0).integers(0, len(difference), (BOOTSTRAP, len(difference)))
    low, high = np.quantile(difference[draws].mean(1), [0.025, 0.975])
    return {
        "of": key,
        "mean": float(difference.mean()),
        "low": float(low),
        "high": float(high),
        "ratio": float(values[:, 0].mean() / values[:, 1].mean()),
        "pairs": len(pairs),
    }


def coverage_interval(covered: Sequence[NDArray[np.bool_]]) -> tuple[float, float]:
    """95 % bootstrap interval of the coverage over drives: the frames of one drive are alike."""
    hits, frames = np.array([c.sum() for c in covered]), np.array([len(c) for c in covered])
    draws = np.random.default_rng(0).integers(0, len(covered), (BOOTSTRAP, len(covered)))
    low, high = np.quantile(hits[draws].sum(1) / np.maximum(frames[draws].sum(1), 1), [0.025, 0.975])
    return float(low), float(high)


def confidence_of_runs(runs: Sequence[Run], small_error: float, nominal: float) -> dict[str, Any]:
    """Is the confidence true against the expert's steering in the same state? Over all steps of all runs."""
    error = np.concatenate([run.error for run in runs])
    confidence = np.concatenate([run.confidence for run in runs])
    correct = error <= small_error
    return {
        "ece": expected_calibration_error(confidence, correct),
        "auroc": auroc(confidence, correct),
        "coverage": float(np.concatenate([run.covered for run in runs]).mean()),
        "coverage_95": coverage_interval([run.covered for run in runs]),
        "nominal": nominal,
        "small_error": small_error,
        "share_small": float(correct.mean()),
        "steering_mae": float(error.mean()) if len(error) else math.nan,
        "reliability": reliability(confidence, correct),
    }
