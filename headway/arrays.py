"""Questions about a handful of numbers. numpy's own `.all()` and `.any()` go through Python and cost three times this:
asked dozens of times a frame, that counts (`docs/performance.md`)."""

from __future__ import annotations

import math
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
