"""The published HEADS-UP predictor and alert rule (arXiv 2409.20324 and its released node), to stand beside ours.

A constant-velocity Kalman filter in the semi-local frame, restarted from nothing at every frame and run over at most
the last 50 points: Q = R = I, P0 = 0, x0 = 0, time counted in frames, correction before prediction. An alert is any
predicted point within 1.0 m of the wearer during the next 3 s; a track ends 0.5 s after it was last seen. With one
point the filter still says x0 = 0, which is the wearer: our reading is that nothing is said of a single point.

Its faults are part of it and are kept: with P0 = 0 the first point is ignored and the jump from x0 = 0 to the second is
read as velocity, so that the first forecasts are off by tens of metres and raise no alert.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

MAX_POINTS = 50
HORIZON_S = 3.0
ALERT_M = 1.0
MAX_UNSEEN_S = 0.5


def predict(points: Array, steps: int) -> Array:
    """points (n, 2) semi-local metres, one a frame, oldest first -> (steps, 2), one a frame."""
    points = np.asarray(points, float)[-MAX_POINTS:]
    place, velocity = filter_weights(len(points))
    # The filter ends with the state one frame ahead already: that is the first point of the forecast.
    return place @ points + np.arange(steps)[:, None] * (velocity @ points)


@lru_cache(maxsize=MAX_POINTS + 1)
def filter_weights(count: int) -> tuple[Array, Array]:
    """(count,) weights of the points in the filter's last position and velocity.

    The covariances do not depend on the points and x and y do not touch each other, so the filter is a weighted sum: it
    is run once on unit impulses.
    """
    transition = np.array([[1.0, 1.0], [0.0, 1.0]])
    state, covariance = np.zeros((2, count)), np.zeros((2, 2))
    for point in np.eye(count):
        gain = covariance[:, 0] / (covariance[0, 0] + 1.0)
        state = state + gain[:, None] * (point - state[0])
        covariance = covariance - np.outer(gain, covariance[0])
        state = transition @ state
        covariance = transition @ covariance @ transition.T + np.eye(2)
    return state[0], state[1]


@dataclass
class HeadsUpTrack:
    """One person's relative positions, as the published node keeps them."""

    rate: float
    points: deque[Array] = field(default_factory=lambda: deque(maxlen=MAX_POINTS))
    seen_s: float = float("-inf")

    def see(self, seconds: float, position: Array | None) -> bool:
        """Takes in a position (2,) at `seconds`, or None where the person was not seen; returns whether to alert."""
        if seconds - self.seen_s > MAX_UNSEEN_S:
            self.points.clear()
        if position is not None:
            self.points.append(np.asarray(position, float))
            self.seen_s = seconds
        return bool(self.points) and self.alert()

    def alert(self) -> bool:
        """Whether any point predicted for the next 3 s is within 1.0 m."""
        if len(self.points) < 2:
            return False
        path = predict(np.array(self.points), round(HORIZON_S * self.rate))
        return bool((np.linalg.norm(path, axis=1) < ALERT_M).any())
