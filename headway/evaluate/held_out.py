"""Confidence on held-out drives: the expert steers and is pushed off the lane, the network is asked in every state.

Its own clean drives hardly leave the lane, and an interval calibrated on drives with pushes is far too wide there; what
is promised is coverage on drives like those that calibrated it, on roads that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headway.evaluate.closed_loop import Driver, Run, drive
from headway.types import Steering
from headway.worlds import Observation, World
from headway.worlds.pushes import Pushes

OFFSETS_M = (0.25, 0.5, 1.0, 1.5)
"""Bounds of the bands of `by_offset`."""
STREAM = 77
"""Second word of the seed of the pushes, as in training."""


class Pushed:
    """Drives as the expert does, with pushes; what `driver` would have said is kept for the records of the run."""

    def __init__(self, world: World, driver: Driver, seed: int) -> None:
        self._world, self._driver = world, driver
        self._pushes = Pushes(np.random.default_rng([seed, STREAM]))
        self.said: list[Steering] = []
        self.wanted: list[float] = []

    def reset(self) -> None:
        """See Driver.reset."""
        self._driver.reset()

    def __call__(self, image: np.ndarray, seen: Observation) -> Steering:
        """See Driver."""
        self.said.append(self._driver(image, seen))
        steering, throttle = self._world.expert()
        self.wanted.append(steering)
        self._pushes.begin_step()
        return Steering(steering + self._pushes.steering(), throttle, (-1.0, 1.0), 1.0)


def pushed_run(world: World, driver: Driver, route: str, seed: int) -> Run:
    """One pushed drive, with error, confidence and coverage of what `driver` said."""
    pushed = Pushed(world, driver, seed)
    run = drive(world, pushed, route, seed)
    if not run.failed:
        wanted = np.array(pushed.wanted)
        run.error = np.abs([s.steering for s in pushed.said] - wanted)
        run.confidence = np.array([s.confidence for s in pushed.said])
        run.covered = np.array([s.interval[0] <= w <= s.interval[1] for s, w in zip(pushed.said, wanted, strict=True)])
    return run


def by_offset(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Coverage and mean steering error by how far the car was off its lane's centre: from_m, to_m (None: any), frames,
    drives, coverage, steering_mae. One number for all frames hides what an interval is worth where it matters."""
    bands = [np.digitize(np.abs(run.lateral), OFFSETS_M) for run in runs]
    band, covered, error = (
        np.concatenate(column) for column in (bands, [run.covered for run in runs], [run.error for run in runs])
    )
    return [
        {
            "from_m": low,
            "to_m": high,
            "frames": int((band == i).sum()),
            "drives": sum(bool((b == i).any()) for b in bands),
            "coverage": float(covered[band == i].mean()),
            "steering_mae": float(error[band == i].mean()),
        }
        for i, (low, high) in enumerate(zip((0.0, *OFFSETS_M), (*OFFSETS_M, None), strict=True))
        if (band == i).any()
    ]


def band_name(row: Mapping[str, Any]) -> str:
    """Of a row of `by_offset`, for tables: "0.25 to 0.5 m", "1.5 m and more"."""
    return f"{row['from_m']:g} m and more" if row["to_m"] is None else f"{row['from_m']:g} to {row['to_m']:g} m"
