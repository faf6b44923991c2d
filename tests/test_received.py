"""Messages that come in from nodes of anybody's."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from headway.received import heads_from_message


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
