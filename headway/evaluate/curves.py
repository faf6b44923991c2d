"""How far a driven path lies from the one to drive: Fréchet, DTW, area between, length. Pure numpy, metres.

Paths are (N, 2) metres. `resampled` puts both on equal steps first, so that the numbers do not depend on how often a
path was recorded; DTW is a sum over matched points, so it depends on the step: it is given for STEP_M.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

STEP_M = 1.0


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
    reach = np.empty_like(distance)
    reach[0] = np.maximum.accumulate(distance[0])
    for i in range(1, len(distance)):
        row, above = reach[i], reach[i - 1]
        row[0] = max(above[0], distance[i, 0])
        before = np.minimum(above[1:], above[:-1])
        left = row[0]
        for j in range(1, len(row)):
            left = max(min(before[j - 1], left), distance[i, j])
            row[j] = left
    return float(reach[-1, -1])


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
