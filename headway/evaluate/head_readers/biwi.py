"""BIWI Kinect Head Pose: NN/frame_NNNNN_rgb.png with frame_NNNNN_pose.txt, and the RGB camera in NN/rgb.cal.

A pose file holds a 3x3 rotation (head to depth camera, identity = facing it; x right, y down, z away) and the head's
centre in millimetres, in the depth camera's frame. rgb.cal holds the intrinsics, four distortion numbers, and the
rotation and translation (mm) from the depth camera to the RGB camera. There are no boxes: a head counts as found where
its centre lies in exactly one predicted box; the box that is kept here is 100 mm round the centre, for crops.

The table that papers print compares with pitch, yaw, roll of the rotation as it stands in the file, order XYZ.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headway.errors import UsageError
from headway.evaluate.euler import XYZ
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_readers.checks import proper_rotations
from headway.geometry import Array, project, ray_basis, viewing_ray
from headway.types import Camera

HALF_HEAD_MM = 100.0
POSE_END = "_pose.txt"
PICTURE_ENDS = ("_rgb.png", "_rgb.jpg")
WIDTH, HEIGHT = 640, 480


def read_biwi(folder: Path) -> HeadLabels:
    """All frames of all sequences below `folder` (the archive's `hpdb`, or the folder above it)."""
    poses = sorted(folder.rglob(f"frame_*{POSE_END}"))
    if not poses:
        raise UsageError(f"{folder} holds no frame_*{POSE_END}: not a folder of BIWI")
    calibration: dict[Path, tuple[Camera, Array, Array]] = {}
    images, boxes, turns, rotations, cameras = [], [], [], [], []
    for path in poses:
        if path.parent not in calibration:
            calibration[path.parent] = read_calibration(path.parent / "rgb.cal")
        camera, to_rgb, shift = calibration[path.parent]
        images.append(_picture(path))
        turn, centre = read_pose(path)
        here = to_rgb @ centre + shift
        if here[2] <= 0:
            raise UsageError(f"{path}: the head's centre {centre.round(1).tolist()} lies behind the camera")
        pixel = project(here, camera)
        half = HALF_HEAD_MM * np.array([camera.fx, camera.fy]) / here[2]
        boxes.append(np.concatenate([pixel - half, pixel + half]))
        turns.append(turn)
        rotations.append(ray_basis(viewing_ray(pixel, camera)).T @ to_rgb @ turn)
        cameras.append(camera)
    return HeadLabels(
        images=tuple(images),
        index=np.arange(len(images)),
        boxes=np.array(boxes).reshape(-1, 4),
        rotation=np.array(rotations).reshape(-1, 3, 3),
        visibility=np.ones(len(images)),
        whole_head=False,
        angles=XYZ.angles(np.array(turns)),
        order=XYZ,
        cameras=tuple(cameras),
        sizes=tuple((camera.width, camera.height) for camera in cameras),
    )


def read_pose(path: Path) -> tuple[Array, Array]:
    """Rotation (3, 3) and centre (3,) in millimetres of one pose file."""
    values = _values(path)
    if len(values) < 12:
        raise UsageError(f"{path} holds {len(values)} numbers: a 3x3 rotation and a position are wanted")
    rotation = proper_rotations(values[:9].reshape(1, 3, 3), path)[0]
    return rotation, values[9:12]


def read_calibration(path: Path) -> tuple[Camera, Array, Array]:
    """The RGB camera, and rotation (3, 3) and translation (3,) in millimetres from the depth camera to it."""
    values = _values(path)
    if len(values) < 25:
        raise UsageError(f"{path} holds {len(values)} numbers: 9 of the camera, 4, 9 and 3 are wanted")
    k = values[:9].reshape(3, 3)
    if min(k[0, 0], k[1, 1]) <= 0:
        raise UsageError(f"{path}: focal lengths {k[0, 0]:g} and {k[1, 1]:g} are not positive")
    width, height = (int(v) for v in values[25:27]) if len(values) >= 27 else (WIDTH, HEIGHT)
    camera = Camera(width, height, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
    return camera, proper_rotations(values[13:22].reshape(1, 3, 3), path)[0], values[22:25]


def _values(path: Path) -> Array:
    try:
        values = np.array(path.read_text(encoding="utf-8").split(), float)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValueError):
        raise UsageError(f"{path} holds something else than numbers") from None
    if not np.isfinite(values).all():
        raise UsageError(f"{path} holds NaN or infinity")
    return values


def _picture(path: Path) -> Path:
    stem = path.name.removesuffix(POSE_END)
    for end in PICTURE_ENDS:
        if (path.parent / f"{stem}{end}").is_file():
            return path.parent / f"{stem}{end}"
    raise UsageError(f"{path} has no picture beside it ({stem}{PICTURE_ENDS[0]})")
