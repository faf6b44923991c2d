"""Two rankings are compared row by row; what is no number is infinitely far from everything."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from headway.export.parity import worst_by_column, worst_difference
from headway.runtime.manifest import TensorSpec

SPEC = {"c": TensorSpec((1, 3, 2), columns={"score": (0, 1), "angle": (1, 2)})}
ROWS = np.array([[[0.9, 10.0], [0.5, 20.0], [0.1, 0.0]]])


def test_rows_of_one_score_may_change_places():
    tied = np.array([[[0.9, 10.0], [0.5, 20.0], [0.5, 30.0], [0.1, 0.0]]])
    assert worst_difference({"c": tied}, {"c": tied[:, [0, 2, 1, 3]]}, SPEC) == {"c": 0.0}


@pytest.mark.parametrize("spoilt", [(0, 2, slice(None)), (0, 2, 1), (0, 1, 0), (0, 0, slice(None))])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_no_number_is_infinitely_far_wherever_it_stands(spoilt, value):
    found = ROWS.copy()
    found[spoilt] = value
    assert worst_difference({"c": ROWS}, {"c": found}, SPEC) == {"c": np.inf}
    assert max(w.value for w in worst_by_column({"c": ROWS}, {"c": found}, SPEC, floor=0.6).values()) == np.inf


def test_a_row_of_nan_that_topk_ranks_first_is_seen():
    found = np.array([[[np.nan, np.nan], [0.9, 10.0], [0.5, 20.0]]])
    assert worst_difference({"c": ROWS}, {"c": found}, SPEC) == {"c": np.inf}
