"""Painted heads for tests: balls whose marks turn with the head, so that the rotation can be read from the picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

# Marks on the unit ball in head axes (x person's left, y down, z back): direction, radius, colour.
MARKS = (
    ((0.35, -0.2, -0.9), 0.16, (40, 40, 40)),
    ((-0.35, -0.2, -0.9), 0.16, (40, 40, 40)),
    ((0.0, 0.1, -1.0), 0.14, (60, 120, 250)),
    ((0.0, 0.45, -0.9), 0.2, (40, 40, 220)),
    ((1.0, 0.0, 0.0), 0.22, (200, 60, 60)),
    ((-1.0, 0.0, 0.0), 0.22, (60, 200, 60)),
    ((0.0, 0.0, 1.0), 0.45, (20, 60, 110)),
    ((0.0, -1.0, 0.0), 0.35, (160, 30, 160)),
)


def painted_head(image: np.ndarray, centre: np.ndarray, radius: float, rotation: np.ndarray) -> None:
    """Paints one head, facing the lens where `rotation` (3, 3) is the identity."""
    shift = 4
    point = lambda p: tuple(round(float(v) * 2**shift) for v in p)  # noqa: E731
    cv2.circle(image, point(centre), int(radius * 2**shift), (150, 180, 220), -1, cv2.LINE_AA, shift)
    for direction, size, colour in MARKS:
        p = rotation @ (np.array(direction) / np.linalg.norm(direction))
        if p[2] < 0.05:
            flat = max(0.15, -float(p[2]))
            axes = point((max(radius * size * flat, 0.6), max(radius * size, 0.6)))
            turn = float(np.degrees(np.arctan2(p[1], p[0])))
            cv2.ellipse(
                image, point(centre + radius * p[:2] * 0.95), axes, turn, 0, 360, colour, -1, cv2.LINE_AA, shift
            )


@pytest.fixture
def painted_pictures():
    """Returns a function: count, size, seed -> training samples with painted heads."""
    return _pictures


def _pictures(count: int, size: int, seed: int = 0, heads: int = 2) -> list:
    """Pictures with heads of many sizes in all orientations on a noisy ground."""
    from headway.models.head_pose.data import Sample

    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        image = cv2.resize(rng.integers(0, 120, (6, 6, 3), dtype=np.uint8), (size, size))
        boxes, rotations = [], []
        for _ in range(heads):
            radius = float(np.exp(rng.uniform(np.log(size * 0.1), np.log(size * 0.24))))
            for _ in range(50):
                centre = rng.uniform(radius, size - radius, 2)
                if all(np.hypot(*(centre - c)) > radius + r for c, r in boxes):
                    break
            else:
                continue
            rotation = Rotation.random(random_state=rng).as_matrix()
            painted_head(image, centre, radius, rotation)
            boxes.append((centre, radius))
            rotations.append(rotation)
        corners = np.array([[*(c - r), *(c + r)] for c, r in boxes])
        samples.append(Sample(image, corners, np.array(rotations), np.zeros(len(boxes), bool)))
    return samples


@pytest.fixture
def folder(tmp_path, painted_pictures) -> Path:
    """A labelled folder in the form that `headway render people` writes; `val` beside it is one of other pictures."""
    _labelled(tmp_path / "val", painted_pictures(6, 96, seed=1))
    return _labelled(tmp_path / "data", painted_pictures(6, 96))


def _labelled(out: Path, samples: list) -> Path:
    out.mkdir()
    images, annotations = [], []
    for row, sample in enumerate(samples):
        cv2.imwrite(str(out / f"{row}.png"), sample.image)
        images.append({"id": row, "file_name": f"{row}.png", "width": 96, "height": 96})
        for (x0, y0, x1, y1), rotation in zip(sample.boxes, sample.rotation, strict=True):
            label = {"id": len(annotations), "image_id": row, "bbox": [x0, y0, x1 - x0, y1 - y0], "visibility": 1.0}
            annotations.append(label | {"rotation": rotation.ravel().tolist()})
    (out / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return out
