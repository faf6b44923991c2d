"""What may happen to a camera, as functions of the image and the step: (H, W, 3) uint8 -> the same shape."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError

Image = NDArray[np.uint8]
Disturb = Callable[[Image, int], Image]

STRESSES = ("darkness", "glare", "blur", "covered", "noise", "delay")
FROM_STEP = 30  # three seconds of clean driving first: the camera breaks while the vehicle moves
DELAY_STEPS = 1  # 100 ms at 10 Hz


def make_stress(name: str) -> Disturb:
    """A fresh disturbance; `delay` remembers images, so make one for every comparison."""
    if name not in STRESSES:
        raise UsageError(f"stress '{name}' is none of {', '.join(STRESSES)}")
    if name == "delay":
        return _Delay()
    change = {"darkness": _darkness, "glare": _glare, "blur": _blur, "covered": _covered, "noise": _noise}[name]
    return lambda image, step: change(image, step) if step >= FROM_STEP else image


def _darkness(image: Image, step: int) -> Image:
    return (image * 0.12).astype(np.uint8)


def _glare(image: Image, step: int) -> Image:
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - 0.4 * height, columns - 0.5 * width) / width
    return np.clip(image + 400.0 * np.exp(-((distance / 0.28) ** 2))[..., None], 0, 255).astype(np.uint8)


def _blur(image: Image, step: int) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.03 * image.shape[1]), np.uint8)


def _covered(image: Image, step: int) -> Image:
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = 12
    return covered


def _noise(image: Image, step: int) -> Image:
    rng = np.random.default_rng(step)
    return np.clip(image + rng.normal(0, 45, image.shape), 0, 255).astype(np.uint8)


class _Delay:
    """Gives the image of DELAY_STEPS before."""

    def __init__(self) -> None:
        self._past: deque[Image] = deque(maxlen=DELAY_STEPS + 1)

    def __call__(self, image: Image, step: int) -> Image:
        if step == 0:
            self._past.clear()
        self._past.append(image)
        return self._past[0]
