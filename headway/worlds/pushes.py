"""Pushes off the lane: what makes a recorded drive show how to come back, and a confidence worth judging.

Training and the held-out drives of the evaluation are pushed alike, so that what was calibrated on the one is measured
on the other.
"""

from __future__ import annotations

import numpy as np

CHANCE, STEPS, LARGEST = 0.03, 6, 0.35
"""Per step; steps a push lasts; its largest steering."""


class Pushes:
    """Steering that is added for some steps now and then; draws from the generator of the drive."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._push, self._left = 0.0, 0

    def begin_step(self) -> None:
        """Perhaps begins a push."""
        if self._left == 0 and self._rng.random() < CHANCE:
            self._push, self._left = float(self._rng.uniform(-LARGEST, LARGEST)), STEPS

    def steering(self) -> float:
        """What is added in this step."""
        added = self._push if self._left > 0 else 0.0
        self._left = max(self._left - 1, 0)
        return added
