"""The published HEADS-UP predictor and alert rule (arXiv 2409.20324 and its released node), to stand beside ours.

A constant-velocity Kalman filter in the semi-local frame, restarted from nothing at every frame and run over at most
the last 50 points: Q = R = I, P0 = 0, x0 = 0, time counted in frames, correction before prediction. An alert is any
predicted point within 1.0 m of the wearer during the next 3 s; a track ends 0.5 s after it was last seen. With one
point the filter still says x0 = 0, which is the wearer: our reading is that nothing is said of a single point.

Its faults are part of it and are kept: with P0 = 0 the first point is ignored and the jump from x0 = 0 to the second is
read as velocity, so that the first forecasts are off by tens of metres and raise no alert.

`HeadsUpStage` puts it in the place of network and risk rule in the pipeline (parameter `risk.mode`); who is who is
decided by our tracker, as it was by a tracker of its own in the publication.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headway.errors import ConfigError
from headway.stages.risk import direction_word
from headway.types import Forecast, Level, Risk, Risks, Tracks

Array = NDArray[np.floating]

MAX_POINTS = 50
HORIZON_S = 3.0
ALERT_M = 1.0
MAX_UNSEEN_S = 0.5
CAME_WARNED, CAME_WARNED_BY_SIZE, CAME_UNWARNED = 0.69, 0.41, 0.10
"""Share of those about whom it alerts who come within reach; the same where they are placed by the size of their head;
share of all others. The rule has no probability: this is what it came to (`python tools/calibrate_contacts.py`)."""
_SLOWEST_HZ, _FASTEST_HZ, _ASSUMED_HZ = 1.0, 240.0, 15.0
"""The frame rate is read from the stamps within these limits; assumed before there are two."""


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

    def __post_init__(self) -> None:
        """Raises ConfigError for a rate that is none."""
        if not _SLOWEST_HZ <= self.rate <= _FASTEST_HZ:
            raise ConfigError(f"rate = {self.rate:g}: {_SLOWEST_HZ:g} to {_FASTEST_HZ:g} frames a second are wanted")

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
        return bool((np.linalg.norm(self.path(), axis=1) < ALERT_M).any())

    def path(self) -> Array:
        """(steps, 2) metres, one point a frame for the next 3 s; where there is one point only, that point stays."""
        steps = round(HORIZON_S * self.rate)
        points = np.array(self.points)
        return predict(points, steps) if len(points) > 1 else np.tile(points[-1], (steps, 1))


class HeadsUpStage:
    """The published predictor and rule on tracked people: one path each, no radius, no hysteresis."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everybody."""
        self._people: dict[int, HeadsUpTrack] = {}
        self._periods: deque[float] = deque(maxlen=15)
        self._stamp_ns: int | None = None

    def __call__(self, tracks: Tracks, seen: dict[int, Array]) -> tuple[Forecast, Risks]:
        """`seen`: row of `Tracks.head_index` -> measured position (2,), semi-local metres, as it was measured.

        The published node counts frames; the frame period is the median of the last fifteen.
        """
        before, self._stamp_ns = self._stamp_ns, tracks.stamp_ns
        if before is not None and tracks.stamp_ns > before:
            self._periods.append((tracks.stamp_ns - before) * 1e-9)
        rate = 1.0 / float(np.median(self._periods)) if self._periods else _ASSUMED_HZ
        rate = min(max(rate, _SLOWEST_HZ), _FASTEST_HZ)
        alerts = [self._see(tracks, i, seen.get(int(tracks.head_index[i])), rate) for i in range(len(tracks))]
        self._people = {int(i): self._people[int(i)] for i in tracks.ids}
        steps = round(HORIZON_S * rate)
        paths = np.zeros((len(tracks), 1, steps, 2))
        for row, person in enumerate(self._people.values()):
            paths[row, 0] = person.path() if person.points else tracks.position[row, :2]
        forecast = Forecast(tracks, paths, np.ones((len(tracks), 1)), np.zeros((len(tracks), steps)), 1.0 / rate, 0.0)
        items = tuple(self._risk(tracks, i, paths[i, 0], alerts[i], rate) for i in range(len(tracks)))
        return forecast, Risks(tracks.stamp_ns, items, tracks.unsure)

    def _see(self, tracks: Tracks, row: int, position: Array | None, rate: float) -> bool:
        person = self._people.setdefault(int(tracks.ids[row]), HeadsUpTrack(rate))
        person.rate = rate
        return person.see(tracks.stamp_ns * 1e-9, position)

    def _risk(self, tracks: Tracks, row: int, path: Array, alert: bool, rate: float) -> Risk:
        identity, distance = int(tracks.ids[row]), np.linalg.norm(path, axis=1)
        young = len(self._people[identity].points) < 2
        level = Level.UNSURE if young else Level.ALERT if alert else Level.CLEAR
        return Risk(
            track_id=identity,
            level=level,
            time_to_contact_s=float(np.argmax(distance < ALERT_M) + 1) / rate if alert else None,
            probability=_came(tracks, row, alert),
            closest_m=float(distance.min()),
            direction=direction_word(tracks, row),
            reason="fewer than two points" if young else "a predicted point lies within 1.0 m" if alert else "",
        )


def _came(tracks: Tracks, row: int, alert: bool) -> float:
    """Probability of a contact: that there is a person at all, times that they come."""
    by_size = tracks.by_size is not None and bool(tracks.by_size[row])
    existence = 1.0 if tracks.existence is None else float(tracks.existence[row])
    return existence * ((CAME_WARNED_BY_SIZE if by_size else CAME_WARNED) if alert else CAME_UNWARNED)
