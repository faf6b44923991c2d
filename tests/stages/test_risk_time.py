"""Risk and time: who has not been seen for long, and a clock that goes back."""

from test_risk import RATE, forecast_of, hidden

from headway.stages.risk import RiskStage
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
