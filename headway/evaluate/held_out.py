"""Confidence on held-out drives: the expert steers and is pushed off the lane, the network is asked in every state.

Its own clean drives hardly leave the lane, and an interval calibrated on drives with pushes is far too wide there; what
is promised is coverage on drives like those that calibrated it, on roads that nobody has seen.
"""

from __future__ import annotations

import numpy as np

from headway.evaluate.closed_loop import Driver, Run, drive
from headway.types import Steering
from headway.worlds import Observation, World
from headway.worlds.pushes import Pushes

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
