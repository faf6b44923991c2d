"""How far two answers of the same network lie apart, per output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    return {name: float(worst.max(initial=0.0)) for name, worst in _each(expected, found, specs, tie)}


def worst_by_column(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    specs: Mapping[str, TensorSpec],
    tie: float = SCORE_TIE,
) -> dict[str, float]:
    """The same for "output.column" where an output's columns have names: pixels and scores are worth telling apart."""
    worst: dict[str, float] = {}
    for name, values in _each(expected, found, specs, tie):
        parts = {f"{name}.{column}": values[slice(*span)] for column, span in specs[name].columns.items()}
        worst |= {label: float(part.max(initial=0.0)) for label, part in (parts or {name: values}).items()}
    return worst


def _each(
    expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], specs: Mapping[str, TensorSpec], tie: float
) -> Iterator[tuple[str, np.ndarray]]:
    """Each output with its worst differences along the last axis."""
    for name, spec in specs.items():
        if name not in found:
            raise EngineError(f"output '{name}' is missing")
        a, b = expected[name], found[name]
        if a.shape != b.shape:
            raise EngineError(f"output '{name}' is {list(b.shape)} where {list(a.shape)} is expected")
        columns = next((c for c in SCORE_COLUMNS if set(c) <= set(spec.columns)), None)
        a, b = a.astype(np.float64), b.astype(np.float64)
        if columns is None or a.ndim != 3:
            yield name, np.abs(a - b).reshape(-1, a.shape[-1] if a.ndim else 1).max(axis=0, initial=0.0)
        else:
            scores = [spec.columns[c][0] for c in columns]
            yield name, np.max([_ranked(x, y, scores, tie) for x, y in zip(a, b, strict=True)], axis=0)


def _ranked(a: np.ndarray, b: np.ndarray, columns: list[int], tie: float) -> np.ndarray:
    """(K, C) against (K, C): (C,) worst differences of a row to its counterpart; the list's tied end is left out."""
    score_a, score_b = a[:, columns].prod(axis=1), b[:, columns].prod(axis=1)
    last = max(score_a[-1], score_b[-1])
    rows = np.flatnonzero(score_a > last + tie)
    if not len(rows):
        rows = np.arange(len(a))  # all tied: every row must still have a counterpart
    worst = np.zeros(a.shape[1])
    for i in rows:
        near = np.flatnonzero(np.abs(score_b - score_a[i]) <= tie)
        if not len(near):
            return np.abs(a - b).max(axis=0)
        apart = np.abs(b[near] - a[i])
        worst = np.maximum(worst, apart[apart.max(axis=1).argmin()])
    return worst
