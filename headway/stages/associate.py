"""Which sighting belongs to which track: the assignment that matches most, at the least total cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def associate(cost: NDArray[np.floating], gate: float) -> list[tuple[int, int]]:
    """cost (n, m), lower is better -> pairs (row, column), each used once, all with cost <= gate.

    As many pairs as possible come first, the least total cost among those second. NaN is never matched.
    """
    if not cost.size:
        return []
    from scipy.optimize import linear_sum_assignment

    allowed = np.isfinite(cost) & (cost <= gate)
    # One forbidden pair must outweigh every allowed cost together, so that it is used only where nothing else is left.
    forbidden = (1.0 + gate) * (min(cost.shape) + 1)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, forbidden))
    good = allowed[rows, columns].tolist()
    return [
        pair for pair, matched in zip(zip(rows.tolist(), columns.tolist(), strict=True), good, strict=True) if matched
    ]
