"""Curve measures against textbook recursions and cases worked out by hand."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate.curves import area_between, dtw, frechet, length_difference, path_length, resampled

POINTS = st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=1, max_size=7).map(np.array)


def by_definition(a, b, join):
    @lru_cache(None)
    def cost(i, j):
        here = float(np.hypot(*(a[i] - b[j])))
        before = [cost(m, n) for m, n in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if m >= 0 and n >= 0]
        return join(here, min(before)) if before else here

    return cost(len(a) - 1, len(b) - 1)


@given(POINTS, POINTS)
def test_frechet_and_dtw_follow_their_definitions_and_are_symmetric(a, b):
    assert frechet(a, b) == pytest.approx(by_definition(a, b, max))
    assert dtw(a, b) == pytest.approx(by_definition(a, b, lambda x, y: x + y))
    assert frechet(b, a) == pytest.approx(frechet(a, b))
    assert dtw(b, a) == pytest.approx(dtw(a, b))


@given(POINTS)
def test_a_path_has_no_distance_to_itself(a):
    assert frechet(a, a) == 0.0
    assert dtw(a, a) == 0.0


def test_parallel_paths_are_their_offset_apart():
    a = np.stack([np.linspace(0, 50, 40), np.zeros(40)], 1)
    b = a + np.array([0.0, 2.0])
    assert frechet(a, b) == pytest.approx(2.0)
    assert area_between(a, b) == pytest.approx(100.0)
    assert dtw(resampled(a), resampled(b)) == pytest.approx(2.0 * 51)
    assert length_difference(a, b) == pytest.approx(0.0)


def test_crossing_paths_have_area_on_both_sides():
    a = np.array([[0.0, -1.0], [10.0, 1.0]])
    b = np.array([[0.0, 1.0], [10.0, -1.0]])
    assert area_between(a, b) == pytest.approx(10.0, rel=0.02)


def test_resampling_keeps_the_ends_and_the_length():
    angle = np.linspace(0, np.pi, 500)
    arc = 10 * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = resampled(arc, 0.5)
    assert np.allclose(points[[0, -1]], arc[[0, -1]])
    assert path_length(points) == pytest.approx(np.pi * 10, rel=1e-3)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps[:-1] == pytest.approx(0.5, abs=1e-3)
    assert len(resampled(np.zeros((5, 2)))) == 1
