"""Heads in the image -> positions in space with their uncertainty, from depth or from the size of a head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headway.geometry import gaze, on_image_plane
from headway.stages import existence
from headway.types import Camera, Heads

Array = NDArray[np.floating]

PIXEL_SIGMA = 1.5
"""Jitter of a box side in pixels, from frame to frame."""
HEAD_WIDTH = 0.75
"""Of a head's box, in heights: 0.59 to 0.96 for nine in ten of the 66 heads of by_eye.json, seen from all sides."""
_CUT_JITTER = 3.0
"""Times as much jitter where the network guesses a side that the image border hides."""
_WIDTH_SIGMA = 0.15
"""Relative spread of these widths, which is an error of the range where the width must tell the height."""
_CUT_SIGMA, _CORNER_SIGMA = 0.25, 0.5
"""Relative noise of such a range: more than that spread, so that a track goes on with what it knew before the head was
cut off. Whoever shows their profile does so for many frames, and a mean of them is no surer than one. In a corner not
even the width is whole."""
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

    Depth, where the box's centre has it, else `head_size_m` over the height of the head, lens distortion undone. Where
    the top or bottom border of the image cuts the head off, its width tells its height too, far less surely.
    """
    boxes = np.asarray(heads.boxes, float).reshape(-1, 4)
    sizes = _sizes(boxes, camera) if camera.distortion else boxes[:, 2:] - boxes[:, :2]
    rays = on_image_plane(0.5 * (boxes[:, :2] + boxes[:, 2:]), camera) @ rotation.T
    gazes = gaze(heads.rotation) @ rotation.T
    index, rows = [], []
    # One head after the other, in Python's numbers: for the dozen in a picture numpy's calls cost six times as much.
    columns = (boxes.tolist(), sizes.tolist(), rays.tolist(), gazes.tolist(), heads.sigma_deg.tolist())
    for i, (box, size, ray, towards, sigma_deg) in enumerate(zip(*columns, strict=True)):
        measured = _range(box, size, camera, depth, head_size_m, size_sigma)
        if measured is None:
            continue
        x, y, z = (measured.away * v for v in ray)
        if math.isfinite(x + y + z):
            index.append(i)
            direction = _direction(towards, sigma_deg, max_sigma_deg)
            rows.append((x, y, z, *_on_ground(x, y, measured, camera), *direction))
    table, picked = np.array(rows, float).reshape(-1, 13), np.array(index, int)
    return Sightings(
        position=table[:, :3],
        noise=table[:, 3:7].reshape(-1, 2, 2),
        bias=table[:, 7:11].reshape(-1, 2, 2),
        index=picked,
        score=np.asarray(heads.scores, float).take(picked),
        direction=table[:, 11:],
        log_odds=existence.log_odds(heads, camera.width, camera.height).take(picked),
    )


class _Range(NamedTuple):
    """away: metres along z; jitter, bias: standard deviations of it, metres, as in `Sightings`."""

    away: float
    jitter: float
    bias: float


def _sizes(boxes: Array, camera: Camera) -> Array:
    """(n, 4) -> (n, 2) width and height in pixels between the middles of opposite sides, as a lens without distortion
    would show them."""
    x0, y0, x1, y1 = boxes.T
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    left, top, right, bottom = on_image_plane(np.array([[x0, y], [x, y0], [x1, y], [x, y1]]).swapaxes(1, 2), camera)
    flat = np.stack([camera.fx * (right - left)[:, 0], camera.fy * (bottom - top)[:, 1]], axis=1)
    shown = boxes[:, 2:] - boxes[:, :2]
    # Far outside of what a lens model was fitted to it folds over, or ends in NaN: there the pixels stand.
    return np.where(flat > 0.5 * shown, flat, shown)


def _range(
    box: Sequence[float],
    size: Sequence[float],
    camera: Camera,
    depth: Array | None,
    head_size_m: float,
    size_sigma: float,
) -> _Range | None:
    """size: width and height of the box, lens distortion undone. None for a box that is none: no more than a pixel wide
    or high, or not finite."""
    x0, y0, x1, y1 = box
    if not (x1 - x0 > 1.0 and y1 - y0 > 1.0 and math.isfinite(x0 + y0 + x1 + y1)):
        return None
    if depth is not None:
        away = _box_depth(depth, np.array(box), camera)
        if math.isfinite(away):
            # Stereo error grows with the square of the range.
            return _Range(away, 0.02 + 0.01 * away * away, 0.0)
    wide, high = size
    jitter = PIXEL_SIGMA / (y1 - y0)
    cut_across = x0 <= 1 or x1 >= camera.width - 1
    if y0 <= 1 or y1 >= camera.height - 1:
        high = max(high, wide * (camera.fy / camera.fx) / HEAD_WIDTH)
        jitter = max(_CUT_JITTER * jitter, _CORNER_SIGMA if cut_across else _CUT_SIGMA)
        size_sigma = math.hypot(size_sigma, _WIDTH_SIGMA)
    elif cut_across:
        jitter *= _CUT_JITTER
    away = camera.fy * head_size_m / high
    return _Range(away, jitter * away, size_sigma * away)


def _on_ground(x: float, y: float, measured: _Range, camera: Camera) -> tuple[float, ...]:
    """Noise and bias on the ground of a head at (x, y) metres, four numbers each, row by row."""
    far = max(math.sqrt(x * x + y * y), 1e-6)
    ux, uy = x / far, y / far
    xx, xy, yy = ux * ux, ux * uy, uy * uy
    across = PIXEL_SIGMA * measured.away / camera.fx + 0.02
    along, side, bias = measured.jitter * measured.jitter, across * across, measured.bias * measured.bias
    more = xy * (along - side)
    noise = (xx * along + (1.0 - xx) * side, more, more, yy * along + (1.0 - yy) * side)
    return (*noise, xx * bias, xy * bias, xy * bias, yy * bias)


def _direction(towards: Sequence[float], sigma_deg: float, max_sigma_deg: float) -> tuple[float, float]:
    """Where a head looks to on the ground, unit length, from its gaze in semi-local axes; NaN where it looks up or
    down, or is uncertain."""
    x, y, _ = towards
    size = math.sqrt(x * x + y * y)
    return (x / size, y / size) if size > 0.4 and sigma_deg <= max_sigma_deg else (math.nan, math.nan)


def _box_depth(depth: Array, box: Array, camera: Camera) -> float:
    """Median depth in the middle half of the box, NaN where less than a quarter of it is known."""
    scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
    centre, half = 0.5 * (box[:2] + box[2:]) * scale, 0.25 * (box[2:] - box[:2]) * scale
    low = np.clip(np.floor(centre - half), 0, [depth.shape[1], depth.shape[0]]).astype(int)
    high = np.clip(np.ceil(centre + half), 0, [depth.shape[1], depth.shape[0]]).astype(int)
    patch = np.asarray(depth[low[1] : high[1], low[0] : high[0]], float)
    known = patch[np.isfinite(patch) & (patch > _DEPTH_RANGE_M[0]) & (patch < _DEPTH_RANGE_M[1])]
    return float(np.median(known)) if known.size and 4 * known.size >= patch.size else float("nan")
