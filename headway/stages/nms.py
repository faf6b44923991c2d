"""Greedy non-maximum suppression over the few boxes that passed the score threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headway.geometry import Array


def iou_matrix(a: Array, b: Array) -> Array:
    """(N, 4) and (M, 4) xyxy -> (N, M) intersection over union; 0 where either box is empty."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    corner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inner = np.maximum(corner, 0.0).prod(-1)
    area_a, area_b = (np.maximum(x[:, 2:] - x[:, :2], 0.0).prod(-1) for x in (a, b))
    union = area_a[:, None] + area_b[None] - inner
    return np.where(union > 0, inner / np.where(union > 0, union, 1.0), 0.0)


def suppress(boxes: Array, iou_threshold: float) -> NDArray[np.int64]:
    """Rows to keep, in order. boxes (N, 4) xyxy must be sorted by falling score: of two that overlap by more than
    `iou_threshold` the earlier one stays."""
    overlaps = iou_matrix(boxes, boxes) > iou_threshold
    alive = np.ones(len(overlaps), bool)
    for row in range(len(overlaps)):
        if alive[row]:
            alive[row + 1 :] &= ~overlaps[row, row + 1 :]
    return np.flatnonzero(alive)
