"""A wrong camera_imu_rotation is found by gravity when the first views come in, where gravity can see it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.geometry import OPTICAL_TO_BODY
from headway.gravity import GravityCheck

RATE = 15
LEVEL = np.array([0.0, 0.0, 0.0, 1.0])
UP = np.array([0.0, 0.0, 9.81])


def seconds(check: GravityCheck, mounting: np.ndarray, start_s: float = 0.0, length_s: float = 3.0, force=UP) -> str:
    """A walker whose head nods and sways, seen through `mounting` (camera optical -> IMU)."""
    for i in range(int(length_s * RATE)):
        at = start_s + i / RATE
        sway = Rotation.from_euler("zyx", [20 * np.sin(at), 10 * np.sin(9 * at) + 8, 4 * np.sin(4 * at)], degrees=True)
        check.feel(sway.as_quat(), sway.inv().apply(force))
        check.look(round(at * 1e9), sway.as_matrix() @ mounting)
    return check.fault


def test_a_mounting_that_is_right_passes_while_the_wearer_walks() -> None:
    assert seconds(GravityCheck(), OPTICAL_TO_BODY) == ""


@pytest.mark.parametrize(("axis", "angle"), [("x", 90), ("x", 180), ("y", 90), ("y", -90), ("y", 180), ("x", 45)])
def test_a_mounting_that_is_wrong_by_a_quarter_turn_is_said(axis: str, angle: float) -> None:
    wrong = Rotation.from_euler(axis, angle, degrees=True).as_matrix() @ OPTICAL_TO_BODY
    assert "camera_imu_rotation" in seconds(GravityCheck(), wrong)


def test_the_identity_for_a_mounting_is_said() -> None:
    assert "camera_imu_rotation" in seconds(GravityCheck(), np.eye(3))


def test_a_mounting_that_is_wrong_about_the_vertical_cannot_be_seen_by_gravity() -> None:
    aside = Rotation.from_euler("z", 90, degrees=True).as_matrix() @ OPTICAL_TO_BODY
    assert seconds(GravityCheck(), aside) == ""


def test_an_orientation_that_has_another_up_than_the_accelerometer_is_said() -> None:
    assert "accelerometer" in seconds(GravityCheck(), OPTICAL_TO_BODY, force=np.array([9.81, 0.0, 0.0]))
    assert seconds(GravityCheck(), OPTICAL_TO_BODY, force=np.zeros(3)) == "", "an accelerometer that is not filled in"
    assert seconds(GravityCheck(), OPTICAL_TO_BODY, force=np.full(3, np.nan)) == ""


def test_a_glance_at_the_ground_is_forgiven_and_the_check_is_one_of_the_start() -> None:
    check = GravityCheck()
    down = Rotation.from_euler("y", 80, degrees=True).as_matrix() @ OPTICAL_TO_BODY
    assert seconds(check, down, length_s=2.5) != ""
    assert seconds(check, OPTICAL_TO_BODY, start_s=2.5, length_s=6.0) == ""
    assert seconds(check, down, start_s=10.0) == "", "what comes after the start is the tilt limit's matter"


def test_an_imu_that_no_view_asks_for_fills_no_memory() -> None:
    check = GravityCheck()
    tracemalloc.start()
    for _ in range(20_000):
        check.feel(LEVEL, UP)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 10_000, "bytes"
