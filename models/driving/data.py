"""Training frames of the driving network: labels and augmentation. Reading and splitting: headway.evaluate.tub."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from headway.evaluate.tub import HEIGHT, WIDTH, Drive
from headway.models.driving.beside import from_beside
from headway.models.driving.config import TrainConfig


def training_frames(drive: Drive, rows: NDArray[np.int64], smooth_frames: float) -> Drive:
    """The frames at `rows`, with steering smoothed over time: a joystick's taps are no property of the image.

    Every run of consecutive rows is smoothed by itself, so that no label of another part leaks in. Evaluation uses
    what the human did.
    """
    chosen = drive.at(rows)
    if smooth_frames <= 0:
        return chosen
    runs = np.split(chosen.steering, np.flatnonzero(np.diff(rows) != 1) + 1)
    steering = np.concatenate([gaussian_filter1d(run, smooth_frames, mode="nearest") for run in runs])
    return replace(chosen, steering=steering.astype(np.float32))


def flip(images: NDArray[np.uint8], steering: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mirrors (N, H, W, 3) images left-right and steering with them; the bin follows by itself, k -> 10 - k."""
    return images[:, :, ::-1], -steering


def augment(drive: Drive, rng: np.random.Generator, config: TrainConfig) -> tuple[Drive, NDArray[np.bool_]]:
    """A changed copy of a batch: flip, light, colour, blur, noise, a covered patch, small vertical shift; and which
    frames were flipped.

    Views from beside the lane where the configuration asks for them, of drawn frames: how much steering one is worth
    depends on the camera, which the tub does not tell.
    """
    images, steering = drive.images.copy(), drive.steering.copy()
    mirrored = rng.random(len(drive)) < (0.5 if config.mirror else 0.0)
    images[mirrored], steering[mirrored] = flip(drive.images[mirrored], drive.steering[mirrored])
    for i in range(len(drive)):
        if config.beside_share > 0 and drive.drawn[i]:
            images[i], steering[i] = from_beside(images[i], steering[i], drive.throttle[i], rng, config)
        image = images[i].astype(np.float32)
        image = (image - 128.0) * rng.uniform(0.7, 1.3) + 128.0 + rng.uniform(-35, 35)
        image = image * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        if rng.random() < 0.2:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))
        if rng.random() < 0.2:
            image = image + rng.normal(0, rng.uniform(2, 8), image.shape).astype(np.float32)
        if rng.random() < 0.3:
            y, x = rng.integers(0, HEIGHT - 30), rng.integers(0, WIDTH - 30)
            image[y : y + rng.integers(8, 30), x : x + rng.integers(8, 30)] = rng.uniform(0, 255)
        image = np.roll(image, int(rng.integers(-3, 4)), axis=0)
        images[i] = np.clip(image, 0, 255).astype(np.uint8)
    return replace(drive, images=images, steering=steering), mirrored
