"""Is a stated confidence true? Calibration error and separation, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]


def reliability(confidence: Array, correct: Flags, bins: int = 10) -> list[dict[str, Any]]:
    """Rows of a reliability plot: per equal-width bin of confidence its count, mean confidence and share correct."""
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, bool)
    index = np.clip((confidence * bins).astype(int), 0, bins - 1)
    rows = []
    for k in range(bins):
        inside = index == k
        if inside.any():
            rows.append(
                {
                    "from": k / bins,
                    "count": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "correct": float(correct[inside].mean()),
                }
            )
    return rows


def expected_calibration_error(confidence: Array, correct: Flags, bins: int = 10) -> float:
    """Mean |confidence - share correct| over equal-width bins, weighted by their counts. Fractions 0..1."""
    rows = reliability(confidence, correct, bins)
    total = sum(row["count"] for row in rows)
    return sum(row["count"] * abs(row["confidence"] - row["correct"]) for row in rows) / total


def auroc(score: Array, positive: Flags) -> float:
    """Probability that a positive scores above a negative, ties counted half; NaN where one kind is missing."""
    score = np.asarray(score, float)
    positive = np.asarray(positive, bool)
    p, n = int(positive.sum()), int(np.logical_not(positive).sum())
    if p == 0 or n == 0:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((rank[positive].sum() - p * (p + 1) / 2.0) / (p * n))
