import itertools
from dataclasses import replace

import numpy as np
import pytest
from straight_engine import straight_model
from walking_people import heads, view

from headway.evaluate.predictors import line_fit
from headway.stages.forecast import ForecastConfig
from headway.stages.heads_up import (
    ALERT_M,
    CAME_UNWARNED,
    CAME_WARNED,
    CAME_WARNED_BY_SIZE,
    HORIZON_S,
    MAX_POINTS,
    MAX_UNSEEN_S,
    HeadsUpStage,
    HeadsUpTrack,
    filter_weights,
    predict,
)
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig, TrackStage
from headway.tasks import Motion, Trajectory
from headway.types import Heads, Level, Trace

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


def textbook(points: np.ndarray, steps: int) -> np.ndarray:
    """The published filter written out as matrices over (x, y, vx, vy): Q = R = I, P0 = 0, x0 = 0."""
    f, h = np.eye(4), np.eye(2, 4)
    f[0, 2] = f[1, 3] = 1.0
    x, p = np.zeros(4), np.zeros((4, 4))
    for point in points:
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + np.eye(2))
        x, p = x + gain @ (point - h @ x), (np.eye(4) - gain @ h) @ p
        x, p = f @ x, f @ p @ f.T + np.eye(4)
    path = [x[:2]]
    for _ in range(steps - 1):
        x = f @ x
        path.append(x[:2])
    return np.array(path)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20, 50])
def test_the_weights_are_those_of_the_filter_written_out(count: int) -> None:
    points = np.random.default_rng(count).normal(size=(count, 2)) * 3 + [5, 0]
    np.testing.assert_allclose(predict(points, 45), textbook(points, 45), atol=1e-9)
    place, velocity = filter_weights(count)
    assert place[0] == velocity[0] == 0, "with P0 = 0 the first point is ignored"


def test_the_published_numbers_are_the_ones_used() -> None:
    assert (MAX_POINTS, HORIZON_S, ALERT_M, MAX_UNSEEN_S) == (50, 3.0, 1.0, 0.5)


def test_a_person_who_stands_outside_the_disc_is_cried_wolf_over_while_the_filter_rings() -> None:
    track = HeadsUpTrack(RATE)
    alerts = [track.see(i / RATE, np.array([1.2, 0.0])) for i in range(40)]
    assert any(alerts), "a known fault: x0 = 0 makes the filter ring, and it rings into the disc"
    assert not alerts[-1], "once settled it says what is true"


def through_the_pipeline(folder, mode: str, frames: int, start: float = 6.0, **risk: float) -> list[Motion]:
    """A head-on walker as heads in images, through tracks, forecast and risk as on the device."""
    config = RiskConfig(mode=mode, **risk)
    task = Trajectory(straight_model(folder), TrackConfig(), ForecastConfig(), config)
    places = walker(frames, 0.0, np.random.default_rng(0), start)
    return [task.step(view(i / RATE), heads([*p, 0.0]), Trace()) for i, p in enumerate(places)]


def test_in_reference_mode_three_points_are_off_by_tens_of_metres_where_headway_is_not(tmp_path) -> None:
    truth = np.array([6.0 - SPEED * (2 / RATE + HORIZON_S), 0.0])
    reference = through_the_pipeline(tmp_path, "heads-up", 3)[-1].forecast
    assert reference.modes.shape == (1, 1, 45, 2)
    assert np.linalg.norm(reference.modes[0, 0, -1] - truth) > 20
    own = through_the_pipeline(tmp_path, "headway", 3)[-1].forecast
    best = own.modes[0, own.probability[0].argmax()]
    assert np.linalg.norm(best[6] - (6.0 - SPEED * 2 / RATE - SPEED * 2.8)) < 6


def test_in_reference_mode_a_head_on_walker_raises_no_alert_before_seven_observations(tmp_path) -> None:
    def first_alert(mode: str) -> int:
        motions = through_the_pipeline(tmp_path, mode, 40, 4.0)
        return 1 + next(i for i, m in enumerate(motions) if m.risks.level == Level.ALERT)

    assert first_alert("heads-up") >= 7
    assert first_alert("headway") < first_alert("heads-up")


def test_in_reference_mode_nothing_is_held_and_every_answer_is_finite(tmp_path) -> None:
    task = Trajectory(straight_model(tmp_path), TrackConfig(), ForecastConfig(), RiskConfig(mode="heads-up"))
    levels = []
    for i in range(60):
        seen = heads([[4.0 - 0.1 * i, 0.3, 0.0], [7.0, -2.0, 0.0]]) if i % 9 and i < 40 else Heads.empty()
        motion = task.step(view(i / RATE), seen, Trace())
        assert np.isfinite(motion.forecast.modes).all()
        assert len(motion.risks.items) == len(motion.tracks)
        levels += [r.level for r in motion.risks.items]
    assert {Level.ALERT, Level.UNSURE} <= set(levels)
    assert Level.NOTICE not in levels
    task.reset()
    assert len(task.step(view(99.0), Heads.empty(), Trace()).risks.items) == 0


def test_the_alert_is_the_published_one_on_the_path_that_is_published(tmp_path) -> None:
    for motion, _ in itertools.pairwise(through_the_pipeline(tmp_path, "heads-up", 50, 7.0)):
        near = np.linalg.norm(motion.forecast.modes[:, 0], axis=2).min(axis=1) < ALERT_M
        for risk, close in zip(motion.risks.items, near, strict=True):
            if risk.level != Level.UNSURE:
                assert (risk.level == Level.ALERT) == close


@pytest.mark.parametrize("by_size", [True, False])
def test_the_probability_of_the_published_rule_is_what_its_alerts_came_to(by_size) -> None:
    stage, tracker, said = HeadsUpStage(), TrackStage(), []
    for i in range(50):
        sighting = heads([5.0 - SPEED * i / RATE, 0.0, 0.0])
        tracks = tracker(view(i / RATE), sighting)
        tracks = replace(tracks, by_size=np.full(len(tracks), by_size), existence=np.full(len(tracks), 0.5))
        _, risks = stage(tracks, {0: tracks.position[0, :2]})
        said += [(r.level, r.probability) for r in risks.items]
    alert = CAME_WARNED_BY_SIZE if by_size else CAME_WARNED
    came = {Level.UNSURE: CAME_UNWARNED, Level.CLEAR: CAME_UNWARNED, Level.ALERT: alert}
    assert set(said) == {(level, 0.5 * share) for level, share in came.items()}
