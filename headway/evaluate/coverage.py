"""Does the tube hold? Scores of forecasts against the truth, calibration tables from them, and coverage.

For each person by themselves, every person has one vote, shared among their moments, which are not exchangeable. For
all people in view at once, every moment has one vote, shared among its people: a person and the m - 1 people nearest
to them are one group of m, whose score is the largest of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.stages.calibration import RECORDED, Calibration

Array = NDArray[np.floating]

LEVELS = np.round(np.arange(0.5, 0.995, 0.01), 2)
"""Nominal levels of a calibration table."""
GROUPS = (1, 2, 4, 8, 16, 32)
"""Numbers of people in a calibration table."""
_FEWEST_MOMENTS = 60
"""For a group size seen less often people are taken to err independently of each other."""


@dataclass(frozen=True)
class Scores:
    """M forecasts of people. score (M,) largest error over the path in units of its scale (see `Calibration`); track
    (M,) number of the person; moment (M,) number of the moment; place (M, 2) m."""

    score: Array
    track: NDArray[np.int64]
    moment: NDArray[np.int64]
    place: Array

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def joined(cls, parts: Iterable[Scores]) -> Scores:
        """All of them, people and moments kept apart."""
        found: list[Scores] = []
        people = moments = 0
        for p in parts:
            found.append(cls(p.score, p.track + people, p.moment + moments, p.place))
            people += int(p.track.max(initial=-1)) + 1
            moments += int(p.moment.max(initial=-1)) + 1
        if not found:
            return cls(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2)))
        return cls(*(np.concatenate([getattr(p, n) for p in found]) for n in ("score", "track", "moment", "place")))

    def weights(self) -> Array:
        """(M,) one for each person, shared among their moments."""
        return _shared(self.track)

    def crowd(self) -> NDArray[np.int64]:
        """(M,) people scored at the same moment."""
        _, inverse, count = np.unique(self.moment, return_inverse=True, return_counts=True)
        return np.asarray(count[inverse], np.int64)

    def grouped(self, size: int) -> tuple[Array, Array]:
        """Scores of groups of `size` people at once, and their weights, one for each moment."""
        order = np.argsort(self.moment, kind="stable")
        _, first = np.unique(self.moment[order], return_index=True)
        values, weights = [], []
        for rows in np.split(order, first[1:]):
            n = len(rows)
            if n < size or n == 0:
                continue
            apart = np.linalg.norm(self.place[rows][:, None] - self.place[rows][None], axis=-1)
            near = np.argpartition(apart, size - 1, axis=1)[:, :size]
            values.append(self.score[rows][near].max(axis=1))
            weights.append(np.full(n, 1.0 / n))
        if not values:
            return np.zeros(0), np.zeros(0)
        return np.concatenate(values), np.concatenate(weights)


def weighted_quantile(values: Array, weights: Array, level: float | Array) -> Any:
    """Least value that at least `level` of the weight does not exceed, with the one extra point conformal needs."""
    order = np.argsort(values, kind="stable")
    heap = np.cumsum(weights[order])
    wanted = np.asarray(level) * (heap[-1] + weights.max())
    return values[order][np.minimum(np.searchsorted(heap, wanted), len(order) - 1)]


def table(scores: Scores) -> Array:
    """(GROUPS, LEVELS) quantiles. The first row is for a person by themselves."""
    rows = [weighted_quantile(scores.score, scores.weights(), LEVELS)]
    for size in GROUPS[1:]:
        values, weights = scores.grouped(size)
        if weights.sum() >= _FEWEST_MOMENTS:
            row = weighted_quantile(values, weights, LEVELS)
        else:
            # People in one scene err together, if anything: independence asks for too much rather than too little.
            row = weighted_quantile(scores.score, scores.weights(), LEVELS ** (1 / size))
        # More people together are never easier to hold.
        rows.append(np.maximum(row, rows[-1]))
    return np.array(rows)


def hits(
    scores: Scores, calibration: Calibration, nominal: float, condition: str = RECORDED
) -> tuple[Array, Array, Array]:
    """Each person by themselves: (M,) 0/1 whether the whole path stayed inside, and weights; (moments,) 0/1 for all."""
    single = calibration.quantile(nominal, 1, condition)
    crowd = scores.crowd()
    limits = {n: calibration.quantile(nominal, int(n), condition) for n in np.unique(crowd)}
    outside = scores.score > np.array([limits[n] for n in crowd])
    _, inverse = np.unique(scores.moment, return_inverse=True)
    together = np.bincount(inverse, outside) == 0
    return (scores.score <= single).astype(float), scores.weights(), together.astype(float)


def coverage(
    scores: Mapping[str, Scores], calibrations: Mapping[str, Calibration], nominal: float, condition: str = RECORDED
) -> dict[str, Any]:
    """Scene -> scores and calibration from other scenes, pooled and for each scene.

    "measured": share of people whose whole path stays inside the radius of one person by themselves; "people": how many
    those are, where a camera saw them pairs of a camera and a person. "together": share of moments at which everybody
    scored stays inside the radius for as many people. The stage draws it for everybody it follows, which is wider.
    """
    found = {s: hits(v, calibrations[s], nominal, condition) for s, v in scores.items() if len(v)}
    weight = sum(w.sum() for _, w, _ in found.values())
    together = np.concatenate([t for _, _, t in found.values()])
    return {
        "nominal": nominal,
        "measured": float(sum((h * w).sum() for h, w, _ in found.values()) / weight),
        "by_scene": {s: float((h * w).sum() / w.sum()) for s, (h, w, _) in found.items()},
        "people": round(float(weight)),
        "together": {
            "measured": float(together.mean()),
            "by_scene": {s: float(t.mean()) for s, (_, _, t) in found.items()},
            "moments": len(together),
        },
    }


def leave_out_tables(scores: Mapping[str, Scores]) -> dict[str, Array]:
    """Scene -> table from all the other scenes; "" -> table from all of them."""
    scenes: Sequence[str] = list(scores)
    found = {s: table(Scores.joined(scores[o] for o in scenes if o != s)) for s in scenes}
    return found | {"": table(Scores.joined(scores.values()))}


def _shared(names: NDArray[np.int64]) -> Array:
    _, inverse, count = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])
