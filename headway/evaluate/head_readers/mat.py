"""300W-LP and AFLW2000: one picture with one labelled face, its label in a MATLAB file of the same name.

`Pose_Para` holds pitch, yaw, roll in radians first (order XYZ, see headway.evaluate.euler); landmarks are in `pt2d`
(2, n; a negative number where one is hidden) or `pt3d_68` (3, 68), pixels. Every published table leaves out the faces
with an angle beyond 99 degrees (31 of AFLW2000's 2,000).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headway.errors import UsageError
from headway.evaluate.euler import XYZ
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_readers.checks import numbers
from headway.geometry import Array

LIMIT_DEG = 99.0
PICTURES = (".jpg", ".png", ".jpeg")
NOT_LABELS = ("landmarks", "code", "Code")
"""Folders of the 300W-LP archive whose MATLAB files hold no pose."""


def read_mat_folder(folder: Path, limit_deg: float = LIMIT_DEG) -> HeadLabels:
    """All faces below `folder` whose three angles are within ±limit_deg; the number left out is in `excluded`."""
    files = [p for p in sorted(folder.rglob("*.mat")) if not set(NOT_LABELS) & set(p.relative_to(folder).parts[:-1])]
    if not files:
        raise UsageError(f"{folder} holds no .mat files: not a folder of 300W-LP or AFLW2000")
    images, boxes, angles, excluded = [], [], [], 0
    for path in files:
        picture = next((p for p in (path.with_suffix(s) for s in PICTURES) if p.is_file()), None)
        if picture is None:
            raise UsageError(f"{path} has no picture beside it ({path.stem}.jpg)")
        degrees, box = read_mat(path)
        if np.abs(degrees).max() > limit_deg:
            excluded += 1
            continue
        images.append(picture)
        angles.append(degrees)
        boxes.append(box)
    written = np.array(angles).reshape(-1, 3)
    return HeadLabels(
        images=tuple(images),
        index=np.arange(len(images)),
        boxes=np.array(boxes).reshape(-1, 4),
        rotation=XYZ.rotation(written),
        visibility=np.ones(len(images)),
        whole_head=False,
        angles=written,
        order=XYZ,
        excluded=excluded,
    )


def read_mat(path: Path) -> tuple[Array, Array]:
    """pitch, yaw, roll (3,) in degrees and the landmarks' box (4,) xyxy in pixels of one label file."""
    import scipy.io

    try:
        raw = scipy.io.loadmat(path)
    except Exception as error:  # scipy raises its own kinds for each way in which a file can be broken
        raise UsageError(f"{path} is no MATLAB file that can be read: {type(error).__name__}") from None
    if "Pose_Para" not in raw:
        raise UsageError(f"{path}: field 'Pose_Para' is missing")
    radians = numbers(np.ravel(raw["Pose_Para"])[:3], 3, "Pose_Para", str(path))
    if np.abs(radians).max() > np.pi + 1e-6:
        raise UsageError(f"{path}: Pose_Para holds {np.abs(radians).max():g}: radians within ±3.1416 are wanted")
    for name in ("pt3d_68", "pt2d"):
        if name in raw:
            return np.degrees(radians), _landmark_box(np.asarray(raw[name], float), name, path)
    raise UsageError(f"{path}: field 'pt2d' is missing, and so is 'pt3d_68'")


def _landmark_box(points: Array, name: str, path: Path) -> Array:
    if points.ndim != 2 or points.shape[0] not in (2, 3):
        raise UsageError(f"{path}: {name} is {points.shape}, (2, n) or (3, n) is wanted")
    x, y = points[:2]
    there = np.isfinite(x) & np.isfinite(y) & (x >= 0) & (y >= 0)
    if there.sum() < 2:
        raise UsageError(f"{path}: {name} holds fewer than two visible landmarks")
    box = np.array([x[there].min(), y[there].min(), x[there].max(), y[there].max()])
    if (box[2:] <= box[:2]).any():
        raise UsageError(f"{path}: {name} has no area")
    return box
