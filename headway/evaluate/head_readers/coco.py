"""COCO-style files: this project's renders, AGORA-HPE and CMU-HPE; they differ in where they lie and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import UsageError
from headway.evaluate.euler import ZYX
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_readers.checks import (
    angles_deg,
    box_xyxy,
    field,
    identity,
    inside,
    load_json,
    numbers,
    proper_rotations,
    share,
    unique,
)
from headway.types import Camera

RENDERED_FILE = "annotations.json"
PUBLISHED_FILES = ("coco_style_validation.json", "coco_style_val.json", "coco_style_sampled_val.json")
"""Names that the AGORA-HPE and CMU-HPE scripts give to the split that the tables are made on."""


def read_rendered(folder: Path) -> HeadLabels:
    """A folder of `headway render people`: annotations.json beside its images, or a folder of such folders."""
    if (folder / RENDERED_FILE).is_file():
        return read_coco(folder / RENDERED_FILE, folder)
    chunks = sorted(p.parent for p in folder.glob(f"*/{RENDERED_FILE}"))
    if not chunks:
        raise UsageError(f"{folder} holds no {RENDERED_FILE}, nor does any folder in it")
    return _joined([read_coco(chunk / RENDERED_FILE, chunk) for chunk in chunks])


def read_published(folder: Path) -> HeadLabels:
    """AGORA-HPE or CMU-HPE as their scripts write them: annotations/coco_style_*.json and images/<split>/."""
    found = [folder / "annotations" / name for name in PUBLISHED_FILES if (folder / "annotations" / name).is_file()]
    if not found:
        raise UsageError(f"{folder}/annotations holds none of {', '.join(PUBLISHED_FILES)}")
    splits = [folder / "images" / name for name in ("validation", "val")]
    images = next((split for split in splits if split.is_dir()), None)
    if images is None:
        raise UsageError(f"{folder}/images holds neither validation nor val")
    return read_coco(found[0], images)


def read_coco(path: Path, folder: Path) -> HeadLabels:
    """One file with `images` and `annotations`. Rotations come from `rotation` (nine numbers, ray-relative) where it is
    there, else from `euler_angles` (pitch, yaw, roll in degrees, camera axes, as published)."""
    raw = load_json(path)
    if not isinstance(raw, Mapping) or not all(isinstance(raw.get(k), list) for k in ("images", "annotations")):
        raise UsageError(f"{path} is no COCO file: an object with lists 'images' and 'annotations' is wanted")
    entries = raw["images"]
    ids = [identity(entry, "id", f"{path}: image {row}") for row, entry in enumerate(entries)]
    unique(ids, "images", path)
    known = {image: row for row, image in enumerate(ids)}
    images = [inside(folder, field(entry, "file_name", f"{path}: image {row}")) for row, entry in enumerate(entries)]
    sizes = [_size(entry, f"{path}: image {row}") for row, entry in enumerate(entries)]
    labels = [(f"{path}: annotation {row}", label) for row, label in enumerate(raw["annotations"])]
    unique(
        [identity(label, "id", where) for where, label in labels if isinstance(label, dict) and "id" in label],
        "annotations",
        path,
    )
    index, boxes, rotations, angles, visibility = [], [], [], [], []
    for where, label in labels:
        image = identity(label, "image_id", where)
        if image not in known:
            raise UsageError(f"{where}: image {image} is missing")
        index.append(known[image])
        boxes.append(box_xyxy(field(label, "bbox", where), "bbox", where, sizes[known[image]]))
        rotation, written = _pose(label, where)
        rotations.append(rotation)
        angles.append(written)
        seen = share(label.get("visibility", 1.0), "visibility", where)
        visibility.append(0.0 if label.get("iscrowd") else seen)
    rotation = proper_rotations(np.array(rotations).reshape(-1, 3, 3), path)
    return HeadLabels(
        images=tuple(images),
        index=np.array(index, np.int64),
        boxes=np.array(boxes).reshape(-1, 4),
        rotation=rotation,
        visibility=np.array(visibility),
        angles=np.array(angles).reshape(-1, 3),
        sizes=tuple(sizes),
        cameras=tuple(
            _camera(e, size, f"{path}: image {row}") for row, (e, size) in enumerate(zip(entries, sizes, strict=True))
        ),
    )


def _pose(label: Mapping[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    if "rotation" in label:
        rotation = numbers(label["rotation"], 9, "rotation", where).reshape(3, 3)
        if "euler_angles" in label:
            angles_deg(label["euler_angles"], "euler_angles", where)
        return rotation, ZYX.angles(rotation)[0]
    if "euler_angles" not in label:
        raise UsageError(f"{where}: field 'rotation' is missing, and so is 'euler_angles'")
    angles = angles_deg(label["euler_angles"], "euler_angles", where)
    return ZYX.rotation(angles)[0], angles


def _size(entry: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    if "width" not in entry or "height" not in entry:
        return None
    width, height = numbers([entry["width"], entry["height"]], 2, "width and height", where)
    if width < 1 or height < 1:
        raise UsageError(f"{where}: width and height are {width:g} and {height:g}")
    return int(width), int(height)


def _camera(entry: Mapping[str, Any], size: tuple[int, int] | None, where: str) -> Camera | None:
    raw = entry.get("camera")
    if raw is None or size is None:
        return None
    fx, fy, cx, cy = numbers([field(raw, k, f"{where}: camera") for k in ("fx", "fy", "cx", "cy")], 4, "camera", where)
    if min(fx, fy) <= 0:
        raise UsageError(f"{where}: camera has focal lengths {fx:g} and {fy:g}")
    return Camera(*size, fx, fy, cx, cy)


def _joined(parts: list[HeadLabels]) -> HeadLabels:
    starts = np.cumsum([0] + [len(p.images) for p in parts])
    return HeadLabels(
        images=tuple(path for p in parts for path in p.images),
        index=np.concatenate([p.index + start for p, start in zip(parts, starts, strict=False)]),
        boxes=np.concatenate([p.boxes for p in parts]),
        rotation=np.concatenate([p.rotation for p in parts]),
        visibility=np.concatenate([p.visibility for p in parts]),
        angles=np.concatenate([p.published_angles for p in parts]),
        cameras=tuple(camera for p in parts for camera in p.cameras),
        sizes=tuple(size for p in parts for size in p.sizes),
    )
