"""What an error of a forecast is measured against."""

from __future__ import annotations

import numpy as np

from headway.stages.calibration import spread


def test_the_spread_is_the_root_mean_square_distance_from_the_most_likely_path() -> None:
    random = np.random.default_rng(0)
    modes, probability = random.normal(size=(4, 5, 3, 2)), random.dirichlet(np.ones(5), 4)
    for row, p in enumerate(probability):
        best = modes[row, p.argmax()]
        wanted = np.sqrt(sum(p[k] * ((modes[row, k] - best) ** 2).sum(-1) for k in range(5)))
        np.testing.assert_allclose(spread(modes, probability)[row], wanted)
    assert spread(modes[:0], probability[:0]).shape == (0, 3)
