"""A rendered scene as a bag: what the sensors would say, and the truth about heads, people and steering."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from headway import messages
from headway.bags.writer import BagWriter
from headway.fields import Fields
from headway.geometry import quaternion_from_rotation
from headway.models.render.carrier import Carrier
from headway.models.render.labels import HeadLabel
from headway.models.render.scene import Person, Scene, SceneFrame
from headway.types import Camera, Heads, Trace, View

Array = NDArray[Any]

START_NS = 1_700_000_000_000_000_000
IMU_HZ, ODOMETRY_HZ = 90.0, 30.0
OPTICAL, IMU, ODOM, BASE = "camera_optical_frame", "imu_link", "odom", "base_link"
BUDGET_BYTES_PER_IMAGE = 25_500  # 300 images and their sensor data stay below 8 MiB
QUALITIES = (92, 88, 84, 80, 75, 70, 65, 60, 55, 50, 40)
MIN_VISIBILITY, MIN_HEAD_PX = 0.3, 8.0  # ground truth holds the heads that a person would call visible
ATTENTION_DEG = 15.0  # a head turned less than this from the lens looks at the camera


def record(scene: Scene, out: Path, rate: float, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Draws and writes `scene` to `out`: images at `rate`, IMU at 90 Hz, odometry at 30 Hz."""
    count = round(scene.seconds * rate)
    period = 1_000_000_000 / rate
    stamps = [START_NS + round(k * period) for k in range(count)]
    frames: list[SceneFrame] = []
    for stamp in stamps:
        frames.append(scene.frame((stamp - START_NS) * 1e-9))
        if progress:
            progress(len(frames), count)
    jpegs, quality = encode([f.image for f in frames])
    events: list[tuple[int, int, str, str, dict[str, Any]]] = []
    for stamp, frame, jpeg in zip(stamps, frames, jpegs, strict=True):
        for order, (topic, kind, message) in enumerate(_image_messages(scene, stamp, frame, jpeg)):
            events.append((stamp, 10 + order, topic, kind, message))
    end = stamps[-1] + period
    for order, (topic, kind, hertz, make) in enumerate(
        (
            ("/imu/data", "sensor_msgs/msg/Imu", IMU_HZ, imu_message),
            ("/odom", "nav_msgs/msg/Odometry", ODOMETRY_HZ, odometry_message),
        )
    ):
        for k in range(int((end - START_NS) * 1e-9 * hertz)):
            stamp = START_NS + round(k * 1e9 / hertz)
            events.append((stamp, order, topic, kind, make(scene.carrier, stamp)))
    with BagWriter(out) as bag:
        for stamp, _, topic, kind, message in sorted(events, key=lambda e: e[:2]):
            bag.write(topic, kind, message, stamp)
    heads = sum(len(visible_heads(f.people)) for f in frames)
    return {"images": count, "heads": heads, "quality": quality, "bytes": out.stat().st_size}


def encode(images: list[NDArray[np.uint8]]) -> tuple[list[bytes], int]:
    """JPEGs of the best common quality that keeps to the budget."""
    for quality in QUALITIES:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        jpegs = [cv2.imencode(".jpg", image, options)[1].tobytes() for image in images]
        if sum(map(len, jpegs)) <= BUDGET_BYTES_PER_IMAGE * len(images):
            break
    return jpegs, quality


def visible_heads(people: list[Person]) -> list[tuple[int, HeadLabel]]:
    """(track id, label) of the heads that count as visible."""
    return [
        (p.index, p.label)
        for p in people
        if p.label is not None
        and p.label.visibility >= MIN_VISIBILITY
        and p.label.full_box[3] - p.label.full_box[1] >= MIN_HEAD_PX
    ]


def _image_messages(scene: Scene, stamp: int, frame: SceneFrame, jpeg: bytes) -> list[tuple[str, str, Any]]:
    camera, t = scene.camera, (stamp - START_NS) * 1e-9
    view = View(stamp_ns=stamp, frame_id=OPTICAL, camera=camera, orientation=frame.to_camera[:3, :3].T)
    image = {"header": messages.header(view), "format": "jpeg", "data": np.frombuffer(jpeg, np.uint8)}
    return [
        ("/camera/camera_info", "sensor_msgs/msg/CameraInfo", camera_info(view, camera)),
        ("/camera/image_raw/compressed", "sensor_msgs/msg/CompressedImage", image),
        ("/ground_truth/heads", messages.HEADS, head_truth(view, camera, frame)),
        ("/ground_truth/people", messages.FORECASTS, people_truth(view, scene.carrier, frame, t)),
        ("/ground_truth/drive", messages.COMMAND, drive_truth(view, scene.carrier, t)),
    ]


def camera_info(view: View, camera: Camera) -> dict[str, Any]:
    """sensor_msgs/CameraInfo without distortion."""
    k = camera.matrix
    return {
        "header": messages.header(view),
        "width": camera.width,
        "height": camera.height,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": k.ravel(),
        "r": np.eye(3).ravel(),
        "p": np.column_stack([k, np.zeros(3)]).ravel(),
    }


def head_truth(view: View, camera: Camera, frame: SceneFrame) -> Fields:
    """headway_msgs/HeadArray: boxes clipped to the image, exact rotations, sigma 0."""
    seen = visible_heads(frame.people)
    labels = [label for _, label in seen]
    heads = Heads(
        boxes=np.array([label.box for label in labels], np.float32).reshape(-1, 4),
        scores=np.ones(len(labels), np.float32),
        rotation=np.array([label.rotation_camera for label in labels]).reshape(-1, 3, 3),
        sigma_deg=np.zeros(len(labels)),
        attention=np.array([label.rotation[2, 2] > np.cos(np.radians(ATTENTION_DEG)) for label in labels], float),
    )
    message = messages.head_array(heads, view, camera.width, camera.height, Trace())
    for fields, (index, _) in zip(message["heads"], seen, strict=True):
        fields["track_id"] = index
    return message


def people_truth(view: View, carrier: Carrier, frame: SceneFrame, t: float) -> dict[str, Any]:
    """headway_msgs/ForecastArray without modes: heads of everybody in the image, hidden or not, in the semi-local
    frame; velocities relative to the camera's carrier."""
    speed = carrier.base_twist(t)
    heading = carrier.base(t)[2]
    own = np.array(
        [
            np.cos(heading) * speed[0] - np.sin(heading) * speed[1],
            np.sin(heading) * speed[0] + np.cos(heading) * speed[1],
            0,
        ]
    )
    orientation = quaternion_from_rotation(frame.to_camera[:3, :3].T)
    people = [
        {
            "track_id": p.index,
            "position": messages.vector(p.head - carrier.position(t)),
            "velocity": messages.vector(p.velocity - own),
            "age": t,
        }
        for p in frame.people
        if p.label is not None
    ]
    return {
        "header": messages.header(view),
        "valid": True,
        "camera_orientation": messages.quaternion(orientation),
        "forecasts": people,
    }


def drive_truth(view: View, carrier: Carrier, t: float) -> dict[str, Any]:
    """headway_msgs/DriveCommand: steering (1 = CURVATURE_AT_FULL_LOCK, to the left) and speed as scripted."""
    steering = carrier.steering(t)
    return {
        "header": messages.header(view),
        "valid": True,
        "steering": steering,
        "steering_low": steering,
        "steering_high": steering,
        "confidence": 1.0,
        "speed": float(carrier.base_twist(t)[0]),
    }


def imu_message(carrier: Carrier, stamp: int) -> dict[str, Any]:
    """sensor_msgs/Imu in the camera's body axes (x forward, y left, z up); the acceleration holds gravity."""
    t = (stamp - START_NS) * 1e-9
    spin, force = carrier.inertial(t)
    return {
        "header": {"stamp": messages.stamp(stamp), "frame_id": IMU},
        "orientation": messages.quaternion(quaternion_from_rotation(carrier.rotation(t))),
        "angular_velocity": messages.vector(spin),
        "linear_acceleration": messages.vector(force),
    }


def odometry_message(carrier: Carrier, stamp: int) -> dict[str, Any]:
    """nav_msgs/Odometry of the carrier on the ground; the twist is in its own axes."""
    t = (stamp - START_NS) * 1e-9
    x, y, heading = carrier.base(t)
    forward, left, rate = carrier.base_twist(t)
    turned = Rotation.from_euler("z", heading).as_matrix()
    return {
        "header": {"stamp": messages.stamp(stamp), "frame_id": ODOM},
        "child_frame_id": BASE,
        "pose": {
            "pose": {
                "position": messages.vector((x, y, 0.0)),
                "orientation": messages.quaternion(quaternion_from_rotation(turned)),
            }
        },
        "twist": {"twist": {"linear": messages.vector((forward, left, 0.0)), "angular": messages.vector((0, 0, rate))}},
    }
