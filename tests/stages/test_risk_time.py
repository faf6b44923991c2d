"""Risk and time: who has not been seen for long, and a clock that goes back."""

import numpy as np
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


def test_a_contact_that_the_tube_does_not_reach_is_not_reported() -> None:
    """As long as the most likely path with its radius stays away, though most of the others come near."""
    forecast = forecast_of([4.0, 0.0], [-1.5, 0.0])
    away = forecast_of([4.0, 0.0], [1.5, 0.0]).modes[0, 0]
    forecast.modes[0, 0] = away
    forecast.probability[0] = [0.1] + [0.9 / 19] * 19
    risk = RiskStage()(forecast).items[0]
    assert (risk.level, risk.time_to_contact_s) == (Level.CLEAR, None)
    forecast.radius[:] = np.linspace(4.0, 11.0, 12)
    assert RiskStage()(forecast).items[0].level == Level.ALERT
