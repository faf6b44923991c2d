"""The forecast and the number of people: nobody is left in the network's inputs, and the radius is for all of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from straight_engine import straight_model
from walking_people import heads, view

from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig, TrackStage
from headway.tasks import Trajectory
from headway.types import Trace, Tracks


def tracks_of(people: int) -> Tracks:
    stage, seen = TrackStage(), heads([[4.0 + i, 0.4 * i, 0.0] for i in range(people)])
    for i in range(8):
        tracks = stage(view(i / 15), seen)
    assert len(tracks) == people
    return tracks


def test_who_is_gone_is_not_left_in_the_networks_inputs(tmp_path) -> None:
    stage = ForecastStage(straight_model(tmp_path))
    stage(tracks_of(3))
    engine = stage._model.engine
    assert engine.fed["valid"][0, :3].any(axis=1).all()
    stage(tracks_of(1))
    assert engine.fed["valid"][0, 0].any()
    assert not any(feed[0, 1:].any() for feed in engine.fed.values())


@pytest.mark.parametrize(("together", "people"), [(True, 3), (False, 1)])
def test_the_radius_is_for_everybody_at_once_unless_each_is_asked_for_alone(tmp_path, together, people) -> None:
    stage = ForecastStage(straight_model(tmp_path), ForecastConfig(together=together))
    stage.calibration = SimpleNamespace(quantile=lambda nominal, people, condition: float(people))
    tracks = replace(tracks_of(3), by_size=None)
    assert np.array_equal(stage.quantiles(tracks), np.full((3, 1), people))


def test_a_network_for_fewer_people_than_are_in_view_answers_for_the_nearest_and_the_rest_is_counted(tmp_path) -> None:
    model = straight_model(tmp_path, slots=2)
    task = Trajectory(model, TrackConfig(), ForecastConfig(), RiskConfig())
    motion = task.step(view(0.0), heads([[4.0 + i, 0.4 * i, 0.0] for i in range(3)]), Trace())
    assert [r.track_id for r in motion.risks.items] == [0, 1]
    assert motion.tracks.left_out == 1
