"""Every score of a forecast is taken at the moment that the forecast is about."""

from dataclasses import replace

import numpy as np
import pytest

from headway.evaluate.alerts import AlertCount
from headway.evaluate.egocentric import Walk, Wearing, dense, walk
from headway.evaluate.pedestrians import Recording
from headway.evaluate.walk_run import RULES, Errors, drawn, run_walk
from headway.evaluate.walk_scores import WalkScores
from headway.runtime.model import open_model
from headway.types import Forecast, Tracks

RATE = 15.0


@pytest.mark.parametrize("odometry", [False, True])
def test_somebody_who_walks_straight_and_is_seen_exactly_is_forecast_where_they_go(odometry: bool) -> None:
    """They come on at 2.3 m/s: a path or a truth that is 0.4 s off is a metre off."""
    t = np.arange(30)[:, None] * 0.4
    paths = [np.hstack([1.2 * t, 0 * t]), np.hstack([16 - 1.1 * t, 1.5 + 0 * t])]
    recording = Recording("made", np.array([1, 2]), np.stack(paths, axis=1))
    how = Wearing(noise_m=1e-4, reach_m=20.0, head_sigma_deg=0.0, odometry=odometry)
    model, errors = open_model("trajectory", "trajectory"), Errors()
    straight = walk(recording, dense(recording, RATE), 0, how, np.random.default_rng(0))
    run_walk(straight, model, 0.9, {r: AlertCount() for r in RULES}, errors)
    model.close()
    worst = {name: np.max(rows, axis=0)[0] for name, rows in errors.rows.items()}
    assert len(errors.inside) > 10
    assert worst["line-fit"] < 0.005
    assert worst["constant-velocity"] < 0.02
    assert worst["heads-up"] < 0.1
    assert worst["headway"] < 0.2
    assert max(errors.flicker_m["headway"]) < 0.06
    assert max(errors.flicker_m["constant-velocity"]) < 0.02
    n, m = len(errors.inside), len(errors.scores.held)
    missed = Errors(inside=[False] * n, scores=WalkScores(held={f"other {i}": False for i in range(3 * m)}))
    assert drawn([errors, missed]) == {"measured": 0.25, "single": 0.5, "moments": 4 * m, "forecasts": 2 * n}


def test_the_score_of_a_forecast_is_its_largest_error_in_units_of_the_scale_that_the_radius_was_made_with() -> None:
    """Two people who go 0.4 and 0.2 m a step; the most likely paths are 0.1 m beside, but at the last step 0.3 m."""
    frame, steps = 6, 12
    ways = np.array([[0.4, 0.0], [0.0, 0.2]])
    relative = np.array([4.0, -2.0]) + np.arange(200)[:, None, None] / 6 * ways
    seen = np.ones(relative.shape[:2], bool)
    made = Walk("made", RATE, 0.0, np.array([7, 8]), relative, seen, relative, np.zeros(200))
    truth = relative[frame, :, None] + np.arange(1, steps + 1)[:, None] * ways[:, None]
    modes = np.repeat(truth[:, None], 2, axis=1) + [[[[0.1, 0.0]], [[5.0, 0.0]]]] * 2
    modes[0, 0, -1, 0] += 0.2
    still, nothing = np.zeros((2, 3)), np.full((2, 2), np.nan)
    tracks = Tracks(
        1, np.array([1, 2]), still, still, np.zeros((2, 4, 4)), nothing[:, None], nothing[:, :1], np.ones(2), nothing,
        np.array([0, 1]),
    )  # fmt: skip
    quantiles = np.array([[2.0], [4.0]])
    scale = np.tile([[0.5], [1.0]], steps)
    forecast = Forecast(tracks, modes, np.array([[0.9, 0.1]] * 2), quantiles * scale, 0.4, 0.9)
    found = WalkScores()
    found.add(made, frame, forecast, {0: 0, 1: 1}, quantiles)
    scores = found.scores()
    np.testing.assert_allclose(scores.score, [0.3 / 0.5, 0.1 / 1.0])
    assert (len(np.unique(scores.track)), len(np.unique(scores.moment))) == (2, 1)
    assert found.held == {"made 6": True}
    found.add(made, frame, replace(forecast, radius=forecast.radius / 4), {0: 0, 1: 1}, quantiles / 4)
    assert found.held == {"made 6": False}, "0.3 m away is outside a radius of 0.25 m"
