"""The alert rule is tuned on people whom no reported table uses, by the rule that runs on the device."""

from __future__ import annotations

import numpy as np
import pytest

from headway.evaluate.alert_tuning import CHOICES, MOST_SHARE, cost, follow, judged, raised, tune, tuning_recordings
from headway.evaluate.egocentric import Wearing, dense, walk
from headway.evaluate.pedestrians import SCENES, Recording, read_split
from headway.runtime.model import open_model
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Level


def crowd() -> Recording:
    """Person 0 walks along x; others come head on, cross, overtake and pass by."""
    t = np.arange(24)[:, None] * 0.4
    paths = [
        np.hstack([1.2 * t, 0 * t]),
        np.hstack([16 - 1.1 * t, 0.3 + 0 * t]),
        np.hstack([8 + 0 * t, 6 - 1.0 * t]),
        np.hstack([4 + 0.9 * t, 1.8 - 0.1 * t]),
        np.hstack([20 - 1.3 * t, -2.5 + 0 * t]),
    ]
    return Recording("made_train", np.arange(5), np.stack(paths, axis=1))


@pytest.fixture(scope="module")
def run():
    recording, how = crowd(), Wearing(noise_m=0.1, reach_m=20.0)
    seen = walk(recording, dense(recording, how.rate), 0, how, np.random.default_rng(3))
    return follow(seen, open_model("trajectory", "trajectory"))


def test_no_recording_of_a_reported_table_is_tuned_on(shared_data) -> None:
    shared_data("eth_ucy")
    tested = {r.name for scene in SCENES for r in read_split(scene, "test")}
    names = {r.name.rpartition("_")[0] for r in tuning_recordings()}
    assert names == {"crowds_zara03", "uni_examples"}
    assert not names & tested


@pytest.mark.parametrize("config", [RiskConfig(), RiskConfig(hold_s=0.0, release=1.0, min_age_s=0.5, soft_m=0.1)])
def test_a_rule_is_tried_by_what_the_device_would_say(run, config: RiskConfig) -> None:
    tracks, risk = TrackStage(TrackConfig()), RiskStage(config)
    forecast = ForecastStage(open_model("trajectory", "trajectory"), ForecastConfig())
    said = np.zeros(run.walk.seen.shape, bool)
    column: dict[int, int] = {}
    for frame in range(len(said)):
        found = forecast(tracks.follow(run.walk.view(frame), run.walk.sightings(frame)))
        for identity, index in zip(found.tracks.ids.tolist(), found.tracks.head_index.tolist(), strict=True):
            column[identity] = index if index >= 0 else column[identity]
        for r in risk(found).items:
            said[frame, column[r.track_id]] |= r.level == Level.ALERT
    assert said.any()
    # What is kept of the paths is float32: a probability within that of a threshold may fall on its other side.
    assert (raised(run, config) != said).sum() <= 1


def test_the_allowance_of_false_alarms_is_spent_on_conflicts_and_never_overdrawn() -> None:
    missing = {"0.03": {"recall_in_time": 0.90, "share": 0.1}}
    warning = {"0.03": {"recall_in_time": 0.99, "share": MOST_SHARE}}
    overdrawn = {"0.03": {"recall_in_time": 1.0, "share": MOST_SHARE + 0.1}}
    assert cost(warning) < cost(missing) < cost(overdrawn)


def test_tuning_ends_where_no_single_change_is_better(run) -> None:
    levels = {"0.1": [run]}
    start = RiskConfig(alert_share=0.9, alert_s=1.0)
    best = tune(levels, start)
    least = cost(judged(levels, best))
    assert least <= cost(judged(levels, start))
    for name, values in CHOICES.items():
        for value in values:
            assert cost(judged(levels, best.replaced({name: value}))) >= least - 1e-9
