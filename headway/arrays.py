"""For a handful of numbers. numpy's own `.all()` and `.any()` go through Python and cost three times as much as what is
here, and a formula of thirty numpy calls four times what it costs to compute it for five rows in Python's numbers: in
every frame, that counts (`docs/performance.md`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def every(mask: NDArray[np.bool_]) -> bool:
    """Whether all of any number of truths, none included, hold."""
    return bool(np.count_nonzero(mask) == mask.size)


def some(mask: NDArray[np.bool_]) -> bool:
    """Whether one of them holds."""
    return bool(np.count_nonzero(mask))


def finite(values: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite."""
    # Squares do not cancel out, so their sum is finite only where all are. Where it is not, they may just be large.
    return (values.size <= _ONE_THREAD and math.isfinite(np.vdot(values, values))) or every(np.isfinite(values))


_ONE_THREAD = 4096
"""For products of more than 10,000 numbers OpenBLAS wakes its threads, which takes longer than to look at each."""


FEW = 20
"""Rows up to which Python is faster."""


def one_by_one(function: Callable[..., tuple[float, ...] | None], rows: NDArray[Any]) -> NDArray[Any] | None:
    """(n, k) -> float64 (n, m), what `function` gives for the k numbers of each row; None for many rows or none, and
    where it gives None for one: then the caller's formula for arrays has to do."""
    if not 0 < len(rows) <= FEW:
        return None
    found = [function(*row) for row in rows.tolist()]
    return None if None in found else np.array(found, float)
