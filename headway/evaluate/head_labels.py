"""Labelled heads, in one form whatever data set they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headway.evaluate.euler import ZYX, EulerOrder
from headway.geometry import Array
from headway.types import Camera


@dataclass(frozen=True)
class HeadLabels:
    """Labels of M heads in a set of images.

    images: paths; index (M,) int: row in `images`; boxes (M, 4) float64 xyxy, pixels of the image: the whole head where
    `whole_head`, else a face's landmarks; rotation (M, 3, 3) ray-relative; visibility (M,) 0..1.

    angles (M, 3): pitch, yaw, roll in degrees as the data set publishes them, in `order`; None: those of `rotation`.
    cameras: intrinsics of each image, () where none are known. sizes: width and height that the labels are written
    for, () where none are known. excluded: labels left out by the data set's own rule.
    """

    images: tuple[Path, ...]
    index: np.ndarray
    boxes: Array
    rotation: Array
    visibility: Array
    whole_head: bool = True
    angles: Array | None = None
    order: EulerOrder = ZYX
    cameras: tuple[Camera | None, ...] = ()
    sizes: tuple[tuple[int, int] | None, ...] = ()
    excluded: int = 0

    def __len__(self) -> int:
        return len(self.index)

    @property
    def published_angles(self) -> Array:
        """(M, 3) pitch, yaw, roll in degrees, in `order`."""
        return self.order.angles(self.rotation) if self.angles is None else self.angles

    def camera(self, image: int) -> Camera | None:
        """Intrinsics of one image."""
        return self.cameras[image] if self.cameras else None
