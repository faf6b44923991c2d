"""Is it a head at all? From how each sighting looks to the probability that a track is a person.

The nearer a head, the better a network sees it: a box as wide as a near head's is sure (score 0.7 and more, a small
sigma) where there is a head, and doubtful where there is a tree crown. A far head is doubtful either way, and so is
the back of one. So neither score nor sigma says by itself whether to believe; together with the size they do.

The log-odds of one sighting are linear in what the network says of it. Those of a track are the mean over its
sightings, newer ones counting more, times a gain that grows from 1 to `Belief.track`. They are not the sum: the same
thing looks alike in every frame, and a hundred looks at a crown are not a hundred witnesses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headway.stages.head_columns import SMALLEST_SIGMA_DEG
from headway.types import Heads

Array = NDArray[np.floating]

CERTAIN = 30.0
"""Log-odds of what no network guessed: labels (score 1), and people who were placed in space without one."""
_ASPECT = 4.0 / 3.0
"""Of the networks' input, into which a picture is fitted: sizes are shares of its width."""
_TYPICAL_SIGMA_DEG, _TYPICAL_SIZE = 30.0, 0.06
MEMORY_S = 1.0
"""What was seen this long ago counts 1/e of what is seen now: a track that goes over from a crown to a person is
believed within a second."""


@dataclass(frozen=True)
class Belief:
    """Log-odds that a reported box is a head: bias + score · logit(score) + sigma · ln(sigma_deg / 30)
    + size · ln(size / 0.06), no more than `limit` either way; of a track with many sightings: `track` times their mean.

    The numbers come from `python tools/calibrate_existence.py`.
    """

    bias: float = 0.70
    score: float = 2.79
    sigma: float = -1.05
    size: float = -1.51
    track: float = 2.15
    limit: float = 5.0

    def log_odds(self, scores: Array, sigma_deg: Array, size: Array) -> Array:
        """(N,) of boxes with these scores, expected errors in degrees and sizes (see `sizes`)."""
        found = self.linear(features(scores, sigma_deg, size))
        return np.where(np.asarray(scores, float) >= 1.0, CERTAIN, found)

    def linear(self, x: Array) -> Array:
        """(N,) log-odds of `features` (N, 3)."""
        return np.minimum(np.maximum(self.bias + x @ self._weights, -self.limit), self.limit)

    @cached_property
    def _weights(self) -> Array:
        return np.array([self.score, self.sigma, self.size])

    def probability(self, mean: Array, sightings: Array) -> Array:
        """(N,) mean log-odds of tracks and the number of sightings in them, 1 and more -> that they are people."""
        gain = self.track - (self.track - 1.0) / np.maximum(sightings, 1.0)
        return np.asarray(1.0 / (1.0 + np.exp(-np.minimum(np.maximum(gain * mean, -CERTAIN), CERTAIN))))


BELIEF = Belief()


def features(scores: Array, sigma_deg: Array, size: Array) -> Array:
    """(N, 3) what log-odds are linear in. A number that is none counts as the least sure one."""
    rows = [_features(*row) for row in zip(scores.tolist(), sigma_deg.tolist(), size.tolist(), strict=True)]
    return np.array(rows, float).reshape(-1, 3)


def _features(score: float, sigma_deg: float, size: float) -> tuple[float, float, float]:
    # Of a number and NaN, max and min give the one that stands first.
    score = min(1.0 - 1e-6, max(1e-6, score))
    sigma_deg, size = max(SMALLEST_SIGMA_DEG, min(180.0, sigma_deg)), max(1e-4, min(1.0, size))
    return math.log(score / (1.0 - score)), math.log(sigma_deg / _TYPICAL_SIGMA_DEG), math.log(size / _TYPICAL_SIZE)


def sizes(boxes: Array, width: int, height: int) -> Array:
    """(N,) heights of the boxes as shares of the width of the 4:3 frame into which the picture is fitted."""
    return np.subtract(boxes[:, 3], boxes[:, 1], dtype=float) / max(width, _ASPECT * height)


def log_odds(heads: Heads, width: int, height: int) -> Array:
    """(N,) log-odds that each of `heads`, by itself, is one; boxes are in pixels of a picture of that size."""
    return BELIEF.log_odds(heads.scores, heads.sigma_deg, sizes(heads.boxes, width, height))


def head_probability(heads: Heads, width: int, height: int) -> Array:
    """(N,) the same as probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds(heads, width, height))))


def running_mean(mean: Array, weight: Array, seen: Array, silent_s: Array) -> tuple[Array, Array]:
    """(n, ...) means and their weights (n,) with one sighting more, `silent_s` (n,) seconds after the last."""
    kept = weight * np.exp(-silent_s / MEMORY_S)
    share = 1.0 / (kept + 1.0)
    return mean + (share if mean.ndim == 1 else share[:, None]) * (seen - mean), kept + 1.0
