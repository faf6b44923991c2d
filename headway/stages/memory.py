"""What was forecast a moment ago keeps a say in what is forecast now, so that successive forecasts agree.

The idea is HPNet's (attention over the same mode's earlier predictions), without learning: the same mode of the same
track, moved to the same moments of time, is averaged with weights that fade with its age, for paths and for
probabilities alike. One step of work a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class _Remembered:
    stamp_ns: int
    rows: dict[int, int]
    modes: Array
    probability: Array


class ForecastMemory:
    """Remembers the forecasts of the frame before. fade_s: the time after which they count 1/e; 0 remembers nothing."""

    def __init__(self, fade_s: float, step_s: float) -> None:
        self.fade_s, self.step_s = fade_s, step_s
        self._last: _Remembered | None = None

    def reset(self) -> None:
        """Forgets everything."""
        self._last = None

    def __call__(self, stamp_ns: int, ids: NDArray[np.int64], modes: Array, probability: Array) -> tuple[Array, Array]:
        """modes (n, K, T, 2) relative to the camera, probability (n, K) -> the same, steadied, in new arrays."""
        last, dt = self._last, 0.0
        if last is not None:
            dt = (stamp_ns - last.stamp_ns) * 1e-9
        if last is not None and self.fade_s > 0 and 0 < dt < self.step_s:
            pairs = [(row, last.rows[int(i)]) for row, i in enumerate(ids) if int(i) in last.rows]
            if pairs:
                new, old = (np.array(side) for side in zip(*pairs, strict=True))
                keep = np.exp(-dt / self.fade_s)
                modes, probability = modes.copy(), probability.copy()
                modes[new] += keep * (moved_on(last.modes[old], dt / self.step_s) - modes[new])
                probability[new] += keep * (last.probability[old] - probability[new])
        self._last = _Remembered(stamp_ns, {int(i): row for row, i in enumerate(ids)}, modes, probability)
        return modes, probability


def moved_on(modes: Array, share: float) -> Array:
    """(n, K, T, 2) -> the same paths `share` of a step later; the last point goes on as the one before it did."""
    further = np.concatenate([modes, 2 * modes[:, :, -1:] - modes[:, :, -2:-1]], axis=2)
    return (1 - share) * further[:, :, :-1] + share * further[:, :, 1:]
