"""The COCO-style JSON of AGORA-HPE / CMU-HPE (DirectMHP), with what those leave out: rotations, visibility, depth."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headway.geometry import euler_from_rotation
from headway.models.render.labels import HeadLabel
from headway.types import Camera

FILE_NAME = "annotations.json"


def image_entry(image_id: int, file_name: str, camera: Camera) -> dict[str, Any]:
    """One row of `images`; camera intrinsics in pixels."""
    return {
        "id": image_id,
        "file_name": file_name,
        "height": camera.height,
        "width": camera.width,
        "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
    }


def annotation_entry(annotation_id: int, image_id: int, label: HeadLabel) -> dict[str, Any]:
    """One row of `annotations`. bbox: x, y, width, height, clipped to the image; bbox_full: not clipped.

    euler_angles: pitch, yaw, roll in degrees, published convention, of the ray-relative `rotation`.
    """
    angles = [round(float(a), 4) for a in euler_from_rotation(label.rotation)]
    bbox, full = _xywh(label.box), _xywh(label.full_box)
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": [],
        "bbox": bbox,
        "area": round(bbox[2] * bbox[3], 2),
        "euler_angles": angles,
        "rotation": [round(float(v), 6) for v in label.rotation.ravel()],
        "rotation_camera": [round(float(v), 6) for v in label.rotation_camera.ravel()],
        "visibility": round(label.visibility, 4),
        "depth": round(label.depth, 4),
        "bbox_full": full,
    }


def _xywh(box: Any) -> list[float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)]


def write_annotations(
    folder: Path, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]], info: dict[str, Any]
) -> Path:
    """Writes annotations.json last and in one step: a folder without it is not complete."""
    path = folder / FILE_NAME
    content = {
        "info": info,
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
        "images": list(images),
        "annotations": list(annotations),
    }
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    os.replace(partial, path)
    return path


def on_streets(folder: Path) -> int:
    """How many of the pictures of a rendered folder, or of the folders in it, were drawn on streets."""
    contents = (
        json.loads(p.read_text(encoding="utf-8"))
        for p in (folder / FILE_NAME, *folder.glob(f"*/{FILE_NAME}"))
        if p.is_file()
    )
    return sum(len(c["images"]) for c in contents if c.get("info", {}).get("streets"))
