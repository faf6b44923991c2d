import numpy as np
import pytest

from headway.evaluate.predictors import line_fit
from headway.stages.heads_up import HeadsUpTrack, predict

RATE, SPEED = 15.0, 1.4


def walker(points: int, noise: float, random: np.random.Generator, start: float = 6.0) -> np.ndarray:
    t = np.arange(points) / RATE
    return np.column_stack([start - SPEED * t, 0 * t]) + noise * random.normal(size=(points, 2))


def final_error(points: int) -> tuple[float, float]:
    """Mean error 3 s ahead of the published filter and of a line fit, a head-on walker with 3 cm of noise."""
    random = np.random.default_rng(0)
    steps = round(3 * RATE)
    truth = np.array([6.0 - SPEED * ((points - 1) + steps) / RATE, 0.0])
    found = []
    for _ in range(200):
        past = walker(points, 0.03, random)
        found.append(
            [np.linalg.norm(p - truth) for p in (predict(past, steps)[-1], line_fit(past[None], steps)[0, -1])]
        )
    return tuple(np.mean(found, axis=0))


@pytest.mark.parametrize(("points", "published_m", "line_m"), [(3, 41.0, 1.25), (5, 23.0, 0.56), (8, 1.2, 0.26)])
def test_the_published_filter_is_off_as_far_as_was_found_by_re_simulation(points, published_m, line_m) -> None:
    kalman, line = final_error(points)
    assert kalman == pytest.approx(published_m, rel=0.15)
    assert line == pytest.approx(line_m, rel=0.15)


def test_a_head_on_walker_raises_no_alert_before_the_seventh_observation() -> None:
    for start, first in ((4.0, 8), (5.0, 8), (6.0, 10), (8.0, 32)):
        track = HeadsUpTrack(RATE)
        alerts = [track.see(i / RATE, p) for i, p in enumerate(walker(60, 0.0, np.random.default_rng(0), start))]
        assert alerts.index(True) + 1 == first >= 7


def test_a_person_unseen_for_half_a_second_starts_again() -> None:
    track = HeadsUpTrack(RATE)
    for i in range(10):
        track.see(i / RATE, np.array([5.0, 0.0]))
    assert len(track.points) == 10
    track.see(10 / RATE + 0.6, None)
    assert len(track.points) == 0


def test_only_the_last_fifty_points_count() -> None:
    points = walker(80, 0.0, np.random.default_rng(0), 20.0)
    np.testing.assert_array_equal(predict(points, 5), predict(points[-50:], 5))
