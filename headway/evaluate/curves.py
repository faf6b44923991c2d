"""How far a driven path lies from the one to drive: Fréchet, DTW, area between, length. Pure numpy, metres.

Paths are (N, 2) metres. `resampled` puts both on equal steps first, so that the numbers do not depend on how often a
path was recorded; DTW is a sum over matched points, so it depends on the step: it is given for STEP_M. The discrete
Fréchet distance is too large by up to a step, and a good driver is nearer to the lane than STEP_M: LEASH_STEP_M is its.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

STEP_M = 1.0
LEASH_STEP_M = 0.1


def cut_at_end(path: Array, lane: Array) -> Array:
    """The path up to where its last step crosses the end of the lane (M, 2): a run ends with the first step that does,
    up to a whole step further, and that is nobody's error. Other paths stay as they are."""
    path, lane = np.asarray(path, float), np.asarray(lane, float)
    if len(path) < 2 or len(lane) < 2:
        return path
    before, after = (path[-2:] - lane[-1]) @ (lane[-1] - lane[-2])
    if not before < 0.0 < after:
        return path
    share = before / (before - after)
    return np.concatenate([path[:-1], path[-2:-1] + share * (path[-1:] - path[-2:-1])])


def path_length(path: Array) -> float:
    """Metres along the path."""
    return float(np.linalg.norm(np.diff(np.asarray(path, float), axis=0), axis=1).sum())


def resampled(path: Array, step: float = STEP_M) -> Array:
    """Points on the path `step` metres apart, and its end; a path without length is one point."""
    path = np.asarray(path, float)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    if along[-1] < 1e-9:
        return path[:1].copy()
    at = np.append(np.arange(0.0, along[-1] - 1e-9, step), along[-1])
    return np.stack([np.interp(at, along, path[:, i]) for i in range(2)], 1)


def frechet(a: Array, b: Array) -> float:
    """Discrete Fréchet distance: the shortest leash with which both paths can be walked, never going back."""
    distance = _distances(a, b)
    rows, columns = distance.shape
    # Along an anti-diagonal no cell depends on another one; index i + 1 holds row i, index 0 the outside.
    older, before = np.full((2, rows + 1), np.inf)
    older[0] = 0.0  # the walk begins at the first points
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        now = np.full(rows + 1, np.inf)
        best = np.minimum(np.minimum(before[i], before[i + 1]), older[i])
        now[i + 1] = np.maximum(distance[i, diagonal - i], best)
        older, before = before, now
    return float(before[-1])


def dtw(a: Array, b: Array) -> float:
    """Dynamic time warping: the least sum of distances over an alignment that matches every point, in order."""
    distance = _distances(a, b)
    total = np.cumsum(distance[0])
    for i in range(1, len(distance)):
        before = np.minimum(total, np.concatenate([[np.inf], total[:-1]]))
        row = np.empty_like(total)
        left = np.inf
        for j in range(len(row)):
            left = distance[i, j] + min(before[j], left)
            row[j] = left
        total = row
    return float(total[-1])


def area_between(a: Array, b: Array, count: int = 200) -> float:
    """Square metres between two paths, each cut into `count` equal parts: the sum of the quadrilaterals between."""
    p, q = (_equal_parts(np.asarray(path, float), count) for path in (a, b))
    first = _triangles(p[:-1], p[1:], q[1:])
    second = _triangles(p[:-1], q[1:], q[:-1])
    other = _triangles(p[:-1], p[1:], q[:-1]) + _triangles(p[1:], q[1:], q[:-1])
    # Where the paths cross inside a quadrilateral the two ways to cut it differ: the mean is in between.
    return float(0.5 * (first + second + other).sum())


def length_difference(driven: Array, wanted: Array) -> float:
    """|log| of the ratio of the lengths: 0 for equal lengths."""
    return abs(float(np.log(max(path_length(driven), 1e-6) / max(path_length(wanted), 1e-6))))


def _distances(a: Array, b: Array) -> Array:
    return np.linalg.norm(np.asarray(a, float)[:, None] - np.asarray(b, float)[None], axis=-1)


def _equal_parts(path: Array, count: int) -> Array:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], count + 1)
    return np.stack([np.interp(at, along, path[:, i]) for i in range(2)], 1)


def _triangles(a: Array, b: Array, c: Array) -> Array:
    u, v = b - a, c - a
    return 0.5 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
