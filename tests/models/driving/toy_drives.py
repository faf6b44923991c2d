"""A toy road for tests: a bright stripe whose place tells the steering."""

from __future__ import annotations

import numpy as np

from headway.evaluate.tub import Drive


def drive_of(count: int, seed: int = 0) -> Drive:
    """A toy road: a bright stripe whose place tells the steering."""
    rng = np.random.default_rng(seed)
    steering = rng.uniform(-0.9, 0.9, count).astype(np.float32)
    images = rng.integers(60, 90, (count, 120, 160, 3), np.uint8)
    for image, s in zip(images, steering, strict=True):
        x = int(80 - 65 * s)
        image[40:, max(x - 8, 0) : x + 8] = 230
    return Drive(images, steering, np.full(count, 0.6, np.float32))
