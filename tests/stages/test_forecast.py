from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from straight_engine import STEP_S, StraightEngine, straight_model
from walking_people import heads, view

from headway.errors import ModelError
from headway.runtime.model import open_model
from headway.stages.calibration import BY_SIZE, CONDITIONS, OWN, RELATIVE, SPREAD_BY_SIZE
from headway.stages.forecast import ForecastConfig, ForecastStage, resample
from headway.stages.tracks import TrackStage
from headway.types import Heads, Tracks


def followed(velocity, seconds: float, rate: float = 15.0, ego=None, start=(4.0, 0.5, 0.0), people: int = 1) -> Tracks:
    """Tracks after watching people side by side, 0.8 m apart, walk with `velocity` in the world."""
    stage, tracks = TrackStage(), None
    relative = np.array(velocity) - (0 if ego is None else np.array(ego))
    for i in range(round(seconds * rate) + 1):
        place = np.array([[start[0], start[1] + 0.8 * k, start[2]] for k in range(people)])
        place[:, :2] += relative * i / rate
        tracks = stage(view(i / rate, velocity=ego), heads(place))
    assert tracks is not None
    return tracks


ANYBODY = followed([0.5, 0.0], 4.5)


def test_a_walker_goes_on_and_the_radius_grows_with_time(tmp_path) -> None:
    forecast = ForecastStage(straight_model(tmp_path))(followed([0.5, 0.0], 4.0))
    best = forecast.modes[0, forecast.probability[0].argmax()]
    now = forecast.tracks.position[0, :2]
    np.testing.assert_allclose(best[-1], [now[0] + 0.5 * 4.8, now[1]], atol=0.1)
    assert (np.diff(forecast.radius[0]) > 0).all()
    assert forecast.probability.sum(axis=1) == pytest.approx(1)
    assert forecast.step_s == STEP_S


@pytest.mark.parametrize("ego", [None, [1.5, 0.0], [0.8, -0.4]])
def test_paths_are_relative_to_the_camera_whether_its_motion_is_known_or_not(tmp_path, ego) -> None:
    tracks = followed([0.2, 0.3], 3.0, ego=ego, start=(7.0, -0.5, 0.0))
    forecast = ForecastStage(straight_model(tmp_path))(tracks)
    relative = np.array([0.2, 0.3]) - (0 if ego is None else np.array(ego))
    best = forecast.modes[0, forecast.probability[0].argmax()]
    np.testing.assert_allclose(best[6] - tracks.position[0, :2], 7 * STEP_S * relative, atol=0.15)


def test_with_odometry_the_network_sees_peoples_own_motion(tmp_path) -> None:
    model = straight_model(tmp_path)
    ForecastStage(model)(followed([0.0, 0.0], 3.0, ego=[1.5, 0.0], start=(8.0, 0, 0)))
    fed = model.engine.fed
    assert fed["valid"][0, 0].all()
    assert np.abs(np.diff(fed["positions"][0, 0], axis=0)).max() < 0.05


@given(st.sampled_from([7.5, 10.0, 15.0, 29.97, 60.0]), st.floats(0.0, 4.0))
def test_history_lies_on_the_networks_grid_at_any_camera_rate(rate: float, seconds: float) -> None:
    tracks = followed([0.4, 0.3], seconds, rate, start=(4.0, -0.5, 0.0))
    positions, valid = resample(tracks, 8, STEP_S)
    assert valid[0, -2:].all()
    assert (np.diff(valid[0].astype(int)) >= 0).all()
    assert valid[0].sum() == pytest.approx(np.clip(1 + tracks.age_s[0] / STEP_S, 2, 8), abs=1.01)
    np.testing.assert_allclose(positions[0, -1], tracks.position[0, :2])
    if seconds > 3.5:
        np.testing.assert_allclose(np.diff(positions[0], axis=0)[-3:], 3 * [[0.4 * STEP_S, 0.3 * STEP_S]], atol=0.05)


@given(st.integers(0, 2**32 - 1))
def test_places_on_the_grid_are_those_of_the_history_drawn_straight_between_its_entries(seed) -> None:
    random, tracks = np.random.default_rng(seed), ANYBODY
    apart = random.uniform(0.01, 0.3, tracks.history_age_s.shape)
    apart[0, 0] = random.choice([0.0, 0.2])  # seen now, or coasting
    age = np.cumsum(apart, axis=1)[:, ::-1]
    places = random.normal(size=tracks.history.shape)
    if age[0, -1] == 0.0:
        places[0, -1] = tracks.position[0, :2]
    positions, valid = resample(replace(tracks, history=places, history_age_s=age), 8, STEP_S)
    times, path = np.append(-age[0], 0.0), np.vstack([places[0], tracks.position[0, :2]])
    wanted = -STEP_S * np.arange(7, -1, -1)
    for axis in (0, 1):
        oracle = np.interp(wanted, times, path[:, axis])
        np.testing.assert_allclose(positions[0, valid[0], axis], oracle[valid[0]], atol=1e-9)
    assert valid[0].tolist() == (wanted >= -age[0, 0] - 0.1 * STEP_S).tolist()


@pytest.mark.parametrize("ego", [None, [1.0, -0.5]])
def test_who_has_been_seen_for_less_than_a_step_was_where_their_velocity_says(ego) -> None:
    tracks = followed([0.5, 0.4], 0.2, ego=ego, start=(6.0, 0.5, 0.0))
    own = tracks.velocity[0, :2] + (0.0 if ego is None else np.array(ego))
    assert np.linalg.norm(own) > 0.2
    positions, valid = resample(tracks, 8, STEP_S)
    assert valid[0].tolist() == [False] * 6 + [True] * 2
    np.testing.assert_allclose(positions[0, -2], tracks.position[0, :2] - STEP_S * own)


def test_the_memory_lies_about_where_people_are_now() -> None:
    model = replace(open_model("trajectory", "trajectory"), engine=StraightEngine())
    stage, before = ForecastStage(model), followed([0.9, 0.0], 3.0)
    stage(before)
    stage(replace(before, stamp_ns=before.stamp_ns + 10_000_000))
    ahead = 0.9 * STEP_S * np.arange(1, 13)
    np.testing.assert_allclose(model.engine.fed["memory_modes"][0, 0, 0, 0, :, 0], ahead, atol=0.2)


def test_the_doubt_about_a_new_velocity_grows_with_time_and_fades_with_age(tmp_path) -> None:
    stage, tracks = ForecastStage(straight_model(tmp_path)), followed([0.5, 0.0], 4.0)
    tracks.covariance[0, 2, 2], tracks.covariance[0, 3, 3] = 0.3, 0.1
    known, new = (stage(replace(tracks, age_s=np.array([age]))).radius[0] / 2.0 for age in (2.0, 0.5))
    np.testing.assert_allclose(new**2 - known**2, 0.75 * 0.2 * (STEP_S * np.arange(1, 13)) ** 2)


def test_somebody_just_seen_gets_a_wider_radius(tmp_path) -> None:
    stage = ForecastStage(straight_model(tmp_path))
    there = (followed([0.5, 0.0], s, start=(6.0 - 0.5 * s, 0.5, 0.0)) for s in (0.2, 4.0))  # both 6 m away in the end
    new, known = (stage(tracks).radius[0] for tracks in there)
    assert (new > known).all()
    assert new[-1] > 1.5 * known[-1]


def test_a_path_before_a_long_gap_is_not_used() -> None:
    stage = TrackStage()
    for i in range(46):
        hidden = 15 <= i < 32
        stage.config = stage.config.replaced({"max_unseen_s": 2.0})
        tracks = stage(view(i / 15), Heads.empty() if hidden else heads([4.0, 0.5, 0.0]))
    assert tracks.age_s[0] == pytest.approx(3.0)
    _, valid = resample(tracks, 8, STEP_S)
    assert valid[0].sum() == 3


def test_the_nominal_level_sets_the_radius(tmp_path) -> None:
    tracks = followed([0.5, 0.0], 4.0)
    radii = [
        ForecastStage(straight_model(tmp_path), ForecastConfig(nominal=level))(tracks).radius[0, -1]
        for level in (0.5, 0.7, 0.9)
    ]
    assert radii == sorted(radii)


@pytest.mark.parametrize("ego", [None, [1.0, 0.0]])
def test_who_is_placed_by_the_size_of_their_head_gets_the_radius_calibrated_for_that(tmp_path, ego) -> None:
    rows = {name: [[1.0, 1.0]] for name in CONDITIONS}
    sized = rows | {BY_SIZE[OWN if ego else RELATIVE]: [[1.0, 3.0]]}
    stages = [ForecastStage(straight_model(tmp_path / name, s)) for name, s in (("a", rows), ("b", sized))]
    tracks = followed([0.5, 0.0], 4.0, ego=ego, people=2)
    assert tracks.by_size is not None
    assert tracks.by_size.all()
    sized, measured = (stages[0](replace(tracks, by_size=s)).radius for s in (tracks.by_size, None))
    floor, place = stages[0].calibration.floor_m, (tracks.covariance[:, 0, 0] + tracks.covariance[:, 1, 1])[:, None] / 2
    spread = np.sqrt(measured**2 - place) - floor
    wanted = np.sqrt((floor + SPREAD_BY_SIZE * spread) ** 2 + place)
    np.testing.assert_allclose(sized, wanted)
    for by_size in (tracks.by_size, np.array([True, False]), np.zeros(2, bool), None):
        plain, wide = (stage(replace(tracks, by_size=by_size)).radius for stage in stages)
        sized_rows = np.zeros(2, bool) if by_size is None else by_size
        np.testing.assert_allclose(wide / plain, np.where(sized_rows, 3.0, 1.0)[:, None] * np.ones(12))


def test_the_network_is_told_how_exact_positions_are_but_no_more_than_it_learned() -> None:
    model = replace(open_model("trajectory", "trajectory"), engine=StraightEngine())
    stage, tracks = ForecastStage(model), followed([0.0, 0.0], 3.0, people=3)
    tracks.covariance[:, :2, :2] = np.eye(2) * np.array([0.05, 0.15, 0.7])[:, None, None] ** 2
    for by_size, told in ((np.array([True] * 3), [0.05, 0.15, 0.5]), (None, [0.05, 0.15, 0.2])):
        stage(replace(tracks, by_size=by_size))
        np.testing.assert_allclose(model.engine.fed["noise"][0, :4], [*told, 0.0], rtol=1e-6)


def test_nobody_gives_an_empty_forecast_without_running_the_network(tmp_path) -> None:
    model = straight_model(tmp_path)
    forecast = ForecastStage(model)(TrackStage()(view(0), Heads.empty()))
    assert len(forecast) == 0
    assert forecast.modes.shape == (0, 20, 12, 2)
    assert model.engine.fed == {}


def test_a_calibration_that_was_changed_is_refused(tmp_path) -> None:
    model = straight_model(tmp_path)
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(ModelError, match="SHA-256"):
        ForecastStage(model)


def test_head_directions_reach_the_network_unless_switched_off(tmp_path) -> None:
    tracks = followed([0.5, 0.0], 1.0)
    for use in (True, False):
        model = straight_model(tmp_path)
        ForecastStage(model, ForecastConfig(use_head_direction=use))(tracks)
        assert np.linalg.norm(model.engine.fed["head_direction"][0, 0]) == pytest.approx(1.0 if use else 0.0)
