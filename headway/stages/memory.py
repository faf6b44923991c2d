"""The last forecasts of everybody, kept for the network to look at: a ring buffer with one row for each frame.

The network's attention over a mode's own earlier forecasts decides what they count (HPNet's idea). Here they are only
kept, moved to the present moments of time and to where the camera is now, and laid out in fixed shapes with a mask.
One step of work a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Rows = NDArray[np.int64] | slice

_MOST_STEPS = 3.0
"""A forecast older than this many steps of the time grid says too little of what is still ahead."""
_REACH = int(_MOST_STEPS) + 1


@dataclass(frozen=True)
class _Remembered:
    """further: modes (n, K, T + _REACH, 2), continued straight on."""

    stamp_ns: int
    ids: list[int]
    further: Array
    log_probability: Array
    camera_at: Array

    def rows_of(self, ids: list[int]) -> tuple[Rows, Rows]:
        """Places in `ids` of those who are remembered, and their rows here; nobody's are empty."""
        if ids == self.ids:  # mostly, except in a crowd, whose order by distance changes
            return slice(len(ids)), slice(len(ids))
        rows = {identity: row for row, identity in enumerate(self.ids)}
        new = [place for place, identity in enumerate(ids) if identity in rows]
        return np.array(new, int), np.array([rows[ids[place]] for place in new], int)


class ForecastRing:
    """slots: forecasts remembered; longest_s: older ones are not looked at, 0 remembers nothing; step_s: time grid."""

    def __init__(self, slots: int, longest_s: float, step_s: float) -> None:
        self.slots, self.step_s = slots, step_s
        self.longest_s = min(longest_s, _MOST_STEPS * step_s)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._newest_first: list[_Remembered] = []
        self._stamp_ns = 0  # of the last call
        self._camera_at = np.zeros(2)
        self._ego: Array | None = None

    def fill(
        self,
        stamp_ns: int,
        ids: NDArray[np.int64],
        place: Array,
        ego: Array | None,
        feeds: dict[str, NDArray[np.float32]],
    ) -> None:
        """Writes what is remembered of `ids` (n,), who are at `place` (n, 2) m, into zeroed `feeds`: memory_modes
        (1, N, R, K, T, 2) m as seen from each person now, memory_log_probability (1, N, R, K), memory_age (1, N, R) s,
        memory_valid (1, N, R) 0/1.

        ego (2,) m/s is the camera's velocity where it is known: what is remembered is then people's own motion, and
        the camera's way since is taken off. Where that changes, or time goes back, everything is forgotten.
        """
        # Since the last call, not the last answer: the network may have failed in between.
        dt = (stamp_ns - self._stamp_ns) * 1e-9
        if dt <= 0 or dt > self.longest_s or (ego is None) != (self._ego is None):
            self.reset()
        elif ego is not None and self._ego is not None:
            self._camera_at = self._camera_at + 0.5 * dt * (ego + self._ego)
        self._stamp_ns, self._ego, now = stamp_ns, ego, ids.tolist()
        for r, old in enumerate(self._newest_first):
            age = (stamp_ns - old.stamp_ns) * 1e-9
            if age > self.longest_s:
                continue
            new, was = old.rows_of(now)
            shift = old.camera_at - self._camera_at - place[new]
            moved = _later(old.further[was], age / self.step_s) + shift[:, None, None]
            feeds["memory_modes"][0, new, r] = moved
            feeds["memory_log_probability"][0, new, r] = old.log_probability[was]
            feeds["memory_age"][0, new, r] = age
            feeds["memory_valid"][0, new, r] = 1.0

    def keep(self, stamp_ns: int, ids: NDArray[np.int64], modes: Array, log_probability: Array) -> None:
        """Remembers this frame's answer, modes (n, K, T, 2) as the network gave them, and drops the oldest."""
        if self.longest_s <= 0:
            return
        newest = _Remembered(stamp_ns, ids.tolist(), _further(modes), log_probability, self._camera_at)
        self._newest_first = [newest, *self._newest_first][: self.slots]


def moved_on(modes: Array, steps: float) -> Array:
    """(..., T, 2) -> the same paths `steps` (0 to 3) of the time grid later; beyond the end they go straight on."""
    return _later(_further(modes), steps)


def _further(modes: Array) -> Array:
    """(..., T, 2) -> (..., T + _REACH, 2), the last step repeated."""
    t = modes.shape[-2]
    found = np.empty((*modes.shape[:-2], t + _REACH, 2))
    found[..., :t, :] = modes
    last = modes[..., -1:, :]
    found[..., t:, :] = last + _AHEAD * (last - modes[..., -2:-1, :])
    return found


_AHEAD = np.arange(1.0, _REACH + 1)[:, None]


def _later(further: Array, steps: float) -> Array:
    """(..., T + _REACH, 2) from `_further` -> (..., T, 2), `steps` (0 to 3) later."""
    whole, share, t = int(steps), steps - int(steps), further.shape[-2] - _REACH
    return np.asarray(
        (1 - share) * further[..., whole : whole + t, :] + share * further[..., whole + 1 : whole + 1 + t, :]
    )
