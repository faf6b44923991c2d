"""One set of axes from two sensors: the IMU first, the odometry where the IMU is silent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.axes import IMU, NOTHING, ODOMETRY, Axes, Motion, about_vertical
from headway.geometry import OPTICAL_TO_BODY

MS = 1_000_000


def turned(yaw_deg: float, pitch_deg: float = 0.0) -> np.ndarray:
    return Rotation.from_euler("zy", [yaw_deg, pitch_deg], degrees=True).as_quat()


def axes(base: bool = True) -> Axes:
    """A camera that looks forward, on an IMU and a base whose axes are forward, left, up."""
    return Axes(OPTICAL_TO_BODY, OPTICAL_TO_BODY if base else None, 0.1, 0.3)


def drive(a: Axes, at_ms: int, yaw_deg: float, imu: bool, odom: bool, apart_deg: float = 70.0) -> None:
    """Both sensors see the same turn; the odometry's north is `apart_deg` off the IMU's."""
    if imu:
        a.push_imu(at_ms * MS, turned(yaw_deg))
    if odom:
        a.push_odometry(Motion(at_ms * MS, turned(yaw_deg + apart_deg), np.array([1.0, 0, 0]), 0.0))


def heading(orientation: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(orientation[1, 2], orientation[0, 2])))


def test_where_the_imu_is_missing_the_odometry_says_how_the_camera_is_turned() -> None:
    a = axes()
    drive(a, 0, 20.0, imu=False, odom=True, apart_deg=0.0)
    orientation, source = a.at(0)
    assert source == ODOMETRY
    assert heading(orientation) == pytest.approx(20.0)
    assert Axes(OPTICAL_TO_BODY, None, 0.1, 0.3).at(0) == (None, NOTHING)


@pytest.mark.parametrize("first", [IMU, ODOMETRY])
def test_the_axes_do_not_jump_where_one_sensor_takes_over_from_the_other(first: str) -> None:
    a = axes()
    found, sources = [], []
    for step in range(30):
        at, yaw = 50 * step, 2.0 * step
        early, late = step < 20, step >= 10
        drive(a, at, yaw, imu=early if first == IMU else late, odom=late if first == IMU else early)
        orientation, source = a.at(at * MS)
        found.append(heading(orientation))
        sources.append(source)
    assert sources[0] == first
    assert sources[-1] == (ODOMETRY if first == IMU else IMU)
    np.testing.assert_allclose(np.diff(found), 2.0, atol=1e-6)


def test_the_velocity_is_in_the_axes_of_the_orientation_whatever_the_odometrys_north() -> None:
    a = axes()
    drive(a, 0, 30.0, imu=True, odom=True, apart_deg=-100.0)
    forward = np.array([np.cos(np.radians(30)), np.sin(np.radians(30)), 0.0])
    np.testing.assert_allclose(a.odometry(0).velocity, forward, atol=1e-9)
    # A mounting that is not known leaves nothing but to take the two norths for one.
    assumed = axes(base=False)
    drive(assumed, 0, 30.0, imu=True, odom=True, apart_deg=0.0)
    np.testing.assert_allclose(assumed.odometry(0).velocity, forward, atol=1e-9)


def test_only_the_turn_about_the_vertical_is_taken_over() -> None:
    tilted = Rotation.from_euler("zyx", [40, 10, -5], degrees=True).as_matrix()
    about = about_vertical(tilted)
    np.testing.assert_allclose(about @ [0, 0, 1], [0, 0, 1], atol=1e-12)
    assert np.degrees(np.arctan2(about[1, 0], about[0, 0])) == pytest.approx(40, abs=1.0)
