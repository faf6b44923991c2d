"""What arrives beside the images, kept until an image asks: intrinsics, orientation, odometry, depth.

The same class serves the live nodes and replay. Messages are read by attribute, so rclpy's and rosbags' kinds both fit.
Values that are not finite never get in; a sensor that says nonsense is treated as one that says nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.axes import IMU, Axes, Motion
from headway.config import Config, parameter
from headway.counting import Reasons
from headway.geometry import are_rotations, rotation_from_quaternion
from headway.gravity import GravityCheck
from headway.history import History
from headway.types import Camera, FloatArray, View

PIXELS_LIMIT = 1e6  # focal lengths and centres beyond this are no camera's, and squares of them no numbers
DISTORTION_LIMIT = 1e3
DEPTHS_KEPT = 4  # at 30 Hz those of 0.1 s: heads come a good camera period after their image
DISTORTION_LENGTHS = (4, 5, 8, 12, 14)  # those that OpenCV takes


@dataclass(frozen=True)
class SensorConfig(Config):
    """How sensor data is matched to an image."""

    camera_imu_rotation: tuple[float, ...] = parameter(
        (), "orientation of the camera optical frame in the IMU frame, quaternion x y z w; empty: unknown, IMU not used"
    )
    camera_base_rotation: tuple[float, ...] = parameter(
        (),
        "orientation of the camera optical frame in the odometry's child frame, quaternion x y z w; empty: unknown, "
        "odometry cannot stand in for the IMU and its world is taken to be the IMU's",
    )
    orientation_max_gap_s: float = parameter(
        0.1, "an IMU sample further from the image than this is not used", 0.001, 5
    )
    odometry_max_age_s: float = parameter(0.3, "odometry further from the image than this is not used", 0.01, 10.0)
    depth_max_age_s: float = parameter(0.05, "a depth image further from the image than this is not used", 0.0, 1.0)

    def __post_init__(self) -> None:
        """Checks also that the rotations are quaternions."""
        super().__post_init__()
        for name in ("camera_imu_rotation", "camera_base_rotation"):
            if getattr(self, name):
                unit_quaternion(getattr(self, name), name)


def unit_quaternion(xyzw: tuple[float, ...], name: str = "camera_imu_rotation") -> FloatArray:
    """(4,) of norm 1; raises ConfigError, which calls it `name`, for anything that is no rotation."""
    from headway.errors import ConfigError

    q = np.asarray(xyzw, float)
    norm = np.linalg.norm(q) if q.shape == (4,) else 0.0
    if not 0.9 < norm < 1.1:
        raise ConfigError(f"{name} = {list(xyzw)}: a quaternion x y z w of norm 1 is wanted")
    return q / norm


class Sensors:
    """Latest state of every sensor beside the camera. Safe to feed and to ask from different threads."""

    def __init__(self, config: SensorConfig | None = None) -> None:
        self.config = config or SensorConfig()
        self._axes = self._empty_axes()
        self._gravity = GravityCheck()
        self._imu_seen = False
        self._camera: Camera | None = None
        self._camera_fault = "no camera_info received"
        self._depths: History[FloatArray] = History(DEPTHS_KEPT)
        self._lock = threading.Lock()
        self.refused = Reasons()  # reason -> number of sensor messages that were not used
        self.oriented_by: Counter[str] = Counter()  # "imu", "odometry" or "nothing" -> views

    def on_camera_info(self, message: Any) -> None:
        """sensor_msgs/CameraInfo."""
        camera = camera_from_message(message)
        with self._lock:
            if isinstance(camera, str):
                self.refused.add(camera)
                self._camera, self._camera_fault = None, camera
            else:
                self._camera = camera

    def on_imu(self, message: Any) -> None:
        """sensor_msgs/Imu with orientation."""
        o = message.orientation
        q = np.array([o.x, o.y, o.z, o.w], float)
        with self._lock:
            if message.orientation_covariance[0] == -1:  # the message's own way to say "not measured"
                self.refused.add("the IMU gives no orientation")
            elif not are_rotations(q):
                self.refused.add("IMU orientation is no rotation")
            else:
                self._imu_seen = True
                self._axes.push_imu(stamp_of(message), q / np.linalg.norm(q))
                self._gravity.feel(q, _specific_force(message))

    def on_odometry(self, message: Any) -> None:
        """nav_msgs/Odometry; the twist is in the child frame (x forward, y left, z up), the pose turns it."""
        v, o = message.twist.twist.linear, message.pose.pose.orientation
        q = np.array([o.x, o.y, o.z, o.w], float)
        velocity = np.array([v.x, v.y, v.z], float)
        yaw_rate = float(message.twist.twist.angular.z)
        with self._lock:
            if not np.isfinite([*velocity, yaw_rate]).all() or not are_rotations(q):
                self.refused.add("odometry is not finite, or its orientation is no rotation")
                return
            self._axes.push_odometry(Motion(stamp_of(message), q / np.linalg.norm(q), velocity, yaw_rate))

    def on_depth(self, message: Any) -> None:
        """sensor_msgs/Image, 32FC1 metres or 16UC1 millimetres, aligned with the colour image."""
        depth = depth_from_message(message)
        with self._lock:
            if isinstance(depth, str):
                self.refused.add(depth)
            else:
                self._depths.push(stamp_of(message), depth)

    def camera(self, width: int, height: int) -> Camera | str:
        """Intrinsics for images of this size, or why there are none."""
        camera = self._camera
        if camera is None:
            return self._camera_fault
        if (camera.width, camera.height) == (width, height):
            return camera
        return f"camera_info is for {camera.width}x{camera.height} images, this one is {width}x{height}"

    def view(self, stamp_ns: int, frame_id: str, width: int, height: int) -> View:
        """What is known of the camera at `stamp_ns`; `unsure` says what is missing, camera first."""
        with self._lock:
            camera = self.camera(width, height)
            orientation, source = self._axes.at(stamp_ns)
            odometry = self._axes.odometry(stamp_ns)
            depth = self._aligned(self._depths.nearest(stamp_ns), stamp_ns, width, height)
            tilted = self._gravity.look(stamp_ns, orientation) if orientation is not None and source == IMU else ""
            self.oriented_by[source or "nothing"] += 1
        if odometry and abs(odometry.stamp_ns - stamp_ns) > 1e9 * self.config.odometry_max_age_s:
            odometry = None
        unsure = camera if isinstance(camera, str) else ""
        if not unsure and orientation is None:
            unsure = self._orientation_fault()
        return View(
            stamp_ns=stamp_ns,
            frame_id=frame_id,
            camera=None if isinstance(camera, str) else camera,
            orientation=orientation,
            odometry=odometry,
            depth=depth,
            unsure=unsure or tilted,
        )

    def _aligned(
        self, found: tuple[int, FloatArray] | None, stamp_ns: int, width: int, height: int
    ) -> FloatArray | None:
        """The depth of an image; None where there is none. An image without a size asks for none."""
        if found is None or not width:
            return None
        at_ns, depth = found
        if abs(at_ns - stamp_ns) > 1e9 * self.config.depth_max_age_s:
            self.refused.add(f"no depth image within {self.config.depth_max_age_s:g} s of the image")
            return None
        if depth.shape != (height, width):
            size = f"{depth.shape[1]}x{depth.shape[0]}"
            self.refused.add(f"the depth image is {size}, the image {width}x{height}: it must be aligned with it")
            return None
        return depth

    def summary(self) -> dict[str, int]:
        """Lines for the diagnostics: which sensor said how the camera was turned, and what was not used."""
        with self._lock:
            oriented = {f"oriented by {k}": v for k, v in self.oriented_by.items()}
            return oriented | {f"refused: {k}": v for k, v in self.refused.items()}

    def _orientation_fault(self) -> str:
        if not self.config.camera_imu_rotation:
            return "camera_imu_rotation is not set: the camera is taken as standing still and level"
        if not self._imu_seen:
            return "no IMU orientation received"
        return f"no IMU sample within {self.config.orientation_max_gap_s:g} s of the image"

    def _empty_axes(self) -> Axes:
        c = self.config
        imu, base = (
            rotation_from_quaternion(unit_quaternion(q)) if q else None
            for q in (c.camera_imu_rotation, c.camera_base_rotation)
        )
        return Axes(imu, base, c.orientation_max_gap_s, c.odometry_max_age_s)

    def reset(self) -> None:
        """Forgets everything that is bound to a time; the intrinsics stay."""
        with self._lock:
            self._axes, self._gravity, self._depths = self._empty_axes(), GravityCheck(), History(DEPTHS_KEPT)


def _specific_force(message: Any) -> FloatArray:
    """(3,) m/s² in the IMU's axes, NaN where the message says that it was not measured."""
    force = getattr(message, "linear_acceleration", None)
    if force is None or message.linear_acceleration_covariance[0] == -1:
        return np.full(3, np.nan)
    return np.array([force.x, force.y, force.z], float)


def stamp_of(message: Any) -> int:
    """Header stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def camera_from_message(message: Any) -> Camera | str:
    """sensor_msgs/CameraInfo -> Camera, or why it cannot be used."""
    k = np.asarray(message.k, float)
    d = np.asarray(message.d, float)
    if message.width == 0 or message.height == 0:
        return "camera_info has size 0"
    if not np.isfinite(k).all() or not np.isfinite(d).all():
        return "camera_info holds NaN or infinity"
    if k[0] <= 0 or k[4] <= 0:
        return "camera_info has no focal length: the camera is not calibrated"
    if np.abs(k).max() > PIXELS_LIMIT or min(k[0], k[4]) < 1.0 or (np.abs(d) > DISTORTION_LIMIT).any():
        return "camera_info holds numbers that no camera has"
    if d.any() and len(d) not in DISTORTION_LENGTHS:
        return f"camera_info has {len(d)} distortion coefficients: {', '.join(map(str, DISTORTION_LENGTHS))} are known"
    if d.any() and message.distortion_model not in ("plumb_bob", "rational_polynomial", ""):
        return f"distortion model '{message.distortion_model}' is none of plumb_bob, rational_polynomial"
    distortion = tuple(float(v) for v in d) if d.any() else ()
    return Camera(int(message.width), int(message.height), k[0], k[4], k[2], k[5], distortion)


def depth_from_message(message: Any) -> FloatArray | str:
    """sensor_msgs/Image of depth -> (H, W) float32 metres, or why it cannot be used."""
    kinds = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 1e-3)}
    if message.encoding not in kinds:
        return f"depth encoding '{message.encoding}' is none of {', '.join(kinds)}"
    code, scale = kinds[message.encoding]
    dtype = np.dtype(code).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(message.data, np.uint8)
    if width == 0 or height == 0 or step < width * dtype.itemsize or data.size < height * step:
        return f"depth image {width}x{height} with step {step} has {data.size} bytes"
    rows = data[: height * step].reshape(height, step)[:, : width * dtype.itemsize]
    return np.ascontiguousarray(rows).view(dtype).astype(np.float32) * np.float32(scale)
