"""The published four-case corrector and throttle of `caril`, in numpy, with its random draws seeded.

Kept as published, weak points included: case 4 adds noise without bias, whose variance is smallest where the network
is least certain. What is not copied: the released loader flips images without mirroring the bin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 11
WIDTH = 2.0 / BINS
DRAWS = 10
SURE, UNSURE, HIGH_ENTROPY = 0.9, 0.5, 1.5
THROTTLE, THROTTLE_BELOW_MPS = 0.5, 15.0


class Corrector:
    """Holds the generator: the same seed and the same inputs give the same outputs."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, regression: float, probability: NDArray[np.floating]) -> tuple[float, int]:
        """Regressed steering -1..1 and (11,) softmax -> corrected steering and the case (1..4) that applied."""
        p = np.asarray(probability, float)
        top, k = float(p.max()), int(p.argmax())
        entropy = float(-(p * np.log(np.maximum(p, 1e-12))).sum())
        own = int(np.clip(np.floor((regression + 1.0) / WIDTH), 0, BINS - 1))
        if top >= SURE and abs(own - k) <= 1:
            return regression, 1
        if top >= SURE:
            low = -1.0 + k * WIDTH
            return float(self._rng.uniform(low, low + WIDTH, DRAWS).mean()), 2
        if top < UNSURE and entropy > HIGH_ENTROPY:
            return regression, 3
        draws = self._rng.normal(regression, np.sqrt(np.var(p)), DRAWS)
        return float(np.clip(draws.mean(), -1.0, 1.0)), 4


def throttle(speed_mps: float) -> float:
    """Published: half throttle below 15 m/s, else none."""
    return THROTTLE if speed_mps < THROTTLE_BELOW_MPS else 0.0
