"""Numbers that no sensor means are refused and counted, each by itself: a drawn example seldom holds a NaN."""

from __future__ import annotations

from types import SimpleNamespace as Message

import numpy as np
import pytest

from headway.counting import Reasons
from headway.sensors import SensorConfig, Sensors

SECOND = 1_000_000_000
NAN, INF = float("nan"), float("inf")
FORWARD = (-0.5, 0.5, -0.5, 0.5)  # a camera that looks along the IMU's x axis
LEVEL = (0.0, 0.0, 0.0, 1.0)


def header(stamp_ns: int) -> Message:
    return Message(stamp=Message(sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND), frame_id="f")


def odometry(stamp_ns: int, velocity=(1.0, 0.0, 0.0), yaw_rate: float = 0.0, xyzw=LEVEL) -> Message:
    pose = Message(pose=Message(orientation=Message(**dict(zip("xyzw", xyzw, strict=True)))))
    linear = Message(**dict(zip("xyz", velocity, strict=True)))
    twist = Message(twist=Message(linear=linear, angular=Message(x=0.0, y=0.0, z=yaw_rate)))
    return Message(header=header(stamp_ns), pose=pose, twist=twist)


def imu(stamp_ns: int) -> Message:
    q = Message(**dict(zip("xyzw", LEVEL, strict=True)))
    return Message(header=header(stamp_ns), orientation=q, orientation_covariance=[0.0] * 9)


def info() -> Message:
    k = [500.0, 0, 320, 0, 500.0, 240, 0, 0, 1]
    return Message(header=header(SECOND), width=640, height=480, k=k, d=[0.0] * 5, distortion_model="plumb_bob")


@pytest.mark.parametrize(
    "wrong",
    [
        {"velocity": (NAN, 0.0, 0.0)},
        {"velocity": (0.0, 0.0, -INF)},
        {"yaw_rate": NAN},
        {"yaw_rate": INF},
        {"xyzw": (0.0, 0.0, 0.0, 0.0)},
        {"xyzw": (0.0, 0.0, NAN, 1.0)},
    ],
    ids=str,
)
def test_odometry_with_a_number_that_is_none_is_refused_and_the_one_before_still_holds(wrong) -> None:
    sensors = Sensors()
    sensors.on_odometry(odometry(SECOND))
    sensors.on_odometry(odometry(SECOND + SECOND // 20, **wrong))
    found = sensors.view(SECOND + SECOND // 10, "lens", 0, 0).odometry
    assert found is not None
    assert found.stamp_ns == SECOND
    assert sum(sensors.refused.values()) == 1


def test_a_mounting_that_gravity_contradicts_makes_the_view_unsure() -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=LEVEL))
    sensors.on_camera_info(info())
    for i in range(60):
        sensors.on_imu(imu(SECOND + i * SECOND // 15))
        view = sensors.view(SECOND + i * SECOND // 15, "lens", 640, 480)
    assert view.orientation is not None
    assert "camera_imu_rotation is probably wrong" in view.unsure


def test_a_reset_forgets_whatever_is_bound_to_a_time_and_keeps_the_intrinsics() -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=FORWARD))
    metres = np.ones((480, 640), "<f4")
    depth = Message(header=header(SECOND), encoding="32FC1", is_bigendian=0, height=480, width=640, step=2560)
    depth.data = metres.tobytes()
    sensors.on_camera_info(info())
    sensors.on_imu(imu(SECOND))
    sensors.on_odometry(odometry(SECOND))
    sensors.on_depth(depth)
    known = sensors.view(SECOND, "lens", 640, 480)
    assert all(part is not None for part in (known.camera, known.orientation, known.odometry, known.depth))
    sensors.reset()
    found = sensors.view(SECOND, "lens", 640, 480)
    assert found.camera is not None
    assert [found.orientation, found.odometry, found.depth] == [None, None, None]


def test_the_diagnostics_can_be_read_while_a_frame_finds_a_depth_image_that_does_not_fit() -> None:
    """The count gets a line for a reason that is new: not while another thread goes through its lines."""

    class Watched(Reasons):
        def add(self, reason: str, count: int = 1) -> None:
            held.append(sensors._lock.locked())

    sensors, held = Sensors(), []
    sensors.refused = Watched()
    depth = Message(header=header(SECOND), encoding="32FC1", is_bigendian=0, height=1, width=1, step=4, data=bytes(4))
    sensors.on_depth(depth)
    for stamp, width in ((SECOND, 640), (2 * SECOND, 1)):
        assert sensors.view(stamp, "lens", width, 1).depth is None
    assert held == [True, True]
