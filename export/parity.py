"""How far two answers of the same network lie apart, per output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from headway.errors import EngineError
from headway.runtime.manifest import TensorSpec

SCORE_COLUMNS = (("score",), ("objectness", "class"))
"""What an output is ranked by: the product of these columns, where it has them."""
SCORE_TIE = 1e-3
"""Rows whose scores differ by less may change places between two engines without meaning anything."""
SAME = 1e-3
"""Metres, pixels, or units of log probability: a graph that differs by less says the same."""


def worst_difference(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    specs: Mapping[str, TensorSpec],
    tie: float = SCORE_TIE,
) -> dict[str, float]:
    """Per output the worst |expected - found|; raises EngineError where an output is missing or of another shape.

    An output with a score column is a ranking: its rows are compared with the row of the same score that fits best.
    """
    return {name: float(worst.max(initial=0.0)) for name, worst, _ in _each(expected, found, specs, tie)}


@dataclass(frozen=True)
class Worst:
    """The worst difference of a column; score: that of the row it is in, NaN where the output is no ranking."""

    value: float
    score: float


def worst_by_column(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    specs: Mapping[str, TensorSpec],
    tie: float = SCORE_TIE,
    floor: float = 0.0,
) -> dict[str, Worst]:
    """The same for "output.column" where an output's columns have names: pixels and scores are worth telling apart.

    Rows of a ranking whose score is below `floor` in both answers are left out.
    """
    worst: dict[str, Worst] = {}
    for name, values, scores in _each(expected, found, specs, tie, floor):
        spans = {f"{name}.{column}": span for column, span in specs[name].columns.items()} or {name: (0, len(values))}
        for label, (first, last) in spans.items():
            if last > first:
                at = first + int(values[first:last].argmax())
                worst[label] = Worst(float(values[at]), float(scores[at]))
    return worst


def _each(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    specs: Mapping[str, TensorSpec],
    tie: float,
    floor: float = 0.0,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each output with its worst differences along the last axis, and the scores of the rows they are in (or NaN).

    What is no number is infinitely far from everything.
    """
    for name, spec in specs.items():
        if name not in found:
            raise EngineError(f"output '{name}' is missing")
        a, b = expected[name], found[name]
        if a.shape != b.shape:
            raise EngineError(f"output '{name}' is {list(b.shape)} where {list(a.shape)} is expected")
        columns = next((c for c in SCORE_COLUMNS if set(c) <= set(spec.columns)), None)
        a, b = a.astype(np.float64), b.astype(np.float64)
        if columns is None or a.ndim != 3:
            worst = _apart(a, b).reshape(-1, a.shape[-1] if a.ndim else 1).max(axis=0, initial=0.0)
            yield name, worst, np.full(len(worst), np.nan)
        else:
            ranked_by = [spec.columns[c][0] for c in columns]
            pairs = [_ranked(x, y, ranked_by, tie, floor) for x, y in zip(a, b, strict=True)]
            apart, score = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            if len(apart):
                yield name, apart.max(axis=0), score[apart.argmax(axis=0)]
            else:
                yield name, np.zeros(a.shape[-1]), np.full(a.shape[-1], np.nan)


def _ranked(
    a: np.ndarray, b: np.ndarray, columns: list[int], tie: float, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """(K, C) against (K, C): (N, C) differences of rows to their counterparts, and their (N,) scores; the list's tied
    end is left out, and so is what lies below `floor` in both."""
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return _apart(a, b), a[:, columns].prod(axis=1)  # what has no score has no counterpart
    score_a, score_b = a[:, columns].prod(axis=1), b[:, columns].prod(axis=1)
    last = max(score_a[-1], score_b[-1])
    rows = np.flatnonzero(score_a > max(last + tie, floor))
    if not len(rows) and last + tie >= floor:
        rows = np.arange(len(a))  # all tied: every row must still have a counterpart
    if np.count_nonzero(score_b > max(last, floor) + tie) > np.count_nonzero(score_a > max(last, floor)):
        return _apart(a, b), score_a  # rows that the other does not have
    differences = np.zeros((len(rows), a.shape[1]))
    for n, i in enumerate(rows):
        near = np.flatnonzero(np.abs(score_b - score_a[i]) <= tie)
        if not len(near):
            return _apart(a, b), score_a
        apart = _apart(b[near], a[i])
        differences[n] = apart[apart.max(axis=1).argmin()]
    return differences, score_a[rows]


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.abs(a - b), nan=np.inf, posinf=np.inf)
