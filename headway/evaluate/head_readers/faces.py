"""A folder with labels.json: faces with a landmark box and a ray-relative rotation, as in `real_heads`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headway.errors import UsageError
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_readers.checks import field, inside, load_json, numbers, proper_rotations

FACES_FILE = "labels.json"


def read_faces(folder: Path) -> HeadLabels:
    """Each face: image, landmark_box (x0, y0, x1, y1) and R_ray (3x3, identity = facing the lens)."""
    path = folder / FACES_FILE
    raw = load_json(path)
    if not isinstance(raw, list):
        raise UsageError(f"{path} is no list of faces")
    names: list[str] = []
    index, boxes, rotations = [], [], []
    for row, face in enumerate(raw):
        where = f"{path}: face {row}"
        name = str(field(face, "image", where))
        if name not in names:
            names.append(name)
        index.append(names.index(name))
        box = numbers(field(face, "landmark_box", where), 4, "landmark_box", where)
        if not (box[2:] > box[:2]).all():
            raise UsageError(f"{where}: landmark_box {box.tolist()} has no area")
        boxes.append(box)
        rotations.append(numbers(field(face, "R_ray", where), 9, "R_ray", where).reshape(3, 3))
    return HeadLabels(
        images=tuple(inside(folder, name) for name in names),
        index=np.array(index, np.int64),
        boxes=np.array(boxes).reshape(-1, 4),
        rotation=proper_rotations(np.array(rotations).reshape(-1, 3, 3), path),
        visibility=np.ones(len(index)),
        whole_head=False,
    )
