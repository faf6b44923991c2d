"""Readers of labelled head images: rendered folders (COCO style) and folders with a labels.json of posed faces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import UsageError
from headway.geometry import Array, geodesic_deg, rotation_from_6d, rotation_to_6d

RENDERED_FILE = "annotations.json"
FACES_FILE = "labels.json"

ROTATION_TOLERANCE_DEG = 1.0
"""A label whose nine numbers are further than this from a rotation is an error in the file, not rounding."""


@dataclass(frozen=True)
class HeadLabels:
    """Labels of M heads in a set of images.

    images: paths; index (M,) int: row in `images`; boxes (M, 4) float64 xyxy, pixels of the image: the whole head where
    `whole_head`, else a face's landmarks; rotation (M, 3, 3) ray-relative; visibility (M,) 0..1.
    """

    images: tuple[Path, ...]
    index: np.ndarray
    boxes: Array
    rotation: Array
    visibility: Array
    whole_head: bool = True

    def __len__(self) -> int:
        return len(self.index)


def read_labels(folder: Path) -> HeadLabels:
    """Reads a folder of either kind; a folder of such folders (chunks of one rendering) is read as one set."""
    if (folder / RENDERED_FILE).is_file():
        return _read_rendered(folder)
    if (folder / FACES_FILE).is_file():
        return _read_faces(folder)
    chunks = sorted(p.parent for p in folder.glob(f"*/{RENDERED_FILE}"))
    if chunks:
        return _joined([_read_rendered(chunk) for chunk in chunks])
    raise UsageError(f"{folder} holds neither {RENDERED_FILE} nor {FACES_FILE}: not a folder of labelled heads")


def _joined(parts: list[HeadLabels]) -> HeadLabels:
    starts = np.cumsum([0] + [len(p.images) for p in parts])
    return HeadLabels(
        images=tuple(path for p in parts for path in p.images),
        index=np.concatenate([p.index + start for p, start in zip(parts, starts, strict=False)]),
        boxes=np.concatenate([p.boxes for p in parts]),
        rotation=np.concatenate([p.rotation for p in parts]),
        visibility=np.concatenate([p.visibility for p in parts]),
    )


def _read_rendered(folder: Path) -> HeadLabels:
    path = folder / RENDERED_FILE
    raw = _load(path)
    if not isinstance(raw, Mapping):
        raise UsageError(f"{path} is no COCO file: an object with 'images' and 'annotations' is wanted")
    try:
        known = {int(image["id"]): row for row, image in enumerate(raw["images"])}
        images = tuple(_inside(folder, image["file_name"]) for image in raw["images"])
        labels = list(raw["annotations"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: images or annotations are malformed: {type(error).__name__} {error}") from None
    if len(known) != len(images):
        raise UsageError(f"{path}: two images share one id")
    index, boxes, rotations, visibility = [], [], [], []
    for row, label in enumerate(labels):
        where = f"{path}: annotation {row}"
        try:
            x, y, w, h = (float(v) for v in label["bbox"])
            rotations.append(np.array(label["rotation"], float).reshape(3, 3))
            index.append(known[int(label["image_id"])])
            visibility.append(float(label.get("visibility", 1.0)))
        except KeyError as error:
            raise UsageError(f"{where}: field or image {error} is missing") from None
        except (TypeError, ValueError) as error:
            raise UsageError(f"{where}: {error}") from None
        if not (np.isfinite([x, y, w, h]).all() and w > 0 and h > 0):
            raise UsageError(f"{where}: bbox {label['bbox']} has no area")
        boxes.append((x, y, x + w, y + h))
    return HeadLabels(
        images,
        np.array(index, np.int64),
        np.array(boxes).reshape(-1, 4),
        _checked(np.array(rotations).reshape(-1, 3, 3), path),
        np.array(visibility),
    )


def _read_faces(folder: Path) -> HeadLabels:
    path = folder / FACES_FILE
    raw = _load(path)
    try:
        names = list(dict.fromkeys(str(face["image"]) for face in raw))
        index = np.array([names.index(str(face["image"])) for face in raw], np.int64)
        boxes = np.array([face["landmark_box"] for face in raw], float).reshape(-1, 4)
        rotation = np.array([face["R_ray"] for face in raw], float).reshape(-1, 3, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: each face needs image, landmark_box and R_ray: {type(error).__name__} {error}"
        ) from None
    images = tuple(_inside(folder, name) for name in names)
    return HeadLabels(images, index, boxes, _checked(rotation, path), np.ones(len(index)), whole_head=False)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{folder}: image name '{name}' leads out of the folder")
    return path


def _checked(rotation: Array, path: Path) -> Array:
    clean = rotation_from_6d(rotation_to_6d(rotation))
    close = geodesic_deg(clean, rotation) < ROTATION_TOLERANCE_DEG
    proper = np.abs(rotation - clean).reshape(-1, 9).max(-1, initial=0.0) < np.radians(ROTATION_TOLERANCE_DEG)
    if not (close & proper).all():
        raise UsageError(f"{path}: the rotation of label {int(np.argmin(close & proper))} is not a rotation matrix")
    return clean
