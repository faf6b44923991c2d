import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from headway.geometry import OPTICAL_TO_BODY
from headway.orientation import OrientationBuffer

MS = 1_000_000
START = 1_700_000_000_000_000_000


def turning(yaw_deg_per_s: float = 90.0, count: int = 20, period_ms: int = 10) -> tuple[list[int], Rotation]:
    stamps = [START + i * period_ms * MS for i in range(count)]
    angles = [[yaw_deg_per_s * i * period_ms / 1e3, 5.0, -3.0] for i in range(count)]
    return stamps, Rotation.from_euler("zyx", angles, degrees=True)


def filled(mounting: np.ndarray | None, max_gap_s: float = 0.1) -> OrientationBuffer:
    buffer = OrientationBuffer(mounting, max_gap_s)
    stamps, rotations = turning()
    for stamp, quaternion in zip(stamps, rotations.as_quat(), strict=True):
        assert buffer.push(stamp, quaternion)
    return buffer


@given(st.integers(0, 190 * MS))
def test_between_two_messages_the_orientation_is_the_oracles_slerp(offset: int) -> None:
    stamps, rotations = turning()
    oracle = Slerp(np.array(stamps) - START, rotations)(offset).as_matrix()
    found = filled(OPTICAL_TO_BODY).at(START + offset)
    assert found is not None
    np.testing.assert_allclose(found, oracle @ OPTICAL_TO_BODY, atol=1e-9)


def test_an_unknown_mounting_is_never_assumed() -> None:
    assert filled(None).at(START + 50 * MS) is None


def test_a_gap_is_not_bridged_and_the_future_not_guessed() -> None:
    buffer = filled(OPTICAL_TO_BODY)
    last = START + 190 * MS
    assert buffer.at(last + 50 * MS) is not None
    assert buffer.at(last + 150 * MS) is None
    assert buffer.at(START - 1) is None
    buffer.push(last + 500 * MS, np.array([0.0, 0, 0, 1]))
    assert buffer.at(last + 60 * MS) is None
    assert buffer.at(last + 500 * MS) is not None


def test_shortly_after_the_newest_message_the_turning_goes_on() -> None:
    found = filled(OPTICAL_TO_BODY).at(START + 220 * MS)
    assert found is not None
    oracle = Rotation.from_euler("zyx", [90.0 * 0.22, 5, -3], degrees=True).as_matrix() @ OPTICAL_TO_BODY
    assert np.degrees(Rotation.from_matrix(found.T @ oracle).magnitude()) < 0.1


@pytest.mark.parametrize("bad", [[np.nan, 0, 0, 1], [0, 0, 0, 0], [np.inf, 0, 0, 1], [0, 0, 1]])
def test_a_broken_quaternion_is_refused(bad: list[float]) -> None:
    buffer = filled(OPTICAL_TO_BODY)
    assert not buffer.push(START + 200 * MS, np.array(bad))
    assert buffer.at(START + 100 * MS) is not None


def test_repeated_messages_are_refused_and_a_clock_step_starts_afresh() -> None:
    buffer = filled(OPTICAL_TO_BODY)
    one = np.array([0.0, 0, 0, 1])
    assert not buffer.push(START + 190 * MS, one)
    assert not buffer.push(START + 100 * MS, one)
    assert buffer.push(START - 5_000 * MS, one)
    assert buffer.at(START + 100 * MS) is None
    assert buffer.at(START - 5_000 * MS) is not None


def test_in_whatever_order_the_messages_come_the_answer_is_the_same() -> None:
    ordered, shuffled = filled(OPTICAL_TO_BODY), OrientationBuffer(OPTICAL_TO_BODY)
    samples = list(ordered._samples)
    for i in np.random.default_rng(0).permutation(len(samples)):
        assert shuffled.push(*samples[i])
    for at in (START, START + 95 * MS, START + 190 * MS, START + 220 * MS):
        np.testing.assert_array_equal(shuffled.at(at), ordered.at(at))


@given(
    st.lists(
        st.tuples(st.integers(0, 10**10), st.lists(st.floats(allow_nan=True), min_size=4, max_size=4)), max_size=20
    )
)
def test_whatever_comes_in_what_comes_out_is_a_rotation(messages: list[tuple[int, list[float]]]) -> None:
    buffer = OrientationBuffer(OPTICAL_TO_BODY, 10.0)
    for stamp, quaternion in messages:
        buffer.push(stamp, np.array(quaternion))
        found = buffer.at(stamp)
        if found is not None:
            np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-6)


def test_samples_stamped_on_arrival_do_not_multiply_a_turn() -> None:
    buffer = OrientationBuffer(OPTICAL_TO_BODY)
    for burst in range(10):  # a serial line hands over two samples every 16 ms, stamped 0.1 ms apart
        for k in range(2):
            taken_s = (16 * burst + 8 * k) * 1e-3
            buffer.push(START + (16 * burst * 1000 + 100 * k) * 1000, about_z(60.0 * taken_s))
    found = buffer.at(START + (16 * 9 + 15) * MS)
    assert found is not None
    turned = Rotation.from_matrix(found @ OPTICAL_TO_BODY.T).magnitude()
    assert abs(np.degrees(turned) - 60.0 * (16 * 9 + 15) * 1e-3) < 1.0


def test_noise_of_a_fast_imu_is_not_carried_on_as_a_turn() -> None:
    random = np.random.default_rng(1)
    errors = []
    for _ in range(50):
        buffer = OrientationBuffer(OPTICAL_TO_BODY)
        for k in range(60):
            buffer.push(START + k * MS, about_z(random.normal(0.0, 0.05)))
        found = buffer.at(START + (59 + 30) * MS)
        assert found is not None
        errors.append(np.degrees(Rotation.from_matrix(found @ OPTICAL_TO_BODY.T).magnitude()))
    assert np.mean(errors) < 0.2, "degrees, of samples that are 0.05 off"


def test_two_samples_a_moment_apart_are_no_turn_at_all() -> None:
    buffer = OrientationBuffer(OPTICAL_TO_BODY)
    buffer.push(START, about_z(0.0))
    buffer.push(START + MS, about_z(1.0))
    found = buffer.at(START + 50 * MS)
    assert found is not None
    assert np.degrees(Rotation.from_matrix(found @ OPTICAL_TO_BODY.T).magnitude()) == pytest.approx(1.0)


def about_z(degrees: float) -> np.ndarray:
    return np.asarray(Rotation.from_euler("z", degrees, degrees=True).as_quat())
