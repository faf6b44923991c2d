"""Which part of which picture is learnt next: crops round one head for the crop start, frames afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from headway.errors import UsageError
from headway.evaluate.head_labels import HeadLabels
from headway.models.head_pose.cutouts import Cutout, paste
from headway.models.head_pose.data import Sample, Warp, recoloured, warped
from headway.models.head_pose.distractors import distracted

TURN_SD_DEG, TURN_LIMIT_DEG = 12.0, 40.0
"""In-plane rotation added in training: people tilt their heads and cameras are held askew."""

CROP_HEAD_SHARE = 0.45
"""In the crop start a head is at least this share of the crop: smaller ones show little pose and cost the same."""

CROP_HEAD_PX = 14.0
"""Heads smaller than this in the rendered picture are left to the frames."""

HEAD_SIZED_SHARE = 0.5
"""Share of the frames that are scaled for one head; the rest keep the sizes that the scene has."""

SMALLEST_SIZED_PX = 12.0
"""Heads are scaled to this size and more, up to nearly the whole frame."""

LEAST_SCALE, LARGEST_UPSCALE = 0.4, 2.0
"""Beyond twice its rendered size a head is a blur that no camera makes."""


class Pictures(Protocol):
    """Anything that gives (H, W, 3) uint8 BGR by row."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> np.ndarray: ...


def by_image(labels: HeadLabels) -> list[np.ndarray]:
    """For each picture the rows of its heads."""
    order = np.argsort(labels.index, kind="stable")
    counts = np.bincount(labels.index, minlength=len(labels.images))
    return np.split(order, np.cumsum(counts)[:-1])


class Sampler:
    """An endless, reproducible stream of training pictures of one size."""

    def __init__(
        self,
        images: Pictures,
        labels: HeadLabels,
        size: int,
        rng: np.random.Generator,
        *,
        around_heads: bool,
        minimum_visibility: float = 0.3,
        cutouts: Sequence[Cutout] = (),
        cutout_share: float = 0.0,
        distractor_share: float = 0.0,
        sized_share: float = HEAD_SIZED_SHARE,
        sized_from_px: float = SMALLEST_SIZED_PX,
        augment: bool = True,
    ):
        self.images, self.labels, self.size, self.rng = images, labels, size, rng
        self.around_heads, self.augment = around_heads, augment
        self.cutouts, self.cutout_share = cutouts, cutout_share if cutouts else 0.0
        self.distractor_share = distractor_share
        self.sized_share, self.sized_from_px = sized_share, sized_from_px
        self.minimum_visibility = minimum_visibility
        self._rows = by_image(labels)
        px = np.sqrt(np.prod(labels.boxes[:, 2:] - labels.boxes[:, :2], axis=1))
        self._good = np.flatnonzero((labels.visibility >= minimum_visibility) & (px >= CROP_HEAD_PX))
        self._good = self._good[np.argsort(px[self._good], kind="stable")]
        self._good_px = px[self._good]

    def reseed(self, seed: int, rank: int = 0) -> None:
        """Starts another stream; those of the members of a team differ."""
        self.rng = np.random.default_rng([seed, self.size, rank])

    def whole(self, row: int) -> Sample:
        """Picture `row` as it is; heads too hidden to learn from are marked as ignored."""
        here, labels = self._rows[row], self.labels
        ignore = labels.visibility[here] < self.minimum_visibility
        return Sample(self.images[row], labels.boxes[here], labels.rotation[here], ignore)

    def next(self) -> Sample:
        """The next picture."""
        sample = self._crop() if self.around_heads else self._frame()
        if self.distractor_share and self.rng.random() < self.distractor_share:
            sample = distracted(sample, self.rng)
        if self.rng.random() < self.cutout_share:
            sample = paste(sample, self.cutouts[int(self.rng.integers(len(self.cutouts)))], self._paste_px(), self.rng)
        return Sample(recoloured(sample.image, self.rng), *_labels(sample)) if self.augment else sample

    def batch(self, count: int) -> list[Sample]:
        """The next `count` pictures."""
        return [self.next() for _ in range(count)]

    def _crop(self) -> Sample:
        if not len(self._good):
            raise UsageError(f"no head of {CROP_HEAD_PX:g} px and more is visible in {self.labels.images[0].parent}")
        place = int(self.rng.integers(len(self._good)))
        head, px = int(self._good[place]), float(self._good_px[place])
        box = self.labels.boxes[head]
        largest = min(0.95 * self.size, LARGEST_UPSCALE * px)
        wanted = np.exp(self.rng.uniform(np.log(min(CROP_HEAD_SHARE * self.size, 0.9 * largest)), np.log(largest)))
        room = max(self.size - wanted, 0.0) / 2
        return self._warped(int(self.labels.index[head]), (box[:2] + box[2:]) / 2, wanted / px, room)

    def _frame(self) -> Sample:
        row = int(self.rng.integers(len(self.images)))
        height, width = self.images[row].shape[:2]
        scale = self.size / max(height, width) * np.exp(self.rng.uniform(np.log(0.9), np.log(2.4)))
        kind = self.rng.random()
        if kind < self.sized_share and len(self._good):
            return self._head_sized()
        here = self._rows[row]
        if len(here) and kind < 0.85:
            box = self.labels.boxes[self.rng.choice(here)]
            return self._warped(row, (box[:2] + box[2:]) / 2, scale, 0.35 * self.size)
        centre = np.array([width, height]) * self.rng.uniform(0.3, 0.7, 2)
        return self._warped(row, centre, scale, 0.1 * self.size)

    def _head_sized(self) -> Sample:
        """A frame scaled for one of its heads, all sizes alike: rendered heads are mostly small, and the coarse levels
        would hardly ever learn. The size is drawn first, then one of the heads that can be shown at that size."""
        wanted = np.exp(self.rng.uniform(np.log(self.sized_from_px), np.log(0.9 * self.size)))
        first, last = np.searchsorted(self._good_px, (wanted / LARGEST_UPSCALE, wanted / LEAST_SCALE))
        first = min(first, len(self._good) - 1)
        place = int(self.rng.integers(first, max(last, first + 1)))
        head, px = int(self._good[place]), float(self._good_px[place])
        box = self.labels.boxes[head]
        scale = float(np.clip(wanted / px, LEAST_SCALE, LARGEST_UPSCALE))
        room = 0.5 * self.size - min(0.5 * scale * px, 0.4 * self.size)
        return self._warped(int(self.labels.index[head]), (box[:2] + box[2:]) / 2, scale, room)

    def _warped(self, row: int, source: np.ndarray, scale: float, room: float) -> Sample:
        target = self.size / 2 + self.rng.uniform(-room, room, 2)
        angle, mirror = 0.0, False
        if self.augment:
            angle = float(np.radians(np.clip(self.rng.normal(0, TURN_SD_DEG), -TURN_LIMIT_DEG, TURN_LIMIT_DEG)))
            mirror = bool(self.rng.random() < 0.5)
        warp = Warp(float(scale), angle, (source[0], source[1]), (target[0], target[1]), mirror)
        return warped(self.whole(row), warp, self.size)

    def _paste_px(self) -> float:
        return float(np.exp(self.rng.uniform(np.log(20.0), np.log(0.7 * self.size))))


def _labels(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return sample.boxes, sample.rotation, sample.ignore
