"""The camera of `egocentric` without depth: it measures boxes of heads, and ranges come from their size.

Who has a larger or smaller head than most is placed too near or too far as long as they are seen, and the sides of a
box jitter from frame to frame. Boxes are lifted into space by the code that does it on the device.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headway.stages.lift import HEAD_WIDTH, PIXEL_SIGMA, Sightings, lift
from headway.stages.tracks import TrackConfig
from headway.types import Camera, Heads

Array = NDArray[np.floating]

CAMERA = Camera(640, 480, 320.0, 320.0, 320.0, 240.0)
"""90 degrees wide."""


def head_boxes(
    relative: Array,
    yaw: Array,
    head_m: Array,
    random: np.random.Generator,
    camera: Camera = CAMERA,
    jitter_px: float = PIXEL_SIGMA,
) -> Array:
    """relative (F, P, 2) from a camera at head height that looks along yaw (F,), head_m (P,) heights of heads in
    metres -> (F, P, 4) xyxy pixels with white noise of jitter_px, NaN where somebody is absent or not in front."""
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y = relative[..., 0], relative[..., 1]
    forward, left = c * x + s * y, c * y - s * x
    with np.errstate(invalid="ignore", divide="ignore"):
        forward = np.where(forward > 0.05, forward, np.nan)
    across, down, jitter = jitter_px * random.normal(size=(3, *forward.shape))
    height = camera.fy * head_m / forward + jitter
    u, v = camera.cx - camera.fx * left / forward + across, camera.cy + down
    half = 0.5 * np.maximum(height, 2.0)
    return np.stack([u - HEAD_WIDTH * half, v - half, u + HEAD_WIDTH * half, v + half], axis=-1)


def head_heights(people: int, sigma: float, random: np.random.Generator) -> Array:
    """(people,) metres: the height that the tracker assumes, spread by the relative `sigma`, nobody beyond 3 of it."""
    return np.asarray(TrackConfig().head_size_m * (1.0 + sigma * random.normal(size=people).clip(-3.0, 3.0)))


def lifted(boxes: Array, columns: NDArray[np.int64], orientation: Array, camera: Camera = CAMERA) -> Sightings:
    """Certain heads with `boxes` (n, 4) of the people in `columns` (n,), as the device places them. orientation (3, 3):
    camera optical frame -> semi-local axes."""
    n, config = len(boxes), TrackConfig()
    # A score of 1 is a label: nobody doubts that these are heads. Where they look is not simulated.
    heads = Heads(boxes, np.ones(n), np.tile(np.eye(3), (n, 1, 1)), np.full(n, 180.0), np.zeros(n))
    limits = (config.head_size_m, config.head_size_sigma, config.max_head_sigma_deg)
    found = lift(heads, camera, orientation, None, *limits)
    return Sightings(**{**vars(found), "index": columns[found.index]})
