import numpy as np
import pytest

from headway.stages.memory import ForecastRing, moved_on

STEP_S, START, SLOTS = 0.4, 1_700_000_000_000_000_000, 3


def straight(now_s: float) -> np.ndarray:
    """Forecasts made at `now_s` of two people on straight lines, K = 3, T = 12."""
    t = now_s + STEP_S * np.arange(1, 13)
    velocity = np.array([[-1.0, 0.2], [0.5, 0.5]])
    return velocity[:, None, None] * t[:, None] + np.arange(3)[:, None, None]


def empty() -> dict[str, np.ndarray]:
    shapes = {"modes": (1, 8, SLOTS, 3, 12, 2), "log_probability": (1, 8, SLOTS, 3), "age": (1, 8, SLOTS)}
    feeds = {f"memory_{k}": np.zeros(s, np.float32) for k, s in shapes.items()}
    return feeds | {"memory_valid": np.zeros((1, 8, SLOTS), np.float32)}


def frame(
    ring: ForecastRing, seconds: float, ids=(4, 9), ego=None, modes=None, place=((0.0, 0.0), (0.0, 0.0))
) -> dict[str, np.ndarray]:
    """One frame: what the network would be fed; then its answer is kept."""
    feeds, stamp = empty(), START + round(seconds * 1e9)
    ring.fill(stamp, np.array(ids), np.array(place), None if ego is None else np.array(ego), feeds)
    ring.keep(stamp, np.array(ids), straight(seconds) if modes is None else modes, np.log(np.full((2, 3), 1 / 3)))
    return feeds


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.65, 1.1])
def test_a_path_moved_on_is_the_same_path_later(seconds: float) -> None:
    np.testing.assert_allclose(moved_on(straight(0.0), seconds / STEP_S), straight(seconds), atol=1e-12)


def test_the_newest_forecasts_come_first_at_the_present_moments_of_time() -> None:
    ring = ForecastRing(SLOTS, 0.8, STEP_S)
    for i in range(7):
        feeds = frame(ring, i / 15)
        known = min(i, SLOTS)
        assert feeds["memory_valid"][0, :2].sum(axis=1).tolist() == [known, known]
        np.testing.assert_allclose(feeds["memory_age"][0, 0, :known], np.arange(1, known + 1) / 15, rtol=1e-5)
        for r in range(known):
            np.testing.assert_allclose(feeds["memory_modes"][0, :2, r], straight(i / 15), atol=1e-5)
    assert not feeds["memory_valid"][0, 2:].any()


def test_rows_follow_the_track_and_a_new_person_has_no_memory() -> None:
    ring = ForecastRing(SLOTS, 0.8, STEP_S)
    frame(ring, 0.0)
    feeds = frame(ring, 0.1, ids=(9, 5))
    np.testing.assert_allclose(feeds["memory_modes"][0, 0, 0], straight(0.1)[1], atol=1e-5)
    assert feeds["memory_valid"][0, :, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_paths_are_seen_from_where_each_person_is_now() -> None:
    ring, place = ForecastRing(SLOTS, 0.8, STEP_S), np.array([[3.0, 1.0], [-2.0, 5.0]])
    frame(ring, 0.0)
    feeds = frame(ring, 0.1, place=place)
    np.testing.assert_allclose(feeds["memory_modes"][0, :2, 0], straight(0.1) - place[:, None, None], atol=1e-5)


def test_what_is_remembered_stays_where_it_was_while_the_camera_goes_on() -> None:
    """With odometry the network predicts people's own motion, seen from where the camera is."""
    ring, ego = ForecastRing(SLOTS, 0.8, STEP_S), np.array([1.5, -0.5])
    feeds = empty()
    for i in range(4):
        seconds = i / 10
        feeds = frame(ring, seconds, ego=ego, modes=straight(seconds) - seconds * ego)
    for r in range(3):
        np.testing.assert_allclose(feeds["memory_modes"][0, :2, r], straight(0.3) - 0.3 * ego, atol=1e-5)


def test_a_frame_on_which_the_network_fails_does_not_move_the_camera_twice() -> None:
    ring, ego = ForecastRing(SLOTS, 0.8, STEP_S), np.array([1.5, -0.5])
    frame(ring, 0.0, ego=ego)
    ring.fill(START + 100_000_000, np.array([4, 9]), np.zeros((2, 2)), ego, empty())  # and nothing is kept
    feeds = frame(ring, 0.2, ego=ego)
    np.testing.assert_allclose(feeds["memory_modes"][0, :2, 0], straight(0.2) - 0.2 * ego, atol=1e-5)


@pytest.mark.parametrize("case", ["long silence", "time goes back", "odometry is lost", "reset"])
def test_the_memory_is_forgotten(case: str) -> None:
    ring = ForecastRing(SLOTS, 0.8, STEP_S)
    frame(ring, 5.0, ego=[1.0, 0.0])
    if case == "reset":
        ring.reset()
    seconds = {"long silence": 6.0, "time goes back": 4.9}.get(case, 5.1)
    feeds = frame(ring, seconds, ego=None if case == "odometry is lost" else [1.0, 0.0])
    assert not feeds["memory_valid"].any()
    assert frame(ring, seconds + 0.1, ego=None if case == "odometry is lost" else [1.0, 0.0])["memory_valid"].any()


def test_nothing_is_looked_at_that_is_older_than_a_path_can_be_moved_on() -> None:
    ring = ForecastRing(SLOTS, 2.0, STEP_S)
    frame(ring, 0.0)
    frame(ring, 1.0)
    feeds = frame(ring, 1.3)
    assert feeds["memory_valid"][0, 0].tolist() == [1, 0, 0]
    assert not frame(ring, 2.8)["memory_valid"].any()


def test_old_forecasts_are_masked_and_no_memory_remembers_nothing() -> None:
    ring, none = ForecastRing(SLOTS, 0.5, STEP_S), ForecastRing(SLOTS, 0.0, STEP_S)
    for i in range(4):
        feeds, nothing = frame(ring, i * 0.3), frame(none, i * 0.3)
    assert feeds["memory_valid"][0, 0].tolist() == [1, 0, 0]
    assert not nothing["memory_valid"].any()
