"""Risk and time: who has not been seen for long, and a clock that goes back."""

import pytest
from test_risk import RATE, contacts, forecast_of, hidden

from headway.stages.risk import RiskConfig, RiskStage
from headway.types import Level


def test_somebody_not_seen_for_half_a_second_is_unsure_and_never_clear() -> None:
    stage = RiskStage()
    stage(forecast_of([9.0, 3.0], [0.0, 0.0]))
    found = [stage(hidden(forecast_of([9.0, 3.0], [0.0, 0.0], seconds=i / RATE))).items[0] for i in range(1, 13)]
    assert {r.level for r in found[:7]} == {Level.CLEAR}
    assert {r.level for r in found[7:]} == {Level.UNSURE}
    assert found[-1].reason == "not seen for 0.8 s"


def test_an_alert_before_the_clock_went_back_is_not_held_over() -> None:
    stage = RiskStage()
    assert stage(forecast_of([4.0, 0.0], [-1.5, 0.0], seconds=100.0)).level == Level.ALERT
    assert stage(forecast_of([4.0, 3.0], [0.0, 1.0], seconds=1.0)).items[0].level == Level.CLEAR


def test_paths_that_meet_the_wearer_count_where_the_most_likely_one_stays_away() -> None:
    forecast = forecast_of([4.0, 0.0], [-1.5, 0.0])
    forecast.modes[0, 0] = forecast_of([4.0, 0.0], [1.5, 0.0]).modes[0, 0]
    forecast.probability[0] = [0.1] + [0.9 / 19] * 19
    assert RiskStage()(forecast).items[0].level == Level.ALERT


def test_paths_that_come_later_take_no_weight_from_those_that_come_soon() -> None:
    """Eight of twenty paths meet the wearer after 0.5 s, and as many as you like after 3.5 s."""
    for later in (0, 2, 12):
        forecast = forecast_of([3.5, 0.0], [0.0, 0.0])
        forecast.modes[0, :8] = forecast_of([3.5, 0.0], [-5.0, 0.0]).modes[0, 0]
        forecast.modes[0, 8 : 8 + later] = forecast_of([3.5, 0.0], [-2.5 / 3.5, 0.0]).modes[0, 0]
        assert RiskStage()(forecast).items[0].level == Level.ALERT


def test_fewer_paths_soon_than_an_alert_asks_for_raise_none_however_many_follow() -> None:
    forecast = forecast_of([3.5, 0.0], [-2.5 / 3.5, 0.0])
    forecast.modes[0, :4] = forecast_of([3.5, 0.0], [-5.0, 0.0]).modes[0, 0]
    assert RiskStage()(forecast).items[0].level == Level.NOTICE


@pytest.mark.parametrize("horizon_s", [1.0, 1.1, 1.3, 4.0])
def test_contacts_beyond_the_horizon_take_no_weight_from_those_before_it(horizon_s) -> None:
    """Eight of twenty paths meet the wearer after 0.5 s, the others just past the horizon."""
    soon, late = (forecast_of([2.0, 0.0], [-1.0 / s, 0.0]).modes[0, 0] for s in (0.5, horizon_s + 0.05))
    forecast = forecast_of([2.0, 0.0], [-2.0, 0.0])
    forecast.modes[0, :8], forecast.modes[0, 8:] = soon, late
    (risk,) = RiskStage(RiskConfig(horizon_s=horizon_s))(forecast).items
    assert (risk.level, risk.time_to_contact_s) == (Level.ALERT, pytest.approx(0.5))


def test_a_path_that_enters_just_before_the_horizon_does_so_at_its_time() -> None:
    for horizon_s in (1.0, 1.15, 1.3, 4.0):
        forecast = forecast_of([2.0, 0.0], [-1.0 / (horizon_s - 0.02), 0.0])
        assert contacts(forecast, horizon_s=horizon_s).time_s == pytest.approx(horizon_s - 0.02)
