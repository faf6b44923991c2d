"""Who will meet the wearer, when, and how likely: forecasts in, one risk for each person out.

A mode meets the wearer where its path comes within `wearer_radius_m` + `conflict_margin_m` of the origin; the
probability is the sum over the modes. The tube of conformal radius round the most likely mode must also reach the
wearer for anything to be said. Levels rise at one threshold and fall at a lower one, so that they do not flicker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.config import Config, parameter
from headway.types import Forecast, Level, Risk, Risks, Tracks

Array = NDArray[np.floating]

_AHEAD_DEG, _BESIDE_DEG = 30.0, 120.0
"""Ahead within 30 degrees of where the camera looks, left or right up to 120, behind beyond."""
_SOFT_M = 0.15
"""A mode that passes this far outside the disc still counts a quarter: modes are samples, not walls."""


@dataclass(frozen=True)
class RiskConfig(Config):
    """When to warn."""

    wearer_radius_m: float = parameter(0.4, "half width of the wearer or the vehicle, metres", 0.1, 2.0)
    conflict_margin_m: float = parameter(0.6, "room that a person wants round the wearer, metres", 0.0, 2.0)
    horizon_s: float = parameter(4.0, "contacts later than this are not reported, seconds", 0.4, 4.8)
    alert_s: float = parameter(3.0, "contacts within this time raise an alert, seconds", 0.4, 4.8)
    alert_probability: float = parameter(0.5, "probability that raises an alert", 0.01, 1.0)
    notice_probability: float = parameter(0.2, "probability that raises a notice", 0.01, 1.0)
    release: float = parameter(0.6, "a level falls when the probability is below this share of its threshold", 0.1, 1.0)
    hold_s: float = parameter(0.4, "a level is kept at least this long, seconds", 0.0, 5.0)
    min_age_s: float = parameter(0.3, "a track younger than this is unsure, seconds", 0.0, 2.0)
    max_silence_s: float = parameter(
        0.5, "a longer time between two forecasts makes the answer unsure, seconds", 0.05, 5.0
    )


@dataclass(frozen=True)
class _State:
    level: Level
    since_ns: int


class RiskStage:
    """Remembers each track's level for the hysteresis."""

    def __init__(self, config: RiskConfig | None = None) -> None:
        self.config = config or RiskConfig()
        self.reset()

    def reset(self) -> None:
        """Forgets all levels."""
        self._states: dict[int, _State] = {}
        self._stamp_ns: int | None = None

    def __call__(self, forecast: Forecast) -> Risks:
        """Risks of everybody in `forecast`, in its order (nearest first)."""
        tracks = forecast.tracks
        reasons = [tracks.unsure] if tracks.unsure else []
        silence = 0.0 if self._stamp_ns is None else (tracks.stamp_ns - self._stamp_ns) * 1e-9
        if silence < 0:
            self._states = {}
        elif silence > self.config.max_silence_s:
            reasons.append(f"no forecast for {silence:.1f} s before this one")
        self._stamp_ns = tracks.stamp_ns
        contacts = meet(forecast, self.config)
        items = tuple(self._risk(forecast, contacts, i) for i in range(len(forecast)))
        self._states = {r.track_id: self._states[r.track_id] for r in items}
        return Risks(tracks.stamp_ns, items, "; ".join(reasons))

    def stale(self, stamp_ns: int, reason: str) -> Risks:
        """What to say while nothing arrives: unsure, with the reason; levels are kept for when it goes on."""
        return Risks(stamp_ns, (), reason)

    def _risk(self, forecast: Forecast, contacts: Contacts, i: int) -> Risk:
        tracks, c = forecast.tracks, self.config
        identity = int(tracks.ids[i])
        probability, time = float(contacts.probability[i]), float(contacts.time_s[i])
        meets = np.isfinite(time) and time <= c.horizon_s and bool(contacts.reachable[i])
        touching = float(np.linalg.norm(tracks.position[i, :2])) < c.wearer_radius_m
        if float(tracks.age_s[i]) < c.min_age_s and not touching:
            # Not remembered: what a velocity not yet known says must not be held over into the time when it is.
            self._states[identity] = _State(Level.CLEAR, tracks.stamp_ns)
            level, reason = Level.UNSURE, f"seen for {tracks.age_s[i]:.2f} s only"
        else:
            wanted = self._wanted(probability, time) if meets else Level.CLEAR
            level = self._with_hysteresis(identity, wanted, probability if meets else 0.0, tracks.stamp_ns)
            reason = contacts.words(i, level) if level else ""
        return Risk(
            track_id=identity,
            level=level,
            time_to_contact_s=time if meets else None,
            probability=probability,
            closest_m=float(contacts.closest_m[i]),
            direction=direction_word(tracks, i),
            reason=reason,
        )

    def _wanted(self, probability: float, time_s: float) -> Level:
        """The level that a contact calls for by itself."""
        c = self.config
        if probability >= c.alert_probability and time_s <= c.alert_s:
            return Level.ALERT
        return Level.NOTICE if probability >= c.notice_probability else Level.CLEAR

    def _with_hysteresis(self, identity: int, wanted: Level, probability: float, stamp_ns: int) -> Level:
        c, state = self.config, self._states.get(identity)
        if state is None or wanted > state.level:
            self._states[identity] = _State(wanted, stamp_ns)
            return wanted
        threshold = {Level.ALERT: c.alert_probability, Level.NOTICE: c.notice_probability}.get(state.level, 0.0)
        held = (stamp_ns - state.since_ns) * 1e-9 < c.hold_s
        if wanted < state.level and not held and probability < c.release * threshold:
            self._states[identity] = _State(wanted, stamp_ns)
            return wanted
        return state.level


@dataclass(frozen=True)
class Contacts:
    """n people. probability (n,); time_s (n,) median first contact over the modes that meet the wearer, inf for none;
    closest_m (n,) of the most likely mode; reachable (n,) whether the conformal tube reaches the wearer's disc."""

    probability: Array
    time_s: Array
    closest_m: Array
    reachable: NDArray[np.bool_]

    def words(self, i: int, level: Level) -> str:
        """Why a risk was raised."""
        if not np.isfinite(self.time_s[i]):
            return "held from the frames before"
        return f"{100 * self.probability[i]:.0f} % of the expected paths pass within reach in {self.time_s[i]:.1f} s"


def meet(forecast: Forecast, config: RiskConfig) -> Contacts:
    """Where the paths meet the wearer's disc round the origin."""
    n = len(forecast)
    if n == 0:
        return Contacts(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    limit = config.wearer_radius_m + config.conflict_margin_m
    start = forecast.tracks.position[:n, None, None, :2]
    path = np.concatenate([np.broadcast_to(start, (*forecast.modes.shape[:2], 1, 2)), forecast.modes], axis=2)
    steps = max(1, min(path.shape[2] - 1, int(np.ceil(config.horizon_s / forecast.step_s - 1e-9))))
    near, enter = _nearest_and_entry(path[:, :, : steps + 1], limit)  # (n, K, steps) each
    closest, first = near.min(-1), np.where(near <= limit, enter, np.inf).min(-1)  # (n, K), (n, K) in steps
    share = np.exp(-np.maximum(closest - limit, 0) * np.log(4) / _SOFT_M)
    weight = forecast.probability * share
    best = forecast.probability.argmax(axis=1)
    people = np.arange(n)
    reachable = np.asarray((near[people, best] - forecast.radius[:, :steps] <= limit).any(axis=1))
    time = _weighted_median(first * forecast.step_s, np.where(np.isfinite(first), weight, 0.0))
    return Contacts(np.clip(weight.sum(axis=1), 0, 1), time, closest[people, best], reachable)


def _nearest_and_entry(path: Array, limit: float) -> tuple[Array, Array]:
    """(..., S + 1, 2) points -> (..., S) distance of each straight piece from the origin, and when on it, counted in
    steps, the disc of radius `limit` is entered (meant only where the piece comes that near)."""
    ax, ay = path[..., :-1, 0], path[..., :-1, 1]
    dx, dy = path[..., 1:, 0] - ax, path[..., 1:, 1] - ay
    # |a + u d| = limit: the smaller root is where the disc is entered; inside from the start means now.
    qa, qb, qc = dx * dx + dy * dy, ax * dx + ay * dy, ax * ax + ay * ay - limit**2
    moves = np.where(qa > 1e-12, qa, 1.0)
    u = np.minimum(np.maximum(-qb / moves, 0.0), 1.0)
    x, y = ax + u * dx, ay + u * dy
    root = (-qb - np.sqrt(np.maximum(qb * qb - qa * qc, 0.0))) / moves
    enter = np.arange(float(ax.shape[-1])) + np.where(qc <= 0, 0.0, np.minimum(np.maximum(root, 0.0), 1.0))
    return np.sqrt(x * x + y * y), enter


def _weighted_median(values: Array, weights: Array) -> Array:
    """(n, K), (n, K) -> (n,); inf where all weights are zero."""
    rows = np.arange(len(values))
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = values[rows[:, None], order], weights[rows[:, None], order]
    total = weights.sum(axis=1)
    middle = (weights.cumsum(axis=1) < 0.5 * total[:, None]).sum(axis=1)
    return np.where(total > 0, values[rows, np.minimum(middle, values.shape[1] - 1)], np.inf)


def direction_word(tracks: Tracks, i: int) -> str:
    """left, ahead, right or behind: where person `i` is now, seen from the camera."""
    bearing = np.arctan2(tracks.position[i, 1], tracks.position[i, 0]) - tracks.heading_rad
    degrees = np.degrees(np.arctan2(np.sin(bearing), np.cos(bearing)))
    if abs(degrees) <= _AHEAD_DEG:
        return "ahead"
    if abs(degrees) > _BESIDE_DEG:
        return "behind"
    return "left" if degrees > 0 else "right"
