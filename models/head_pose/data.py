"""Training pictures: a cache of decoded images, similarity warps with exact labels, and changes of colour."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.evaluate.head_labels import HeadLabels
from headway.images import picture_file
from headway.models.head_pose.loss import Targets

Image = NDArray[np.uint8]

GREY = 114
MIRROR = np.diag([-1.0, 1.0, 1.0])
MINIMUM_PX = 6.0
"""A head smaller than this after a warp is ignored: no pose can be read from it."""

MINIMUM_INSIDE = 0.4
"""A head of which less than this share of the box stays in the picture is ignored."""


@dataclass(frozen=True)
class Sample:
    """One training picture (S, S, 3) uint8 BGR with its M heads; see loss.Targets for the fields."""

    image: Image
    boxes: np.ndarray
    rotation: np.ndarray
    ignore: np.ndarray


@dataclass(frozen=True)
class Warp:
    """Rotation by `angle` (radians, clockwise in the image) and scale about `source` (x, y), moved to `target`.

    With `mirror` the picture is flipped left to right first.
    """

    scale: float
    angle: float
    source: tuple[float, float]
    target: tuple[float, float]
    mirror: bool = False

    @property
    def matrix(self) -> np.ndarray:
        """(2, 3) affine matrix for cv2.warpAffine, source pixels -> target pixels (continuous coordinates)."""
        c, s = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        linear = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if self.mirror else 1.0, 1.0])
        return np.c_[linear, np.array(self.target) - linear @ np.array(self.source)]

    def image(self, image: np.ndarray, size: int, border: int | tuple[int, ...] = GREY) -> np.ndarray:
        """Warps a picture to `size` x `size`; shrinking by more than two goes over a smaller copy: no aliasing."""
        matrix = self.matrix
        while np.linalg.norm(matrix[:, 0]) < 0.5 and min(image.shape[:2]) >= 8:
            image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            matrix = np.c_[matrix[:, :2] * 2.0, matrix[:, 2]]
        # OpenCV puts pixel centres at whole numbers, the labels put them at halves.
        shifted = np.c_[matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ [0.5, 0.5] - 0.5]
        value = border if isinstance(border, tuple) else (border,) * 3
        return cv2.warpAffine(image, shifted, (size, size), flags=cv2.INTER_LINEAR, borderValue=value)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """(M, 4) -> (M, 4): a head fills its box like an ellipse, so the box of the turned ellipse is the new box."""
        matrix = self.matrix
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
        half = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
        return np.c_[centre - half, centre + half]

    def rotation(self, rotation: np.ndarray) -> np.ndarray:
        """(M, 3, 3) ray-relative head rotations in the warped picture."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        if self.mirror:
            rotation = MIRROR @ rotation @ MIRROR
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ rotation


def area(boxes: np.ndarray) -> np.ndarray:
    """(M, 4) xyxy -> (M,) square pixels, 0 where a box is empty."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)


def warped(sample: Sample, warp: Warp, size: int) -> Sample:
    """The part of a labelled picture that the warp shows: heads outside are dropped, cut-off ones may be ignored."""
    whole = warp.boxes(sample.boxes)
    clipped = whole.clip(0, size)
    inside = area(clipped) / np.maximum(area(whole), 1e-9)
    seen = inside > 0.02
    small = np.sqrt(area(clipped)) < MINIMUM_PX
    hidden = sample.ignore | small | (inside < MINIMUM_INSIDE)
    return Sample(warp.image(sample.image, size), clipped[seen], warp.rotation(sample.rotation)[seen], hidden[seen])


class ImageCache:
    """All pictures of a label set, decoded once into memory-mapped (N, H, W, 3) uint8 files below `folder`, one for
    each folder of pictures. Pictures of one set must have one size. The files own the memory: never write to a row.
    """

    def __init__(self, labels: HeadLabels, folder: Path):
        self._parts: list[np.ndarray] = []
        self._place: list[tuple[int, int]] = []
        for parent, paths in groupby(labels.images, key=lambda path: path.parent):
            images = list(paths)
            self._place += [(len(self._parts), row) for row in range(len(images))]
            self._parts.append(_decoded(parent, images, folder))

    def __len__(self) -> int:
        return len(self._place)

    def __getitem__(self, row: int) -> Image:
        part, local = self._place[row]
        return self._parts[part][local]


def _decoded(parent: Path, images: list[Path], folder: Path) -> np.ndarray:
    first = picture_file(images[0])
    if first is None:
        raise UsageError(f"{images[0]} is missing or no image")
    path = folder / f"{_key(parent, images)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        store = np.lib.format.open_memmap(part, "w+", np.uint8, (len(images), *first.shape))

        def decode(row: int) -> None:
            image = picture_file(images[row])
            if image is None or image.shape != first.shape:
                raise UsageError(f"{images[row]} cannot be read, or is not {first.shape[1]}x{first.shape[0]} px")
            store[row] = image

        with ThreadPoolExecutor() as threads:  # OpenCV decodes without Python's lock
            list(threads.map(decode, range(len(images))))
        store.flush()
        part.rename(path)
    return np.load(path, mmap_mode="r")


def _key(parent: Path, images: list[Path]) -> str:
    """Of this state of the files: pictures rendered anew into the same folder have labels of their own."""
    try:
        states = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in images]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error
    return hashlib.sha256(repr((str(parent.resolve()), states)).encode()).hexdigest()[:16]


def recoloured(image: Image, rng: np.random.Generator) -> Image:
    """Exposure, gamma, white balance, and now and then grey, blur, noise or JPEG: what cameras do to a picture."""
    curve = (np.arange(256, dtype=np.float32) / 255.0) ** np.exp(rng.normal(0, 0.25))
    gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.07, 3))
    table = np.clip(255.0 * curve[:, None] * gain + rng.normal(0, 12), 0, 255).astype(np.uint8)
    result: np.ndarray = cv2.LUT(image, table.reshape(256, 1, 3))
    kind = rng.random()
    if kind < 0.10:
        result = np.repeat(cv2.cvtColor(result, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
    elif kind < 0.25:
        result = cv2.GaussianBlur(result, (0, 0), rng.uniform(0.4, 1.4))
    elif kind < 0.40:
        noise = rng.normal(0, rng.uniform(2, 14), result.shape).astype(np.int16)
        result = np.clip(result + noise, 0, 255).astype(np.uint8)
    elif kind < 0.52:
        _, packed = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])
        result = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return result.astype(np.uint8, copy=False)


def collate(samples: list[Sample]) -> tuple[torch.Tensor, Targets]:
    """Samples of one size -> images (B, 3, S, S) float32 0..255 and targets."""
    images, targets = packed(samples)
    return as_input(images), targets


def as_input(images: torch.Tensor) -> torch.Tensor:
    """(B, S, S, 3) uint8 -> what a network takes: (B, 3, S, S) float32 0..255, channels_last."""
    return images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


def packed(samples: list[Sample]) -> tuple[torch.Tensor, Targets]:
    """Samples of one size -> images (B, S, S, 3) uint8 and targets: the form in which batches travel."""
    return torch.from_numpy(np.stack([s.image for s in samples])), Targets(
        boxes=torch.from_numpy(np.concatenate([s.boxes for s in samples]).astype(np.float32)),
        rotation=torch.from_numpy(np.concatenate([s.rotation for s in samples]).astype(np.float32)),
        image=torch.from_numpy(np.repeat(np.arange(len(samples)), [len(s.boxes) for s in samples])),
        ignore=torch.from_numpy(np.concatenate([s.ignore for s in samples]).astype(bool)),
    )
