"""How far two answers of the same network lie apart, per output."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headway.errors import EngineError
from headway.runtime.manifest import TensorSpec

SCORE_COLUMNS = (("score",), ("objectness", "class"))
"""What an output is ranked by: the product of these columns, where it has them."""
SCORE_TIE = 1e-3
"""Rows whose scores differ by less may change places between two engines without meaning anything."""


def worst_difference(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    specs: Mapping[str, TensorSpec],
    tie: float = SCORE_TIE,
) -> dict[str, float]:
    """Per output the worst |expected - found|; raises EngineError where an output is missing or of another shape.

    An output with a score column is a ranking: its rows are compared with the row of the same score that fits best.
    """
    worst = {}
    for name, spec in specs.items():
        if name not in found:
            raise EngineError(f"output '{name}' is missing")
        a, b = expected[name], found[name]
        if a.shape != b.shape:
            raise EngineError(f"output '{name}' is {list(b.shape)} where {list(a.shape)} is expected")
        columns = next((c for c in SCORE_COLUMNS if set(c) <= set(spec.columns)), None)
        a, b = a.astype(np.float64), b.astype(np.float64)
        if columns is None or a.ndim != 3:
            worst[name] = float(np.abs(a - b).max(initial=0.0))
        else:
            scores = [spec.columns[c][0] for c in columns]
            worst[name] = max(_ranked(x, y, scores, tie) for x, y in zip(a, b, strict=True))
    return worst


def _ranked(a: np.ndarray, b: np.ndarray, columns: list[int], tie: float) -> float:
    """(K, C) against (K, C): the worst difference of a row to its counterpart; the tied end of the list is left out."""
    score_a, score_b = a[:, columns].prod(axis=1), b[:, columns].prod(axis=1)
    last = max(score_a[-1], score_b[-1])
    rows = np.flatnonzero(score_a > last + tie)
    if not len(rows):
        rows = np.arange(len(a))  # all tied: every row must still have a counterpart
    worst = 0.0
    for i in rows:
        near = np.flatnonzero(np.abs(score_b - score_a[i]) <= tie)
        if not len(near):
            return float(np.abs(a - b).max())
        worst = max(worst, float(np.abs(b[near] - a[i]).max(axis=1).min()))
    return worst
