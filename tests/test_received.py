"""Messages that come in from nodes of anybody's."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from headway.received import heads_from_message, risks_from_message
from headway.stages.existence import head_probability
from headway.types import Level


def head(quaternion):
    orientation = SimpleNamespace(**dict(zip("xyzw", quaternion, strict=True)))
    box = {"x_min": 10.0, "y_min": 20.0, "x_max": 40.0, "y_max": 60.0}
    return SimpleNamespace(**box, score=0.9, sigma=0.1, attention=0.5, orientation=orientation)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrong", [0.0, 1e200, -1e200, math.inf, math.nan, 3.0])
def test_a_head_whose_orientation_is_no_rotation_looks_nowhere_known(wrong):
    turned, level = head((0.0, 0.6, 0.0, 0.8)), head((0.0, 0.0, 0.0, 1.0))
    found = heads_from_message(SimpleNamespace(valid=True, heads=[turned, head([wrong] * 4), level]))
    assert len(found) == 3
    assert np.isnan(found.rotation[1]).all()
    assert np.isfinite(found.rotation[[0, 2]]).all()


@pytest.mark.parametrize("sigma", [-1.0, -math.inf])
def test_a_head_with_a_sigma_below_zero_is_the_least_sure_and_not_the_surest(sigma):
    broken, doubtful = head((0.0, 0.0, 0.0, 1.0)), head((0.0, 0.0, 0.0, 1.0))
    broken.sigma, doubtful.sigma = sigma, math.pi
    found = heads_from_message(SimpleNamespace(valid=True, heads=[broken, doubtful]))
    unknown, least = head_probability(found, 640, 480)
    assert unknown == least


def risk_message(level, *levels, valid=True):
    items = [
        SimpleNamespace(
            track_id=i,
            level=item,
            contact=False,
            time_to_contact=0.0,
            probability=0.5,
            closest=1.0,
            direction="ahead",
            reason="",
        )
        for i, item in enumerate(levels)
    ]
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0))
    return SimpleNamespace(header=header, valid=valid, unsure=False, reason="", level=level, risks=items)


@pytest.mark.parametrize(
    ("level", "levels", "read"),
    [
        (Level.ALERT, (), Level.ALERT),
        (Level.ALERT, (Level.NOTICE,), Level.ALERT),
        (Level.NOTICE, (), Level.UNSURE),
        (Level.UNSURE, (Level.CLEAR,), Level.UNSURE),
        (200, (), Level.UNSURE),
        (Level.CLEAR, (Level.ALERT,), Level.ALERT),
        (Level.CLEAR, (), Level.CLEAR),
    ],
)
def test_a_risk_message_is_never_read_as_less_than_its_level_or_any_of_its_risks_says(level, levels, read):
    assert risks_from_message(risk_message(level, *levels)).level == read
