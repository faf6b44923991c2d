"""What the orientation is carried on from, and how much of the past is kept."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.orientation import OrientationBuffer

MS = 1_000_000


def turned(degrees: float) -> np.ndarray:
    return Rotation.from_euler("z", degrees, degrees=True).as_quat()


def yaw(found: np.ndarray | None) -> float:
    assert found is not None
    return float(np.degrees(np.arctan2(found[1, 0], found[0, 0])))


def test_a_turn_before_a_gap_is_not_carried_on_after_it() -> None:
    buffer = OrientationBuffer(np.eye(3))
    buffer.push(0, turned(0.0))
    buffer.push(500 * MS, turned(80.0))
    assert yaw(buffer.at(520 * MS)) == pytest.approx(80.0)


def test_two_samples_stamped_together_give_no_turning_rate() -> None:
    """Half a degree in a tenth of a millisecond is jitter of the stamps: 5,000 degrees a second are no head's."""
    buffer = OrientationBuffer(np.eye(3))
    buffer.push(0, turned(0.0))
    buffer.push(100 * MS, turned(1.0))
    buffer.push(100 * MS + MS // 10, turned(1.5))
    assert yaw(buffer.at(100 * MS + MS // 5)) == pytest.approx(1.5, abs=0.05)


def test_what_is_kept_does_not_grow_with_time() -> None:
    buffer = OrientationBuffer(np.eye(3))
    for i in range(3000):
        buffer.push(i * 5 * MS, turned(0.1 * i))
    assert len(buffer._samples) <= 1001, "five seconds at 200 Hz"
    assert buffer.at(9 * 1000 * MS) is None
