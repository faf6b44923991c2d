"""Frames of roadworld as the camera would have seen them from beside the lane, with what the expert would do there.

Pushes seldom bring the recording car more than a metre off its lane, and a network that has seen few such frames
steers back too weakly and is sure of it. The ground is flat and the camera known, so a step aside shears all that lies
below the horizon; what stands leans a little. Columns that no camera saw take the outermost colour of their row, and
so do columns of frames without a step: a filled edge must not tell that there was one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.models.driving.config import TrainConfig
from headway.worlds.roadworld import CAMERA_AHEAD_M, VEHICLE, steering_beside
from headway.worlds.scenery import FOCAL, HEIGHT, WIDTH, columns_per_metre

Image = NDArray[np.uint8]

SLOWEST_MPS = 3.0
"""The recorded frames lack the speed, from which the expert takes how far it looks ahead, and so how firmly it steers
back. It is drawn from here up to the speed wanted, so that the network learns how little it can know."""
FILLED_SHARE = 0.5  # of all frames, with a step or without

_PER_METRE = columns_per_metre().astype(np.float32)[:, None]
_COLUMNS = np.arange(WIDTH, dtype=np.float32)[None]
_ROWS = np.repeat(np.arange(HEIGHT, dtype=np.float32)[:, None], WIDTH, 1)


def view_from(image: Image, aside_m: float, askew: float, filled_m: float = 0.0) -> Image:
    """(120, 160, 3) image as the car would see it `aside_m` further left and turned left by `askew` rad (small), with
    edges filled as if it came from a step of `filled_m`."""
    lost = _PER_METRE * filled_m
    read = _COLUMNS - _PER_METRE * (aside_m + CAMERA_AHEAD_M * askew) - FOCAL * askew
    read = np.clip(read, np.maximum(lost, 0.0), WIDTH - 1 + np.minimum(lost, 0.0))
    return np.asarray(cv2.remap(image, read.astype(np.float32), _ROWS, cv2.INTER_LINEAR), np.uint8)


def from_beside(
    image: Image, steering: float, throttle: float, rng: np.random.Generator, config: TrainConfig
) -> tuple[Image, float]:
    """An image and its steering, seen from beside in `config.beside_share` of all calls. throttle: the share of the
    vehicle's highest speed that the expert wants."""
    furthest = config.beside_m
    filled = float(rng.uniform(-furthest, furthest)) if rng.random() < FILLED_SHARE else 0.0
    if rng.random() >= config.beside_share:
        return (view_from(image, 0.0, 0.0, filled) if filled else image), steering
    aside = float(rng.uniform(-furthest, furthest))
    askew = float(rng.uniform(-config.beside_askew, config.beside_askew))
    wanted = float(throttle) * VEHICLE.max_speed_mps
    speed = float(rng.uniform(min(SLOWEST_MPS, wanted), wanted))
    return view_from(image, aside, askew, filled), steering_beside(float(steering), speed, aside, askew)
