"""What arrives beside the images: read, refused with a reason, matched by stamp."""

from __future__ import annotations

from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import ConfigError
from headway.geometry import OPTICAL_TO_BODY
from headway.sensors import SensorConfig, Sensors, camera_from_message, depth_from_message, stamp_of

SECOND = 1_000_000_000
FORWARD = (-0.5, 0.5, -0.5, 0.5)  # a camera that looks along the IMU's x axis


def header(stamp_ns: int) -> Message:
    return Message(stamp=Message(sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND), frame_id="f")


def info(**changes: Any) -> Message:
    k = [500.0, 0, 320, 0, 500.0, 240, 0, 0, 1]
    fields = {"width": 640, "height": 480, "k": k, "d": [0.0] * 5, "distortion_model": "plumb_bob", **changes}
    return Message(header=header(SECOND), **fields)


def imu(stamp_ns: int, xyzw: tuple[float, ...] = (0, 0, 0, 1), covariance: float = 0.0) -> Message:
    q = Message(**dict(zip("xyzw", xyzw, strict=True)))
    return Message(header=header(stamp_ns), orientation=q, orientation_covariance=[covariance] * 9)


def odometry(stamp_ns: int, speed: float = 1.0, yaw_deg: float = 0.0, yaw_rate: float = 0.0) -> Message:
    half = np.radians(yaw_deg) / 2
    pose = Message(pose=Message(orientation=Message(x=0.0, y=0.0, z=np.sin(half), w=np.cos(half))))
    twist = Message(linear=Message(x=speed, y=0.0, z=0.0), angular=Message(x=0.0, y=0.0, z=yaw_rate))
    return Message(header=header(stamp_ns), pose=pose, twist=Message(twist=twist))


def test_a_complete_view_is_not_unsure() -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=FORWARD))
    sensors.on_camera_info(info())
    sensors.on_imu(imu(10 * SECOND - 5_000_000))
    sensors.on_imu(imu(10 * SECOND + 5_000_000))
    sensors.on_odometry(odometry(10 * SECOND, speed=2.0, yaw_deg=90.0))
    view = sensors.view(10 * SECOND, "lens", 640, 480)
    assert view.unsure == ""
    assert view.camera is not None
    assert view.camera.fx == 500.0
    assert view.orientation is not None
    np.testing.assert_allclose(view.orientation, OPTICAL_TO_BODY, atol=1e-12)
    assert view.odometry is not None
    # Driving forward with the nose to the left is moving to the left of the start.
    np.testing.assert_allclose(view.odometry.velocity, [0.0, 2.0, 0.0], atol=1e-9)


@pytest.mark.parametrize(
    ("config", "feed", "word"),
    [
        ((), ["imu"], "camera_info"),
        ((), ["info", "imu"], "camera_imu_rotation is not set"),
        (FORWARD, ["info"], "no IMU orientation received"),
        (FORWARD, ["info", "old imu"], "no IMU sample within 0.1 s"),
    ],
)
def test_what_is_missing_is_named_and_never_assumed(config: tuple[float, ...], feed: list[str], word: str) -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=config))
    if "info" in feed:
        sensors.on_camera_info(info())
    if "imu" in feed:
        sensors.on_imu(imu(10 * SECOND))
    if "old imu" in feed:
        sensors.on_imu(imu(5 * SECOND))
    view = sensors.view(10 * SECOND, "lens", 640, 480)
    assert word in view.unsure
    assert view.orientation is None


def test_intrinsics_of_another_size_are_not_used() -> None:
    sensors = Sensors()
    sensors.on_camera_info(info())
    view = sensors.view(SECOND, "lens", 320, 240)
    assert view.camera is None
    assert "640x480" in view.unsure
    assert "320x240" in view.unsure


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"k": [float("nan")] * 9}, "NaN"),
        ({"k": [0.0] * 9}, "not calibrated"),
        ({"width": 0}, "size 0"),
        ({"d": [0.1, 0, 0, 0], "distortion_model": "equidistant"}, "equidistant"),
    ],
)
def test_bad_camera_info_is_refused_with_its_reason_and_forgotten_when_a_good_one_comes(
    changes: dict[str, Any], word: str
) -> None:
    assert word in str(camera_from_message(info(**changes)))
    sensors = Sensors()
    sensors.on_camera_info(info(**changes))
    assert word in sensors.view(SECOND, "lens", 640, 480).unsure
    assert sum(sensors.refused.values()) == 1
    sensors.on_camera_info(info())
    assert sensors.view(SECOND, "lens", 640, 480).camera is not None


def test_an_imu_that_says_it_has_no_orientation_is_believed() -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=FORWARD))
    sensors.on_imu(imu(SECOND, covariance=-1))
    assert sensors.view(SECOND, "lens", 640, 480).orientation is None
    assert sensors.refused == {"the IMU gives no orientation": 1}


@given(st.lists(st.floats(), min_size=4, max_size=4), st.floats(), st.floats())
def test_nothing_that_is_not_finite_gets_through(q: list[float], speed: float, yaw_rate: float) -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=FORWARD))
    sensors.on_imu(imu(SECOND, tuple(q)))
    sensors.on_odometry(odometry(SECOND, speed=speed, yaw_rate=yaw_rate))
    view = sensors.view(SECOND, "lens", 640, 480)
    assert view.orientation is None or np.isfinite(view.orientation).all()
    assert view.odometry is None or np.isfinite([*view.odometry.velocity, view.odometry.yaw_rate]).all()


def test_old_odometry_is_not_used() -> None:
    sensors = Sensors()
    sensors.on_odometry(odometry(SECOND))
    assert sensors.view(SECOND + SECOND // 5, "lens", 0, 0).odometry is not None
    assert sensors.view(SECOND + SECOND // 2, "lens", 0, 0).odometry is None


def test_a_frame_that_waited_gets_the_odometry_that_held_when_it_was_taken() -> None:
    sensors = Sensors()
    for tenth, speed in enumerate((1.0, 2.0, 3.0, 4.0)):
        sensors.on_odometry(odometry(SECOND + tenth * SECOND // 10, speed=speed))
    found = [sensors.view(SECOND + ms * 1_000_000, "lens", 0, 0).odometry for ms in (-50, 100, 150, 320)]
    assert [o and o.velocity[0] for o in found] == [1.0, 2.0, 2.0, 4.0]


def test_a_frame_that_waited_gets_the_depth_of_its_own_moment() -> None:
    sensors = Sensors()
    for frame in range(4):
        message = depth("32FC1", np.full((2, 2), frame, "<f4"))
        message.header = header(SECOND + frame * SECOND // 30)
        sensors.on_depth(message)
    for frame in range(4):
        found = sensors.view(SECOND + frame * SECOND // 30 + 1_000_000, "lens", 2, 2).depth
        assert found is not None
        assert (found == frame).all()
    assert sensors.view(2 * SECOND, "lens", 2, 2).depth is None


def depth(encoding: str, values: np.ndarray, pad: int = 0, **changes: Any) -> Message:
    rows = values.view(np.uint8).reshape(values.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, pad)))
    fields = {"encoding": encoding, "is_bigendian": 0, "step": padded.shape[1], "data": padded.tobytes(), **changes}
    return Message(header=header(SECOND), height=values.shape[0], width=values.shape[1], **fields)


def test_depth_is_metres_whatever_its_encoding_and_padding() -> None:
    millimetres = np.array([[1000, 2000], [0, 4500]], "<u2")
    metres = (millimetres * 1e-3).astype("<f4")
    for message in (depth("16UC1", millimetres), depth("16UC1", millimetres, pad=6), depth("32FC1", metres, pad=4)):
        np.testing.assert_allclose(depth_from_message(message), metres, rtol=1e-6)


@pytest.mark.parametrize(
    "message",
    [
        depth("8UC1", np.zeros((2, 2), "<u2")),
        depth("16UC1", np.zeros((2, 2), "<u2"), data=b"\0\0"),
        depth("32FC1", np.zeros((2, 2), "<f4"), step=3),
    ],
)
def test_bad_depth_is_refused_in_words(message: Message) -> None:
    assert isinstance(depth_from_message(message), str)


@pytest.mark.parametrize("q", [(0, 0, 0, 0), (1, 0, 0), (2, 0, 0, 0)])
def test_a_mounting_that_is_no_rotation_is_a_configuration_error(q: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="quaternion"):
        SensorConfig(camera_imu_rotation=q)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d": [0.1]}, "1 distortion coefficients"),
        ({"d": [0.1] * 7}, "7 distortion coefficients"),
        ({"d": [1e300] * 5}, "no camera has"),
        ({"k": [1e300, 0, 320, 0, 500, 240, 0, 0, 1]}, "no camera has"),
        ({"k": [1e-300, 0, 320, 0, 500, 240, 0, 0, 1]}, "no camera has"),
        ({"k": [500, 0, -1e200, 0, 500, 240, 0, 0, 1]}, "no camera has"),
    ],
)
def test_intrinsics_that_no_camera_has_are_refused_where_they_come_in(changes, words) -> None:
    message = info()
    for name, value in changes.items():
        setattr(message, name, value)
    assert words in str(camera_from_message(message))


def test_depth_of_another_size_is_not_used_and_that_is_said() -> None:
    sensors = Sensors()
    message = depth("32FC1", np.ones((2, 2), "<f4"))
    sensors.on_depth(message)
    at = stamp_of(message)
    assert sensors.view(at, "lens", 2, 2).depth is not None
    assert sensors.refused == {}
    assert sensors.view(at, "lens", 4, 2).depth is None
    assert sensors.refused == {"the depth image is 2x2, the image 4x2: it must be aligned with it": 1}
    assert sensors.view(at + SECOND, "lens", 2, 2).depth is None
    assert "no depth image within 0.05 s of the image" in sensors.refused
