"""Procedural backgrounds, calm and cluttered, and flat occluders. Images are (H, W, 3) float32 RGB 0..255."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.models.render.look import SKINS

Rng = np.random.Generator
Image = NDArray[Any]


def random_background(rng: Rng, width: int, height: int, focal: float, horizon: float, ground: float) -> Image:
    """`horizon`: row of the horizon (any value), `ground`: camera height above the ground in metres; both are used by
    the kinds that have a floor, so that people standing on it stand on what is drawn."""
    kind = rng.choice(["floor", "plain", "noise", "blurred"], p=[0.45, 0.2, 0.2, 0.15])
    if kind == "floor":
        image = _floor(rng, width, height, focal, horizon, ground)
    elif kind == "plain":
        image = _gradient(rng, width, height)
    else:
        image = _gradient(rng, width, height) + _lumps(rng, width, height)
    image = np.clip(image, 0, 255)
    if kind == "blurred" or rng.random() < 0.45:
        draw_shapes(rng, image, int(rng.integers(1, 16)))
    if kind == "blurred" or rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(1, 9)))
    return np.ascontiguousarray(np.clip(image, 0, 255), np.float32)


def _tone(rng: Rng) -> Any:
    """A colour, mostly greyish, as rooms and streets are."""
    grey, tint = rng.uniform(15, 240), rng.normal(0, 30 if rng.random() < 0.3 else 9, 3)
    return np.clip(grey + tint, 0, 255)


def _gradient(rng: Rng, width: int, height: int) -> Image:
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    image = np.zeros((height, width, 3), np.float32) + _tone(rng).astype(np.float32)
    if rng.random() < 0.6:
        image += down * (rng.uniform(-60, 60) + rng.normal(0, 12, 3)).astype(np.float32)
        image += across * rng.normal(0, 25, 3).astype(np.float32)
    return image


def _lumps(rng: Rng, width: int, height: int) -> Image:
    total = np.zeros((height, width, 3), np.float32)
    for _ in range(rng.integers(1, 5)):
        n, channels = int(2 ** rng.uniform(1, 7)), 3 if rng.random() < 0.2 else 1
        grid = rng.normal(0, 1, (n, n, channels)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC).reshape(
            height, width, -1
        ) * np.float32(rng.uniform(5, 35))
    return total


def _floor(rng: Rng, width: int, height: int, focal: float, horizon: float, ground: float) -> Image:
    """A ground plane with tiles, stripes or grain, under a wall with doors and windows, or houses under a sky."""
    image = _gradient(rng, width, height)
    if rng.random() < 0.75:
        _facade(rng, image, horizon)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    below = rows - np.float32(horizon)
    depth = np.where(below > 0.5, np.float32(focal * ground) / np.maximum(below, 0.5), 0).astype(
        np.float32
    )  # (H, 1) metres along the optical axis
    across = (np.arange(width, dtype=np.float32)[None] + np.float32(0.5 - width / 2)) / np.float32(focal)
    side = across * depth  # (H, W) metres
    turn = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    tile = np.float32(rng.uniform(0.3, 2.5))
    x, y = side * cos + depth * sin, depth * cos - side * sin
    kind = rng.integers(4)
    if kind == 0:
        mark = (np.floor(x / tile) + np.floor(y / tile)) % 2
    elif kind == 1:
        mark = ((x / tile % 1) < 0.06) | ((y / tile % 1) < 0.06)
    elif kind == 2:
        mark = (x / tile % 1) < rng.uniform(0.1, 0.5)
    else:
        mark = np.zeros_like(x)
    fade = np.exp(-depth / np.float32(rng.uniform(8, 40)))  # with distance the pattern gives way to haze
    a, b, haze = _tone(rng), _tone(rng), rng.uniform(0, 0.35)
    contrast = ((b - a) * rng.uniform(0.1, 1)).astype(np.float32)
    floor = a.astype(np.float32) + (mark * fade)[..., None] * contrast
    floor += rng.standard_normal((height, width, 1), np.float32) * np.float32(rng.uniform(0, 14))
    floor += (255 - floor) * ((1 - fade) * np.float32(haze))[..., None]
    return np.where((below > 0.5)[..., None], floor, image)


def _facade(rng: Rng, image: Image, horizon: float) -> None:
    height, width = image.shape[:2]
    base = int(np.clip(horizon + rng.uniform(0, 0.08) * height, -height, 2 * height))
    x = int(-rng.uniform(0, 0.2) * width)
    while x < width:
        w, h = int(rng.uniform(0.1, 0.6) * width), int(rng.uniform(0.15, 1.3) * height)
        wall = _tone(rng)
        cv2.rectangle(image, (x, base - h), (x + w, base), tuple(map(float, wall)), -1)
        if rng.random() < 0.7:
            _windows(rng, image, x, base - h, w, h)
        x += w + int(rng.uniform(0, 0.25) * width * (rng.random() < 0.4))


def _windows(rng: Rng, image: Image, x: int, y: int, w: int, h: int) -> None:
    pane = tuple(map(float, _tone(rng)))
    step_x, step_y = (
        max(8, int(rng.uniform(0.06, 0.25) * image.shape[1])),
        max(8, int(rng.uniform(0.08, 0.3) * image.shape[0])),
    )
    fill_x, fill_y = rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.8)
    for px in range(x + step_x // 4, x + w - int(step_x * fill_x), step_x):
        for py in range(y + step_y // 4, y + h - int(step_y * fill_y), step_y):
            cv2.rectangle(image, (px, py), (px + int(step_x * fill_x), py + int(step_y * fill_y)), pane, -1)


def draw_shapes(rng: Rng, image: Image, count: int, size: float = 1.0) -> None:
    """Boxes, ellipses, poles, scraps; two in five in skin tones, so that a colour alone never makes a head."""
    height, width = image.shape[:2]
    for _ in range(count):
        skin_tone = rng.random() < 0.35
        colour = SKINS[rng.integers(len(SKINS))] * 255 * rng.uniform(0.4, 1) if skin_tone else _tone(rng)
        if rng.random() < 0.15:
            colour = rng.uniform(0, 255, 3)
        ink = tuple(float(c) for c in colour)
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        a, b = (int(width * 0.3 * size * rng.random() ** 2) + 3 for _ in range(2))
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(image, (x, y), (x + a, y + b), ink, -1)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (a // 2 + 2, b // 2 + 2), rng.uniform(0, 180), 0, 360, ink, -1, cv2.LINE_AA)
        elif kind == 2:
            end = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
            cv2.line(image, (x, y), end, ink, int(rng.integers(1, 10)), cv2.LINE_AA)
        else:
            cv2.fillPoly(image, [(np.array([x, y]) + rng.normal(0, a, (4, 2))).astype(np.int32)], ink, cv2.LINE_AA)
