"""The donkeycar tub as training data: reading, blocks, augmentation.

A tub is a folder with `manifest.json`, `catalog_*.catalog` (JSON lines) and `images/`. Its `user/angle` is + to the
right; everything here is + to the left (REP-103), so it is negated on reading. Its time stamps are too close together
to be frame times: FRAME_RATE_HZ is an assumption, used only for what needs seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.models.driving.config import HEIGHT, WIDTH

FRAME_RATE_HZ = 20.0
BLOCK, GAP = 30, 10
"""Frames of a block, and frames thrown away between two blocks: neighbours in time look alike."""
SPLIT_PATTERN = ("train", "train", "calibration", "train", "test")
"""Blocks take these parts in turn. One lap is about 12.1 blocks, so the parts fall on other places in each lap."""


@dataclass(frozen=True)
class Drive:
    """images (N, 120, 160, 3) uint8 BGR; steering (N,) -1..1, + left; throttle (N,) 0..1, both float32."""

    images: NDArray[np.uint8]
    steering: NDArray[np.float32]
    throttle: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.steering)

    def at(self, rows: NDArray[np.int64]) -> Drive:
        """The frames at `rows`."""
        return Drive(self.images[rows], self.steering[rows], self.throttle[rows])


def find_tub(data: Path) -> Path:
    """The tub folder at or below `data`; raises UsageError that says what was looked for."""
    for folder in (data, data / "tub", data / "donkeycar_tub" / "tub"):
        if (folder / "manifest.json").is_file() and list(folder.glob("catalog_*.catalog")):
            return folder
    raise UsageError(f"{data} holds no donkeycar tub: a folder with manifest.json and catalog_*.catalog is wanted")


def read_tub(folder: Path) -> Drive:
    """All frames of a tub in order of recording."""
    rows = []
    for catalog in sorted(
        folder.glob("catalog_*.catalog"), key=lambda p: int("".join(filter(str.isdigit, p.stem)) or 0)
    ):
        rows += [json.loads(line) for line in catalog.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not rows:
        raise UsageError(f"the tub {folder} has no frames")
    images = np.empty((len(rows), HEIGHT, WIDTH, 3), np.uint8)
    for i, row in enumerate(rows):
        path = folder / "images" / Path(row["cam/image_array"]).name
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UsageError(f"{path} cannot be read as an image")
        images[i] = image if image.shape[:2] == (HEIGHT, WIDTH) else cv2.resize(image, (WIDTH, HEIGHT))
    steering = np.array([-row["user/angle"] for row in rows], np.float32)
    throttle = np.array([row["user/throttle"] for row in rows], np.float32)
    return Drive(images, np.clip(steering, -1, 1), np.clip(throttle, 0, 1))


def split_blocks(count: int) -> dict[str, NDArray[np.int64]]:
    """Row indices of "train", "calibration" and "test" among `count` consecutive frames; gaps belong to none."""
    parts: dict[str, list[int]] = {part: [] for part in ("train", "calibration", "test")}
    for block, first in enumerate(range(0, count, BLOCK + GAP)):
        parts[SPLIT_PATTERN[block % len(SPLIT_PATTERN)]] += range(first, min(first + BLOCK, count))
    return {part: np.array(rows, np.int64) for part, rows in parts.items()}


def flip(images: NDArray[np.uint8], steering: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mirrors images left-right and steering with them; the bin follows by itself, k -> 10 - k."""
    return images[:, :, ::-1], -steering


def augment(drive: Drive, rng: np.random.Generator) -> Drive:
    """A changed copy of a batch: flip, light, colour, blur, noise, a covered patch, small vertical shift.

    No horizontal shift: how much steering it is worth depends on the camera, which the tub does not tell.
    """
    images, steering = drive.images.copy(), drive.steering.copy()
    for i in range(len(drive)):
        image = images[i]
        if rng.random() < 0.5:
            image, steering[i] = image[:, ::-1], -steering[i]
        image = image.astype(np.float32)
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
    return Drive(images, steering, drive.throttle)
