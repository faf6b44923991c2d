"""Heads in the image -> positions in space with their uncertainty, from depth or from the size of a head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.arrays import every, finite
from headway.geometry import gaze, on_image_plane, to_semi_local
from headway.stages import existence
from headway.types import Camera, Heads

Array = NDArray[np.floating]

PIXEL_SIGMA = 1.5
"""Jitter of a box side in pixels, from frame to frame."""
_DEPTH_RANGE_M = (0.2, 60.0)


@dataclass(frozen=True)
class Sightings:
    """Heads lifted into space, semi-local axes, origin at the camera.

    position (n, 3) m; noise (n, 2, 2) covariance on the ground of what changes from frame to frame; bias (n, 2, 2)
    covariance of what stays with the person (their head's true size); index (n,) row in `Heads`; rows that could not
    be lifted are not here. score (n,) 0..1; direction (n, 2) where the head looks to on the ground, unit
    length, NaN where that is not known; log_odds (n,) that it is a head (see `existence`).
    """

    position: Array
    noise: Array
    bias: Array
    index: NDArray[np.int64]
    score: Array
    direction: Array
    log_odds: Array

    def __len__(self) -> int:
        return len(self.index)


def by_size(bias: Array) -> NDArray[np.bool_]:
    """bias (n, 2, 2), see `Sightings` -> (n,) whose range comes from the size of their head: of a measured one nothing
    stays with the person."""
    return bias[:, 0, 0] + bias[:, 1, 1] > 0.0


def lift(
    heads: Heads,
    camera: Camera,
    rotation: Array,
    depth: Array | None,
    head_size_m: float,
    size_sigma: float,
    max_sigma_deg: float,
) -> Sightings:
    """Lifts every usable head. rotation: (3, 3) camera optical -> semi-local axes; depth: see `View`.

    Depth, where the box's centre has it, else `head_size_m` over the box height. A box cut off by the image border is
    measured by its longer side, with three times the noise.
    """
    boxes = np.asarray(heads.boxes, float).reshape(-1, 4)
    size = boxes[:, 2:] - boxes[:, :2]
    index = np.arange(len(boxes))
    if not (every(size > 1.0) and finite(boxes)):
        index = (np.isfinite(boxes).all(axis=1) & (size > 1.0).all(axis=1)).nonzero()[0]
        boxes, size = boxes[index], size[index]
    x0, y0, x1, y1 = boxes.T
    cut = (x0 <= 1) | (y0 <= 1) | (x1 >= camera.width - 1) | (y1 >= camera.height - 1)
    height = np.where(cut, np.maximum(size[:, 0], size[:, 1]), size[:, 1])

    away = camera.fy * head_size_m / height
    jitter = np.where(cut, 3.0 * PIXEL_SIGMA, PIXEL_SIGMA) * away / height
    bias = size_sigma * away
    if depth is not None:
        measured = np.array([_box_depth(depth, box, camera) for box in boxes], float).reshape(-1)
        seen = np.isfinite(measured)
        away = np.where(seen, measured, away)
        # Stereo error grows with the square of the range.
        jitter = np.where(seen, 0.02 + 0.01 * measured**2, jitter)
        bias = np.where(seen, 0.0, bias)

    position = to_semi_local(on_image_plane(0.5 * (boxes[:, :2] + boxes[:, 2:]), camera) * away[:, None], rotation)
    across = PIXEL_SIGMA * away / camera.fx + 0.02
    x, y = position[:, 0], position[:, 1]
    ground = position[:, :2] / np.maximum(np.sqrt(x * x + y * y), 1e-6)[:, None]
    along = ground[:, :, None] * ground[:, None, :]
    noise = along * (jitter**2)[:, None, None] + (_EYE - along) * (across**2)[:, None, None]
    found = Sightings(
        position,
        noise,
        along * (bias**2)[:, None, None],
        index,
        np.asarray(heads.scores, float).take(index),
        head_direction(heads, rotation, max_sigma_deg).take(index, 0),
        existence.log_odds(heads, camera.width, camera.height).take(index),
    )
    return found if finite(position) else _picked(found, np.asarray(np.isfinite(position).all(axis=1)))


_EYE = np.eye(2)


def _picked(s: Sightings, rows: NDArray[np.bool_]) -> Sightings:
    return Sightings(*(getattr(s, name)[rows] for name in s.__dataclass_fields__))


def head_direction(heads: Heads, rotation: Array, max_sigma_deg: float) -> Array:
    """(N, 2) where each head looks to on the ground, unit length; NaN where it looks up or down, or is uncertain."""
    towards = gaze(np.asarray(heads.rotation, float).reshape(-1, 3, 3)) @ rotation.T
    ground, x, y = towards[:, :2], towards[:, 0], towards[:, 1]
    size = np.sqrt(x * x + y * y)
    with np.errstate(invalid="ignore"):
        known = (size > 0.4) & (np.asarray(heads.sigma_deg, float) <= max_sigma_deg)
    return np.where(known[:, None], ground / np.where(known, size, 1.0)[:, None], np.nan)


def _box_depth(depth: Array, box: Array, camera: Camera) -> float:
    """Median depth in the middle half of the box, NaN where less than a quarter of it is known."""
    scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
    centre, half = 0.5 * (box[:2] + box[2:]) * scale, 0.25 * (box[2:] - box[:2]) * scale
    low = np.clip(np.floor(centre - half), 0, [depth.shape[1], depth.shape[0]]).astype(int)
    high = np.clip(np.ceil(centre + half), 0, [depth.shape[1], depth.shape[0]]).astype(int)
    patch = np.asarray(depth[low[1] : high[1], low[0] : high[0]], float)
    known = patch[np.isfinite(patch) & (patch > _DEPTH_RANGE_M[0]) & (patch < _DEPTH_RANGE_M[1])]
    return float(np.median(known)) if known.size and 4 * known.size >= patch.size else float("nan")
