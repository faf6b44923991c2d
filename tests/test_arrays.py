"""The short questions answer as numpy does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from headway.arrays import every, finite, some

SHAPES = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@given(arrays(bool, SHAPES))
def test_every_and_some_are_all_and_any(mask):
    assert every(mask) is bool(mask.all())
    assert some(mask) is bool(mask.any())


@given(arrays(st.sampled_from([np.float16, np.float32, np.float64]), SHAPES))
def test_finite_is_isfinite_of_all(values):
    with np.errstate(over="ignore", invalid="ignore"):
        assert finite(values) is bool(np.isfinite(values).all())


@pytest.mark.parametrize("largest", [np.finfo(np.float64).max, -1e300])
def test_numbers_whose_squares_are_too_large_are_finite(largest):
    assert finite(np.array([[largest, 1.0], [0.0, largest]]))
    assert not finite(np.array([largest, np.inf, -np.inf]))
    assert finite(np.zeros((0, 3)))
