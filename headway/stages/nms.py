"""Greedy non-maximum suppression over the few boxes that passed the score threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headway.geometry import Array


def iou_matrix(a: Array, b: Array) -> Array:
    """(N, 4) and (M, 4) xyxy -> (N, M) intersection over union; 0 where either box is empty."""
    inner, union = _inner_and_union(np.asarray(a, float), np.asarray(b, float))
    return np.where(union > 0, inner / np.where(union > 0, union, 1.0), 0.0)


BLOCK = 32
"""Boxes that are compared one by one, in Python's numbers, before those that stay are compared with all the others at
once. Most frames have no more; the best of a crowd leave little for the next block."""


def suppress(boxes: Array, iou_threshold: float) -> NDArray[np.int64]:
    """Rows to keep, in order. boxes (N, 4) xyxy must be sorted by falling score: of two that overlap by more than
    `iou_threshold` the earlier one stays."""
    boxes = np.asarray(boxes, float)
    if len(boxes) <= BLOCK:
        return np.array(_greedy(boxes.tolist(), iou_threshold), int)
    kept: list[NDArray[np.int64]] = []
    rest = np.arange(len(boxes))
    while len(rest):
        best, rest = rest[:BLOCK], rest[BLOCK:]
        kept.append(best[_greedy(boxes[best].tolist(), iou_threshold)])
        if len(rest):
            inner, union = _inner_and_union(boxes[kept[-1]], boxes[rest])
            rest = rest[~(inner > iou_threshold * union).any(axis=0)]
    return np.concatenate([rest, *kept])


def _greedy(boxes: list[list[float]], iou_threshold: float) -> list[int]:
    """Rows to keep of a few boxes. For a dozen of them numpy's calls cost four times this, right after a network has
    emptied the cache."""
    rows: list[int] = []
    kept: list[tuple[float, float, float, float, float]] = []
    for row, (x0, y0, x1, y1) in enumerate(boxes):
        area = max(x1 - x0, 0.0) * max(y1 - y0, 0.0)
        for kx0, ky0, kx1, ky1, kept_area in kept:
            if x0 >= kx1 or kx0 >= x1 or y0 >= ky1 or ky0 >= y1:
                continue  # most pairs are far apart
            width, height = min(x1, kx1) - max(x0, kx0), min(y1, ky1) - max(y0, ky0)
            if width > 0.0 and height > 0.0:
                inner = width * height
                if inner > iou_threshold * (kept_area + area - inner):
                    break
        else:
            rows.append(row)
            kept.append((x0, y0, x1, y1, area))
    return rows


NESTED_SHARE, NESTED_RATIO = 0.5, 6.0
"""Share of the smaller box that must lie in the other; ratio of areas from which on they are two heads after all."""

MIDDLE, BEHIND_RATIO = 0.6, 64.0
"""Of a head's width and height: an ellipse in its box that the head fills for certain. Ratio of areas from which on a
smaller box is somebody behind, eight times as far away. A part of a head that was taken for one (a face, an ear) was 13
times as small at most; somebody inside a box that is no head mostly hundreds of times."""


Box = list[float]


def without_nested(boxes: Array, from_px: float) -> NDArray[np.int64]:
    """Rows to keep, in order, of boxes (N, 4) xyxy sorted by falling score: a part of a large head is no second head.

    Where half of the smaller of two boxes lies in the other, whose area is at most six times as large and at least
    `from_px` squared, the lower score goes. Heads that near do not hide each other and stay two heads; of small ones
    in a crowd that is what one sees, so they are left alone.
    """
    least = from_px * from_px

    def nested(box: Box, area: float, other: Box, other_area: float) -> bool:
        small, big = sorted((area, other_area))
        if big < least or big >= NESTED_RATIO * small:
            return False
        width, height = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
        return width > 0.0 and width * height > NESTED_SHARE * small

    return _thinned(boxes, least, nested)


def without_see_through(boxes: Array, from_px: float) -> NDArray[np.int64]:
    """Rows to keep, in order, of boxes (N, 4) xyxy sorted by falling score: nobody is seen through a head.

    A box with an area of at least `from_px` squared goes where a head with a higher score and less than a 64th of its
    area has its centre in the middle of it.
    """
    least = from_px * from_px

    def seen_through(box: Box, area: float, other: Box, other_area: float) -> bool:
        if area < least or not 0.0 < BEHIND_RATIO * other_area < area:
            return False
        across = (other[0] + other[2] - box[0] - box[2]) / (MIDDLE * (box[2] - box[0]))
        down = (other[1] + other[3] - box[1] - box[3]) / (MIDDLE * (box[3] - box[1]))
        return across * across + down * down < 1.0

    return _thinned(boxes, least, seen_through)


def _thinned(boxes: Array, least: float, clash: Callable[[Box, float, Box, float], bool]) -> NDArray[np.int64]:
    """Rows to keep: those that do not clash with one that was kept before; all where no box has an area of `least`."""
    rows: list[Box] = np.asarray(boxes, float).tolist()
    areas = [max(x1 - x0, 0.0) * max(y1 - y0, 0.0) for x0, y0, x1, y1 in rows]
    if max(areas, default=0.0) < least:
        return np.arange(len(rows))
    kept: list[int] = []
    for row, (box, area) in enumerate(zip(rows, areas, strict=True)):
        if not any(clash(box, area, rows[other], areas[other]) for other in kept):
            kept.append(row)
    return np.array(kept, int)


def _inner_and_union(a: Array, b: Array) -> tuple[Array, Array]:
    """Areas (N, M). Axis by axis: a last axis of two costs numpy ten times what it computes."""
    ax0, ay0, ax1, ay1 = a.T[:, :, None]
    bx0, by0, bx1, by1 = b.T[:, None, :]
    width, height = np.minimum(ax1, bx1) - np.maximum(ax0, bx0), np.minimum(ay1, by1) - np.maximum(ay0, by0)
    inner = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    area_a = np.maximum(ax1 - ax0, 0.0) * np.maximum(ay1 - ay0, 0.0)
    area_b = np.maximum(bx1 - bx0, 0.0) * np.maximum(by1 - by0, 0.0)
    return inner, area_a + area_b - inner
