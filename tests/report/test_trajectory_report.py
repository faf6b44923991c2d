"""The report of a trajectory evaluation: one file, everything in it, the same bytes for the same input."""

from __future__ import annotations

import re

import numpy as np
import pytest

from headway.evaluate.alerts import judge
from headway.evaluate.cases import Cases, ForecastCase, Worst, add_alerts
from headway.report.ground import ground
from headway.report.trajectory import page, write_trajectory_report

RATE = 15.0


def forecast_case(person: int = 1, error: float = 2.0, wearer: bool = True) -> ForecastCase:
    t = np.arange(1, 8)[:, None] * 0.4
    straight = np.hstack([4 - t, 0 * t])
    return ForecastCase(
        where="made/3",
        person=person,
        at_s=1.2,
        error_m=error,
        history=np.hstack([np.linspace(6, 4, 20)[:, None], np.zeros((20, 1))]),
        truth=straight + np.array([0, 1.0]),
        modes=np.stack([straight + np.array([0, 0.1 * k]) for k in range(20)]),
        probability=np.full(20, 0.05),
        radius=np.full(7, 0.4),
        step_s=0.4,
        others={"constant-velocity": straight},
        wearer=wearer,
    )


def walk_cases() -> Cases:
    """One person who comes within reach without any warning, one of whom is warned for nothing."""
    t = np.arange(150) / RATE
    distance = np.stack([np.abs(6 - t) + 0.3, 5 - 0.2 * t], axis=1)
    raised = np.zeros(distance.shape, bool)
    raised[20:40, 1] = True
    seen = np.ones(distance.shape, bool)
    cases = Cases()
    found = judge(distance, seen, raised, RATE)
    add_alerts(cases, "made/3", RATE, distance, seen, {"headway": raised, "heads-up": raised}, 0.1 * distance, found)
    return cases


def report() -> dict:
    errors = {"ade": 0.6, "fde": 1.2, "min_ade20": 0.2, "min_fde20": 0.4}
    alerts = {"conflicts": 3, "recall": 1.0, "recall_in_time": 0.5, "precision": None, "false_per_hour": 200.0}
    bins = [{"count": 812, "said": 0.05, "came": 0.04}, {"count": 90, "said": 0.72, "came": 0.70}]
    numbers = {"said": 0.12, "came": 0.106, "ece": 0.012, "brier": 0.06, "auroc": None}
    contacts = {"moments": 902, **numbers, "bins": bins}
    level = {
        "scenes": {"eth": {"windows": 9, "models": {"headway": errors}}},
        "mean": {"headway": errors},
        "coverage": {"nominal": 0.9, "measured": 0.87, "by_scene": {"eth": 0.8}, "together": {"measured": 0.7}},
        "alerts": {
            "headway": alerts | {"lead_s": 2.1, "told_false_per_hour": 90.0},
            "heads-up": alerts | {"lead_s": None},
        },
        "flicker_m": {"headway": 0.1, "constant-velocity": 0.12},
        "contacts": contacts | {"out_of_view": contacts | {"moments": 77}},
    }
    return {"protocol": "egocentric", "noise": {"0.03": level, "head-size": level}, "command": "headway <b>", "seed": 0}


def test_the_same_evaluation_gives_the_same_bytes() -> None:
    cases = walk_cases()
    cases.forecasts.add(forecast_case())
    assert page(report(), {"0.03": cases}) == page(report(), {"0.03": cases})


def test_the_report_needs_nothing_else_and_escapes_what_it_shows(tmp_path) -> None:
    cases = walk_cases()
    cases.forecasts.add(forecast_case())
    target = tmp_path / "deep" / "report.html"
    write_trajectory_report(report(), {"0.03": cases, "0.1": Cases()}, target)
    text = target.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    assert "headway &lt;b&gt;" in text
    assert "nan" not in text.lower().replace("nanmin", "")
    for wanted in (
        "3 cm of noise",
        "range from the size of heads",
        "probability of a contact",
        "0.106",
        "said 0.72, came 0.70",
        "eth",
        "0.600",
        "87.0 %",
        "made/3, person 1",
    ):
        assert wanted in text
    assert text.count("<figure>") == 3


def test_both_kinds_of_failure_are_found_and_named() -> None:
    cases = walk_cases()
    (missed,) = cases.missed
    (false,) = cases.false
    assert (missed.kind, missed.person, missed.lead_s) == ("missed", 0, None)
    assert missed.contact_s == pytest.approx(5.3, abs=1 / RATE)
    assert (false.kind, false.person, false.contact_s) == ("false alarm", 1, None)
    text = page(report(), {"0.03": cases})
    assert "conflicts not warned of in time" in text
    assert "false alarms furthest from a conflict" in text


def test_the_worst_are_kept_once_for_each_person_and_worst_first() -> None:
    worst: Worst[ForecastCase] = Worst(3)
    for person, error in [(1, 1.0), (2, 5.0), (1, 3.0), (3, 0.5), (4, 4.0), (2, 2.0), (5, 0.1)]:
        worst.add(forecast_case(person, error))
    assert [(c.person, c.error_m) for c in worst] == [(2, 5.0), (4, 4.0), (1, 3.0)]
    assert worst.bar == 3.0


def test_a_forecast_is_drawn_to_scale_with_everything_on_it() -> None:
    drawing = ground(forecast_case())
    assert drawing.count("<polyline") == 20 + 1 + 1 + 1 + 1  # modes, other, best, history, truth
    circles = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)" r="([\d.]+)"', drawing)
    reach, radius = float(circles[0][2]), float(circles[2][2])
    assert radius / reach == pytest.approx(0.4, rel=0.02)
    without = ground(forecast_case(wearer=False))
    assert len(re.findall("<circle", drawing)) - len(re.findall("<circle", without)) == 2


def test_points_that_are_not_known_are_left_out() -> None:
    case = forecast_case()
    case.truth[3:] = np.nan
    assert "nan" not in ground(case)
