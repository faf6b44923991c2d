"""A sequence of `kitti_tracking` as a bag of heads: the data set as it is published here has labels and motion, but no
images.

A labelled pedestrian becomes the head box that a detector would give: the uppermost `tracks.head_size_m` of the
labelled 3D box, as large as that is at its distance. Everything else is recorded: intrinsics, the car's orientation and
velocity, where people were.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headway import messages
from headway.convert.material import CAMERA_INFO, START_NS, Converted, Progress, bag_file, writing
from headway.errors import UsageError
from headway.evaluate.by_heads import HeadWalk, read_heads
from headway.geometry import quaternion_from_rotation
from headway.heads_bag import CAMERA, DELAY_S, HEADS, IMU, ODOM, PEOPLE
from headway.messages import stamp
from headway.paths import write_text
from headway.types import Trace, View

FRAME_ID = "camera_optical_frame"
IMU_TYPE, ODOM_TYPE = "sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry"
_GRAVITY = 9.81


def convert_kitti(
    source: Path,
    bag: Path,
    limit: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """`source`: a label file, kitti_tracking/label/NNNN.txt. Writes the bag, and beside it the parameter file with the
    camera's mounting (the bag's name with .yaml)."""
    if not source.is_file() or source.parent.name != "label":
        raise UsageError(f"{source} is no label file of kitti_tracking (kitti_tracking/label/NNNN.txt)")
    for part in ("oxts", "calib"):
        if not (source.parent.parent / part / source.name).is_file():
            raise UsageError(f"{source.parent.parent / part / source.name} is missing: it belongs to the label file")
    walk = read_heads(source)
    frames = min(limit or len(walk.boxes), len(walk.boxes))
    note = "no images: the data set has labels only; heads stand where labelled people's heads are"
    result = Converted(bag_file(bag), notes=[note])
    target = result.bag.with_suffix(".yaml")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists, and the camera's mounting goes there: name another bag, or add --overwrite")
    with writing(result.bag, overwrite) as writer:
        for frame in range(frames):
            stamp_ns = START_NS + round(frame * 1e9 / walk.walk.rate)
            view = walk.view(frame)
            writer.write(CAMERA, CAMERA_INFO, _camera_info(walk, stamp_ns), stamp_ns)
            writer.write(IMU, IMU_TYPE, _imu(walk, frame, stamp_ns), stamp_ns)
            writer.write(ODOM, ODOM_TYPE, _odometry(walk, frame, stamp_ns), stamp_ns)
            writer.write(PEOPLE, messages.FORECASTS, _people(walk, frame, view), stamp_ns)
            heads, _ = walk.heads(frame)
            size = (walk.camera.width, walk.camera.height)
            fields = messages.head_array(heads, _named(view), *size, Trace(frame_index=frame))
            writer.write(HEADS, messages.HEADS, fields, stamp_ns + round(DELAY_S * 1e9))
            result.images += 1
            progress(result.images, frames)
        writer.finish()
    write_text(target, _parameters(walk))
    result.notes.append(f"the camera's mounting is in {target.name}")
    return result


def _parameters(walk: HeadWalk) -> str:
    q = [float(v) for v in quaternion_from_rotation(walk.mounting)]
    lines = [
        "# Parameters of this recording: the camera's mounting on the car.",
        "/**/trajectory:",
        "  ros__parameters:",
    ]
    lines += ["    model: trajectory", "    sensors:"]
    lines += [f"      {name}: {q}" for name in ("camera_imu_rotation", "camera_base_rotation")]
    return "\n".join(lines) + "\n"


def _named(view: View) -> View:
    return View(stamp_ns=view.stamp_ns, frame_id=FRAME_ID)


def _camera_info(walk: HeadWalk, stamp_ns: int) -> dict[str, Any]:
    c = walk.camera
    return {
        "header": {"stamp": stamp(stamp_ns), "frame_id": FRAME_ID},
        "width": c.width,
        "height": c.height,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [c.fx, 0.0, c.cx, 0.0, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }


def _imu(walk: HeadWalk, frame: int, stamp_ns: int) -> dict[str, Any]:
    return {
        "header": {"stamp": stamp(stamp_ns), "frame_id": "imu"},
        "orientation": messages.quaternion(quaternion_from_rotation(walk.car[frame])),
        "linear_acceleration": messages.vector(walk.car[frame].T @ [0.0, 0.0, _GRAVITY]),
    }


def _odometry(walk: HeadWalk, frame: int, stamp_ns: int) -> dict[str, Any]:
    pose = {"orientation": messages.quaternion(quaternion_from_rotation(walk.car[frame]))}
    return {
        "header": {"stamp": stamp(stamp_ns), "frame_id": "odom"},
        "child_frame_id": "car",
        "pose": {"pose": pose},
        "twist": {"twist": {"linear": messages.vector(walk.velocity[frame])}},
    }


def _people(walk: HeadWalk, frame: int, view: View) -> dict[str, Any]:
    people = walk.walk
    there = np.flatnonzero(np.isfinite(people.relative[frame, :, 0]))
    listed = [
        {"track_id": int(people.ids[i]), "position": messages.vector([*people.relative[frame, i], 0.0])} for i in there
    ]
    fields = messages.forecast_array(None, _named(view), Trace(frame_index=frame))
    orientation = messages.quaternion(quaternion_from_rotation(walk.orientation[frame]))
    return {**fields, "valid": True, "reason": "", "camera_orientation": orientation, "forecasts": listed}
