"""Is it a head at all: the nearer, the surer it must look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from straight_engine import straight_model
from test_risk import forecast_of
from walking_people import CAMERA, heads, view

from headway.stages.existence import BELIEF, MEMORY_S, head_probability, log_odds, running_mean
from headway.stages.forecast import ForecastStage
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackStage
from headway.types import Heads, Level, Risk

RATE = 15.0
SIZE_PX = CAMERA.width, CAMERA.height
SCORE, SIGMA, SIZE = st.floats(0.05, 0.95), st.floats(1.0, 150.0), st.floats(0.01, 0.6)


def believed(score: float, sigma_deg: float, size: float) -> float:
    log_odds = BELIEF.log_odds(np.array([score]), np.array([sigma_deg]), np.array([size]))
    return float(BELIEF.probability(log_odds, np.ones(1))[0])


def looking(found: Heads, score: float, sigma_deg: float) -> Heads:
    n = len(found)
    return replace(found, scores=np.full(n, score, np.float32), sigma_deg=np.full(n, sigma_deg))


def risks_of(folder, places, score: float, sigma_deg: float) -> list[Risk | None]:
    """What is said of one person or thing at `places` (F, 3), camera standing, in each frame."""
    stages, said = (TrackStage(), ForecastStage(straight_model(folder)), RiskStage()), []
    for i, place in enumerate(places):
        seen = looking(heads(np.array(place)), score, sigma_deg)
        items = stages[2](stages[1](stages[0](view(i / RATE), seen))).items
        said.append(items[0] if items else None)
    return said


def first_alert(said: list[Risk | None]) -> int | None:
    return next((i for i, r in enumerate(said) if r and r.level == Level.ALERT), None)


@given(SCORE, SCORE, SIGMA, SIZE)
def test_a_higher_score_is_never_believed_less(score, other, sigma, size) -> None:
    low, high = sorted([score, other])
    assert believed(low, sigma, size) <= believed(high, sigma, size)


@given(SCORE, SIGMA, SIGMA, SIZE)
def test_a_wider_sigma_is_never_believed_more(score, sigma, other, size) -> None:
    low, high = sorted([sigma, other])
    assert believed(score, high, size) <= believed(score, low, size)


@given(SCORE, SIGMA, SIZE, SIZE)
def test_the_same_look_is_believed_less_the_nearer_it_claims_to_be(score, sigma, size, other) -> None:
    low, high = sorted([size, other])
    assert believed(score, sigma, high) <= believed(score, sigma, low)


def test_the_back_of_a_far_head_is_believed_where_a_near_box_that_looks_so_is_not() -> None:
    far, near = (believed(0.55, 55.0, px / 640) for px in (20, 130))
    assert far > 0.5 > near
    assert believed(0.75, 12.0, 130 / 640) > 0.9


@given(st.floats(0.2, 0.6), st.floats(20.0, 180.0), SIZE)
def test_a_label_is_certain_whatever_its_sigma(size, sigma, other) -> None:
    assert believed(1.0, sigma, size) == pytest.approx(1.0, abs=1e-9)
    assert believed(1.0, 180.0, other) == pytest.approx(1.0, abs=1e-9)


def test_numbers_that_are_none_are_not_believed_and_stay_in_the_bounds() -> None:
    found = looking(heads([[2.0, 0.0, 0.0]]), 0.5, np.nan)
    assert log_odds(found, *SIZE_PX)[0] == pytest.approx(
        log_odds(replace(found, sigma_deg=np.array([180.0])), *SIZE_PX)[0]
    )
    odd = replace(found, scores=np.array([np.nan], np.float32), sigma_deg=np.array([np.inf]))
    assert log_odds(odd, *SIZE_PX)[0] == pytest.approx(-BELIEF.limit)
    odd = replace(found, boxes=found.boxes * np.float32(np.nan))
    assert log_odds(odd, *SIZE_PX)[0] < log_odds(found, *SIZE_PX)[0]


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 3)), min_size=1, max_size=30))
def test_a_hundred_looks_at_the_same_are_one_witness(looks) -> None:
    """The mean stays within what was seen; each sighting weighs exp(-age / MEMORY_S)."""
    mean, weight = np.zeros(1), np.zeros(1)
    for value, silent_s in looks:
        mean, weight = running_mean(mean, weight, np.array([value]), np.array([silent_s]))
    values = np.array([value for value, _ in looks])
    silent = np.array([silent_s for _, silent_s in looks])
    age = np.append(np.cumsum(silent[:0:-1])[::-1], 0.0)
    share = np.exp(-age / MEMORY_S)
    assert mean[0] == pytest.approx((values * share).sum() / share.sum(), abs=1e-9)


def test_a_track_that_goes_over_from_a_crown_to_a_person_is_believed_within_a_second() -> None:
    stage, place = TrackStage(), heads([[0.8, 0.0, 0.0]])
    for i in range(60):
        tracks = stage(view(i / RATE), looking(place, 0.5 if i < 45 else 0.8, 50.0 if i < 45 else 12.0))
        assert tracks.existence is not None
        if i == 44:
            before = tracks.existence[0]
    assert before < 0.3
    assert tracks.existence[0] > 0.6


@pytest.mark.parametrize("range_m", [0.3, 0.6, 0.9])
def test_a_crown_as_wide_as_a_head_within_reach_raises_no_sure_alert(tmp_path, range_m) -> None:
    said = risks_of(tmp_path, [[range_m + 0.1, 0.0, 0.15]] * 45, 0.5, 45.0)
    assert max(r.probability for r in said if r) < 0.3
    assert all(r.level != Level.ALERT for r in said[3:] if r)
    assert all(r and r.time_to_contact_s == 0.0 for r in said)  # what its paths do is still told


@pytest.mark.parametrize("start", [[2.5, 0.0, 0.2], [1.6, 0.5, 0.1], [4.0, -1.0, 0.3]])
@pytest.mark.parametrize(("score", "sigma_deg"), [(0.75, 12.0), (0.7, 25.0), (0.65, 30.0)])
def test_somebody_who_steps_out_near_alerts_in_the_same_frame_as_one_who_is_certain(
    tmp_path, start, score, sigma_deg
) -> None:
    """From behind a car, seen from then on, straight to the camera; the least sure looks like the back of a head."""
    away = np.array([start[0], start[1], 0.0]) / np.hypot(start[0], start[1])
    places = [np.array(start) - 1.2 * i / RATE * away for i in range(12)]
    certain = first_alert(risks_of(tmp_path, places, 1.0, 10.0))
    assert certain is not None
    assert first_alert(risks_of(tmp_path, places, score, sigma_deg)) == certain


@given(st.floats(0.5, 1.0), st.floats(0.5, 6.0), st.floats(0.2, 2.0), st.floats(0.0, 20.0))
def test_who_is_more_likely_a_person_than_not_has_the_level_of_one(existence, range_m, speed, spread) -> None:
    forecast = forecast_of([range_m, 0.0], [-speed, 0.0], spread=spread)
    likely = replace(forecast, tracks=replace(forecast.tracks, existence=np.array([existence])))
    certain, said = (RiskStage()(f).items[0] for f in (forecast, likely))
    assert said.level == certain.level
    assert said.probability == pytest.approx(existence * certain.probability)


@given(st.floats(0.0, 1.0))
def test_the_probability_of_contact_is_that_of_a_person_times_that_of_their_paths(existence) -> None:
    forecast = forecast_of([4.0, 0.0], [-1.5, 0.0])
    doubtful = replace(forecast, tracks=replace(forecast.tracks, existence=np.array([existence])))
    certain, said = (RiskStage()(f).items[0] for f in (forecast, doubtful))
    assert said.probability == pytest.approx(existence * certain.probability)
    assert said.time_to_contact_s == certain.time_to_contact_s
    alert = existence >= 0.5 or existence * 1.0 >= RiskConfig().alert_share  # all paths meet
    assert (said.level == Level.ALERT) == alert


def test_an_alert_about_somebody_doubtful_says_so() -> None:
    forecast = forecast_of([4.0, 0.0], [-1.5, 0.0])
    doubtful = replace(forecast, tracks=replace(forecast.tracks, existence=np.array([0.4])))
    assert RiskStage()(doubtful).items[0].reason.endswith("within reach in 2.0 s; a person with 40 %")
    assert "person" not in RiskStage()(forecast).items[0].reason


@given(SCORE, SIGMA, SIZE)
def test_a_head_by_itself_is_believed_as_a_track_with_one_sighting(score: float, sigma_deg: float, size: float) -> None:
    box = np.array([[10.0, 20.0, 30.0, 20.0 + 640.0 * size]])
    alone = Heads(box, np.array([score]), np.eye(3)[None], np.array([sigma_deg]), np.ones(1))
    assert head_probability(alone, 640, 480)[0] == pytest.approx(believed(score, sigma_deg, size))
