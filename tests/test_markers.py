"""The colour of a marker claims no more than is known."""

import numpy as np
import pytest

from headway.markers import COLOURS, marker_array
from headway.types import Forecast, Level, Risk, Risks, Tracks, View

VIEW = View(stamp_ns=1)


def one_person() -> Forecast:
    tracks = Tracks(
        stamp_ns=1,
        ids=np.array([1]),
        position=np.array([[4.0, 0.0, 0.0]]),
        velocity=np.zeros((1, 3)),
        covariance=np.eye(4)[None],
        history=np.zeros((1, 8, 2)),
        history_age_s=np.full((1, 8), np.nan),
        age_s=np.ones(1),
        head_direction=np.full((1, 2), np.nan),
        head_index=np.array([0]),
    )
    return Forecast(tracks, np.ones((1, 1, 12, 2)), np.ones((1, 1)), np.ones((1, 12)), 0.4, 0.9)


@pytest.mark.parametrize(
    ("risks", "shown"),
    [
        (Risks(1, (Risk(1, Level.CLEAR, None, 0.0, 5.0, "left"),)), Level.CLEAR),
        (Risks(1, (Risk(1, Level.CLEAR, None, 0.0, 5.0, "left"),), "no IMU"), Level.UNSURE),
        (Risks(1, (Risk(1, Level.ALERT, 1.0, 0.9, 0.2, "left"),), "no IMU"), Level.ALERT),
        (Risks(1), Level.UNSURE),
        (None, Level.UNSURE),
    ],
    ids=["clear", "clear in an unsure frame", "alert in an unsure frame", "not judged", "nobody judged"],
)
def test_a_marker_is_green_only_where_the_way_is_known_to_be_clear(risks: Risks | None, shown: Level) -> None:
    sphere = next(m for m in marker_array(one_person(), risks, VIEW)["markers"] if m["ns"] == "people")
    assert tuple(sphere["color"][k] for k in "rgb") == COLOURS[shown]
