"""The driving report shows what was measured, marks nothing that was not, and needs nothing from anywhere."""

from __future__ import annotations

import re

import numpy as np
import pytest

from headway.evaluate.closed_loop import FIRST_SEED, Run
from headway.report.driving import page, worst_runs
from headway.types import DriveState

CONFIDENCE = {
    "ece": 0.021,
    "auroc": float("nan"),
    "coverage": 0.93,
    "nominal": 0.9,
    "small_error": 0.18,
    "share_small": 1.0,
    "reliability": [{"from": 0.9, "count": 300, "confidence": 0.97, "correct": 0.95}],
}
UNFAMILIAR = {"black": {"confidence": 0.0, "state": "stop", "throttle": 0.0}}


def run_beside(offset: float, failed: str = "") -> Run:
    """A drive `offset` metres beside a straight lane."""
    x = np.linspace(0.0, 50.0, 51)
    lane, count = np.stack([x, np.zeros(51)], 1), 50
    return Run(
        path=np.stack([x, np.full(51, offset)], 1),
        lateral=np.full(count, offset),
        off_road=np.full(count, abs(offset) > 1.75),
        speed=np.full(count, 5.0),
        error=np.zeros(count),
        confidence=np.ones(count),
        covered=np.ones(count, bool),
        states=[DriveState.DRIVE] * count,
        completed=not failed,
        progress=1.0,
        lane=lane,
        step_s=0.1,
        failed=failed,
    )


def report(**more) -> dict:
    row = {"frechet_m": 1.5, "off_road_m": 0.0, "completed": 1.0, "runs": 2, "failed": 0}
    return {
        "world": "roadworld",
        "routes": {"one-turn": {"caril": row, "headway": row}},
        "paired": {"headway - caril": {"mean": -1.0, "low": -1.5, "high": -0.5, "ratio": 0.4, "pairs": 2}},
        "stress": {"glare": {"one-turn": {"headway": row}}},
        "confidence": CONFIDENCE,
        "unfamiliar": UNFAMILIAR,
        "runs": 2,
        "failed": 0,
        "first_seed": FIRST_SEED,
        "model": {"name": "d<r>iving", "hash": "abc"},
        **more,
    }


def test_the_worst_drive_is_the_furthest_from_the_lane_and_failed_ones_are_left_out():
    runs = [run_beside(0.5), run_beside(9.0, failed="the simulator died"), run_beside(2.0)]
    ((route, seed, drivers),) = worst_runs({"one-turn": {"caril": [run_beside(3.0)] * 3, "headway": runs}})
    assert (route, seed) == ("one-turn", FIRST_SEED + 2)
    assert drivers["headway"] is runs[2]


def test_the_page_holds_routes_stress_differences_reliability_and_maps_and_loads_nothing():
    results = {"one-turn": {"caril": [run_beside(3.0)] * 2, "headway": [run_beside(0.5), run_beside(1.0)]}}
    text = page(report(), results)
    for wanted in ("Under glare", "headway - caril", "-1.000", "0.40", f"seed {FIRST_SEED + 1}", "Fréchet"):
        assert wanted in text
    assert text.count("<svg") == 2
    assert not re.search(r"https?://|src=|<script", text)
    assert "d&lt;r&gt;iving" in text
    assert "nan" not in text.lower()


@pytest.mark.parametrize("reference", [False, True])
def test_an_open_loop_report_has_errors_instead_of_routes(reference):
    errors = {"headway": 0.18, "headway-regression": 0.19, "mean-steering": 0.3}
    accuracy = {"headway": 0.5, "headway-regression": 0.45}
    if reference:
        errors, accuracy = errors | {"caril": 0.25}, accuracy | {"caril": 0.4}
    loop = report(world="tub", routes={}, frames=150, part="test", steering_mae=errors, bin_accuracy=accuracy)
    loop.pop("stress")
    text = page(loop, {})
    assert "Open loop" in text
    assert ("caril" in text) == reference
