from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from straight_engine import straight_model
from walking_people import heads, stamp, view

from headway.errors import ConfigError
from headway.stages.contact_belief import CONTACT
from headway.stages.contacts import Contacts, meet
from headway.stages.forecast import ForecastStage
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackStage
from headway.types import Forecast, Level, Risks, Tracks

RATE = 15.0


def forecast_of(position, velocity, age_s=3.0, seconds=0.0, heading=0.0, spread=0.0, unsure="") -> Forecast:
    """One person on a straight path, all modes but for `spread` m of sideways fan at the end."""
    position, velocity = np.array(position, float), np.array(velocity, float)
    ahead = 0.4 * np.arange(1, 13)[:, None]
    side = np.array([-velocity[1], velocity[0]]) / (np.linalg.norm(velocity) + 1e-9)
    # The first of equally likely modes counts as the most likely one: let it be the middle of the fan.
    fan = np.array(sorted(np.linspace(-spread, spread, 20), key=abs))[:, None, None] * ahead / 4.8
    modes = (position + velocity * ahead)[None] + fan * side
    tracks = Tracks(
        stamp_ns=stamp(seconds),
        ids=np.array([7]),
        position=np.array([[*position, 0.0]]),
        velocity=np.array([[*velocity, 0.0]]),
        covariance=np.eye(4)[None] * 0.01,
        history=np.full((1, 4, 2), np.nan),
        history_age_s=np.full((1, 4), np.nan),
        age_s=np.array([age_s]),
        head_direction=np.full((1, 2), np.nan),
        head_index=np.array([0]),
        unsure=unsure,
        heading_rad=heading,
    )
    return Forecast(tracks, modes[None], np.full((1, 20), 0.05), np.full((1, 12), 0.3), 0.4, 0.9)


def contacts(forecast: Forecast, **config: float) -> Contacts:
    tracks = forecast.tracks
    disc = RiskConfig(**config).disc
    return meet(tracks.position[:, :2], forecast.modes, forecast.probability, forecast.step_s, disc)


def chain(folder, start, velocity, seconds: float, noise: float = 0.0) -> list[Risks]:
    """Tracks, forecast and risk on a person seen by a standing camera."""
    stages = TrackStage(), ForecastStage(straight_model(folder)), RiskStage()
    random, found = np.random.default_rng(0), []
    for i in range(int(seconds * RATE)):
        place = np.array([*(np.array(start) + np.array(velocity) * i / RATE), 0.0])
        place[:2] += noise * random.normal(size=2)
        tracks = stages[0](view(i / RATE), heads(place))
        found.append(stages[2](stages[1](tracks)))
    return found


def test_time_to_contact_is_when_the_disc_is_entered() -> None:
    risk = RiskStage()(forecast_of([4.0, 0.0], [-1.5, 0.0])).items[0]
    assert risk.time_to_contact_s == pytest.approx(3.0 / 1.5, abs=1e-6)
    assert risk.probability == pytest.approx(CONTACT.probability([1.0], [False], [0.0], [3.0], False)[0])
    assert risk.reason.startswith("100 % of the expected paths")
    assert risk.level == Level.ALERT
    assert risk.direction == "ahead"
    assert risk.closest_m == pytest.approx(0.0, abs=1e-6)


@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([0.6, 1.0, 1.5]))
def test_contact_agrees_with_small_steps_along_the_path(x, y, vx, vy, limit) -> None:
    forecast = forecast_of([x, y], [vx, vy])
    found = contacts(forecast, horizon_s=4.8, soft_m=0.15, wearer_radius_m=limit - 0.2, conflict_margin_m=0.2)
    t = np.linspace(0, 4.8, 4801)
    distance = np.hypot(x + vx * t, y + vy * t)
    assert found.closest_m[0] == pytest.approx(distance.min(), abs=5e-3)
    if distance.min() < limit - 0.01:
        assert found.time_s[0] == pytest.approx(t[np.argmax(distance <= limit)], abs=5e-3)
        assert found.share[0] == pytest.approx(1.0)
    elif distance.min() > limit + 0.01:
        assert np.isinf(found.time_s[0])


def test_somebody_who_walks_past_is_clear() -> None:
    for position, velocity in (([6.0, 2.5], [-1.5, 0.0]), ([3.0, 0.0], [1.0, 0.0]), ([5.0, 4.0], [0.0, 0.0])):
        risk = RiskStage()(forecast_of(position, velocity)).items[0]
        assert risk.level == Level.CLEAR
        assert risk.time_to_contact_s is None


def test_the_share_is_of_the_paths_that_come_close() -> None:
    narrow, wide = (contacts(forecast_of([6.0, 0.0], [-1.5, 0.0], spread=s), soft_m=0.15) for s in (1.0, 6.0))
    assert narrow.share[0] == pytest.approx(1.0)
    assert 0.2 < wide.share[0] < 0.6


@pytest.mark.parametrize(
    ("position", "heading", "word"),
    [
        ([5, 0], 0.0, "ahead"),
        ([0, 5], 0.0, "left"),
        ([0, -5], 0.0, "right"),
        ([-5, 0.1], 0.0, "behind"),
        ([0, 5], np.pi / 2, "ahead"),
        ([5, 0], np.pi / 2, "right"),
        ([-5, 0.1], np.pi, "ahead"),
        ([-5, -0.1], -3.0, "ahead"),
    ],
)
def test_directions_are_seen_from_where_the_camera_looks(position, heading, word) -> None:
    assert RiskStage()(forecast_of(position, [0, 0], heading=heading)).items[0].direction == word


def test_a_level_does_not_flicker_and_falls_in_the_end() -> None:
    stage = RiskStage()
    levels = []
    for i in range(60):
        probability_sways = 12.0 if i % 2 else 3.0
        fan = probability_sways if i < 20 else 400.0
        levels.append(stage(forecast_of([4.0, 0.0], [-1.5, 0.0], seconds=i / RATE, spread=fan)).items[0].level)
    assert set(levels[:20]) == {Level.ALERT}
    assert levels[-1] < Level.ALERT
    assert np.count_nonzero(np.diff(levels)) <= 2


def test_there_is_no_setting_at_which_an_alert_never_falls() -> None:
    with pytest.raises(ConfigError, match="release"):
        RiskConfig(release=0.0)
    stage = RiskStage(RiskConfig(release=0.01))
    stage(forecast_of([4.0, 0.0], [-1.5, 0.0]))
    for i in range(1, 40):
        risk = stage(forecast_of([4.0, 3.0], [0.0, 1.0], seconds=i / RATE)).items[0]
    assert risk.level == Level.CLEAR


def test_a_young_track_is_unsure_and_says_so() -> None:
    risk = RiskStage()(forecast_of([4.0, 0.0], [-1.5, 0.0], age_s=0.1)).items[0]
    assert risk.level == Level.UNSURE
    assert "seen for" in risk.reason


def test_what_a_young_track_seemed_to_do_is_not_held_over() -> None:
    stage = RiskStage()
    stage(forecast_of([4.0, 0.0], [-1.5, 0.0], age_s=0.15))
    later = stage(forecast_of([4.0, 3.0], [0.0, 1.0], age_s=0.22, seconds=1 / RATE)).items[0]
    assert (later.level, later.reason) == (Level.CLEAR, "")


def test_somebody_who_touches_is_never_too_young_for_an_alert() -> None:
    assert RiskStage()(forecast_of([0.3, 0.0], [-0.5, 0.0], age_s=0.0)).items[0].level == Level.ALERT


def test_degraded_input_and_silence_are_unsure() -> None:
    stage = RiskStage()
    assert "orientation" in stage(forecast_of([9, 9], [0, 0], unsure="no orientation")).unsure
    assert stage(forecast_of([9, 9], [0, 0], seconds=0.1)).unsure == ""
    late = stage(forecast_of([9, 9], [0, 0], seconds=2.0))
    assert "1.9 s" in late.unsure
    assert late.level == Level.UNSURE


def test_a_head_on_walker_raises_an_alert_in_time(tmp_path) -> None:
    found = chain(tmp_path, [7.0, 0.0], [-1.4, 0.0], 4.0)
    alert = next(i for i, r in enumerate(found) if r.level == Level.ALERT)
    contact = (7.0 - 1.0) / 1.4
    assert contact - alert / RATE >= 2.0
    assert all(r.level == Level.ALERT for r in found[alert:])


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_a_head_on_walker_is_seen_in_noise_too(tmp_path, noise: float) -> None:
    found = chain(tmp_path, [7.0, 0.0], [-1.4, 0.0], 4.0, noise)
    alert = next(i for i, r in enumerate(found) if r.level == Level.ALERT)
    assert (7.0 - 1.0) / 1.4 - alert / RATE >= 1.5


def test_a_person_who_stays_far_away_raises_nothing(tmp_path) -> None:
    found = chain(tmp_path, [5.0, 1.5], [0.0, 0.0], 3.0, 0.03)
    assert all(r.level in (Level.CLEAR, Level.UNSURE) for r in found)
    assert found[-1].level == Level.CLEAR


def test_somebody_out_of_view_is_said_to_be_less_and_less_likely_to_come_while_the_alert_stands() -> None:
    stage, said = RiskStage(), []
    for i in range(12):
        forecast = forecast_of([2.0, 0.0], [-1.0, 0.0], seconds=i / RATE)
        said.append(stage(hidden(forecast) if i else forecast).items[0])
    assert {r.level for r in said} == {Level.ALERT}
    assert all(b.probability < a.probability for a, b in pairwise(said))
    assert {r.reason for r in said} == {said[0].reason}  # what the paths do is told as it is


def hidden(forecast: Forecast) -> Forecast:
    """The same with nobody in view."""
    return replace(forecast, tracks=replace(forecast.tracks, head_index=np.array([-1])))


def test_somebody_seen_once_stays_unsure_however_long_ago_that_was() -> None:
    stage = RiskStage()
    stage(forecast_of([9.0, 3.0], [0.0, 0.0], age_s=0.0))
    for i in range(1, 8):
        risk = stage(hidden(forecast_of([9.0, 3.0], [0.0, 0.0], age_s=i / RATE, seconds=i / RATE))).items[0]
        assert risk.level == Level.UNSURE
    assert risk.reason == "seen for 0.00 s only"


@pytest.mark.parametrize("speed", [-1.5, -0.8], ids=["alert", "notice"])
def test_a_level_that_does_not_rise_because_nobody_sees_is_unsure_and_not_clear(speed) -> None:
    stage = RiskStage()
    assert stage(forecast_of([4.0, 0.0], [1.0, 0.0])).items[0].level == Level.CLEAR
    coming = forecast_of([4.0, 0.0], [speed, 0.0], seconds=1 / RATE)
    risk = stage(hidden(coming)).items[0]
    assert risk.level == Level.UNSURE
    assert risk.reason.startswith("not in view, ")
    assert stage(hidden(forecast_of([4.0, 0.0], [1.0, 0.0], seconds=2 / RATE))).items[0].level == Level.CLEAR
    seen = forecast_of([4.0, 0.0], [speed, 0.0], seconds=3 / RATE)
    assert stage(seen).items[0].level in (Level.ALERT, Level.NOTICE), "seen again it rises at once"


def test_people_who_share_an_identity_by_mistake_are_answered_each() -> None:
    one = forecast_of([4.0, 0.0], [-1.5, 0.0])
    twice = {
        f.name: np.repeat(v, 2, axis=0)
        for f in fields(Tracks)
        if isinstance(v := getattr(one.tracks, f.name), np.ndarray)
    }
    doubled = {n: np.repeat(getattr(one, n), 2, axis=0) for n in ("modes", "probability", "radius")}
    assert len(RiskStage()(replace(one, tracks=replace(one.tracks, **twice), **doubled)).items) == 2
