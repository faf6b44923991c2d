"""Exact head labels: box of the projected skull, rotations, visibility from the id buffer, depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.geometry import project, ray_basis, viewing_ray
from headway.models.render.bodies import BODY_TO_HEAD_AXES
from headway.types import Camera

Array = NDArray[Any]

NEAR_LIMIT = 0.05  # metres: a skull that comes nearer than this is not labelled


@dataclass(frozen=True)
class HeadLabel:
    """One head. full_box (4,) xyxy pixels, the projected skull vertices without hair, may leave the image; box: the
    same clipped to the image. rotation_camera (3, 3) head-to-camera (headway.geometry); rotation (3, 3) the same
    relative to the viewing ray through full_box's centre. depth: of the skull's centre along z, metres.
    hull (M, 2) pixels, the projected skull's outline. visibility 0..1: share of the outline that shows this person's
    head or hair, so what lies outside the image counts as hidden."""

    box: Array
    full_box: Array
    rotation: Array
    rotation_camera: Array
    depth: float
    hull: Array
    visibility: float = 1.0


def head_label(skull: Array, head_rotation: Array, body_to_camera: Array, camera: Camera) -> HeadLabel | None:
    """skull (M, 3) metres in the camera frame; head_rotation (3, 3) rest to posed head in body axes; body_to_camera
    (3, 3). None where the head is behind the lens or outside the image."""
    if skull[:, 2].min() < NEAR_LIMIT:
        return None
    pixels = project(skull, camera)
    full = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    limit = np.array([camera.width, camera.height] * 2, float)
    box = np.clip(full, 0, limit)
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        return None
    in_camera = body_to_camera @ head_rotation @ BODY_TO_HEAD_AXES
    ray = viewing_ray((full[:2] + full[2:]) / 2, camera)
    hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
    return HeadLabel(box, full, ray_basis(ray).T @ in_camera, in_camera, float(skull[:, 2].mean()), hull)


def visibility(label: HeadLabel, number: int, person: Array, head: Array, hidden: Array | None, scale: float) -> float:
    """Share of the outline's area that shows person `number`'s head or hair.

    person, head: id buffers (h, w) at `scale` times the label's pixels; hidden (h, w) bool: covered by an occluder.
    """
    area = cv2.contourArea((label.hull * scale).astype(np.float32))
    low = np.floor(label.box[:2] * scale).astype(int)
    high = np.ceil(label.box[2:] * scale).astype(int)
    window = (slice(max(low[1], 0), high[1]), slice(max(low[0], 0), high[0]))
    shown = (person[window] == number) & head[window]
    if hidden is not None:
        shown &= ~hidden[window]
    outline = np.zeros(shown.shape, np.uint8)
    cv2.fillConvexPoly(outline, np.rint(label.hull * scale - low).astype(np.int32), 1)
    return float(min(1.0, (shown & (outline > 0)).sum() / max(area, 1.0)))
