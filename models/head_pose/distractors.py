"""Things in training frames that are no heads: tree crowns and globes, drawn anew each time.

Rendered people stand before trees only where they were drawn on streets (`headway render people --streets`). A network
that has seen no tree takes the crown of one, dark, round and of the texture of hair, for the back of a head. What is
pasted here has no label, so it is background.
"""

from __future__ import annotations

import cv2
import numpy as np

from headway.models.head_pose.data import Sample

SMALLEST_PX, LARGEST_SHARE = 10.0, 0.5
"""Width: from a few pixels to half the picture, all sizes alike."""

MOST = 3
TRIES = 6
FOLIAGE_HUE, GLOBE_HUE = (15, 75), (40, 165)
"""OpenCV's hue, 0..179: autumn to dark green; globes have every colour that is not skin."""


def distracted(sample: Sample, rng: np.random.Generator) -> Sample:
    """`sample` with one to three such things where no head is; those that find no room are left out."""
    size = sample.image.shape[0]
    image = sample.image
    for _ in range(int(rng.integers(1, MOST + 1))):
        px = int(np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(LARGEST_SHARE * size))))
        place = _free(sample.boxes, px, size, rng)
        if place is not None:
            thing = crown(px, rng) if rng.random() < 0.7 else globe(px, rng)
            image = _over(image, thing, place)
    return Sample(image, sample.boxes, sample.rotation, sample.ignore)


def crown(px: int, rng: np.random.Generator) -> np.ndarray:
    """(px, px, 4) uint8 BGRA: leaves in clumps, dark inside, ragged at the edge, sky through the gaps."""
    y, x = np.mgrid[:px, :px] / px - 0.5
    radius = np.hypot(x * rng.uniform(0.9, 1.5), y * rng.uniform(0.9, 1.3))
    clumps, leaves = _noise(px, 4, rng), _noise(px, max(6, px // int(rng.integers(2, 6))), rng)
    edge = radius + 0.3 * (clumps - 0.5) + 0.25 * (leaves - 0.5)
    alpha = (edge < rng.uniform(0.3, 0.4)) & (leaves > rng.choice([0.0, 0.15]))
    light = np.clip(0.35 + 0.5 * leaves + 0.5 * clumps - 0.5 * y, 0.0, 1.4)
    colour = _colour(FOLIAGE_HUE, (30, 200), (20, 130), rng)
    return _bgra(colour * light[..., None], alpha, rng)


def globe(px: int, rng: np.random.Generator) -> np.ndarray:
    """(px, px, 4) uint8 BGRA: a ball or a lamp, shaded from one side."""
    y, x = np.mgrid[:px, :px] / px - 0.5
    x, y = x * rng.uniform(1.0, 1.4), y * rng.uniform(1.0, 1.4)
    towards = rng.normal(size=3) * (1.0, 1.0, 0.5)
    depth = np.sqrt(np.maximum(0.2 - x**2 - y**2, 0.0))
    shade = np.clip((x * towards[0] + y * towards[1] + depth * abs(towards[2])) / np.linalg.norm(towards), -0.2, 0.5)
    colour = _colour(GLOBE_HUE, (0, 255), (60, 255), rng)
    return _bgra(colour * (0.6 + 1.2 * shade)[..., None], x**2 + y**2 < 0.2, rng)


def _noise(px: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """(px, px) smooth noise 0..1 of about `cells` bumps across."""
    coarse = rng.random((cells, cells)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (px, px), interpolation=cv2.INTER_CUBIC), 0.0, 1.0)


def _colour(
    hue: tuple[int, int], saturation: tuple[int, int], value: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """(3,) BGR 0..255 from ranges in OpenCV's HSV."""
    hsv = np.array([[[rng.integers(*hue), rng.integers(*saturation), rng.integers(*value)]]], np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))[0, 0].astype(np.float64)


def _bgra(colour: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    soft = cv2.GaussianBlur(alpha.astype(np.float32) * 255.0, (0, 0), rng.uniform(0.3, 1.2))
    return np.dstack([np.clip(colour, 0, 255), soft]).astype(np.uint8)


def _free(boxes: np.ndarray, px: int, size: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """(x, y) of the corner of a square of `px` that touches no head; parts of it may lie outside the picture."""
    for _ in range(TRIES):
        x, y = (int(v) for v in rng.integers(-px // 3, size - px + px // 3 + 1, 2))
        apart = (boxes[:, 0] >= x + px) | (boxes[:, 2] <= x) | (boxes[:, 1] >= y + px) | (boxes[:, 3] <= y)
        if apart.all():
            return x, y
    return None


def _over(image: np.ndarray, thing: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    size, px, (x, y) = image.shape[0], len(thing), place
    top, left, bottom, right = max(0, -y), max(0, -x), min(px, size - y), min(px, size - x)
    part = thing[top:bottom, left:right].astype(np.float32)
    alpha = part[..., 3:] / 255.0
    result = image.copy()
    under = result[y + top : y + bottom, x + left : x + right]
    under[...] = (part[..., :3] * alpha + under * (1.0 - alpha)).astype(np.uint8)
    return result
