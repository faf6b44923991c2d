"""Curve measures against textbook recursions and cases worked out by hand."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate.curves import (
    LEASH_STEP_M,
    area_between,
    cut_at_end,
    dtw,
    frechet,
    length_difference,
    path_length,
    resampled,
)

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


@given(st.floats(0.05, 3.0), st.floats(0.3, 0.9), st.floats(0.0, 0.9))
def test_the_leash_of_a_parallel_drive_is_its_offset_whatever_the_speed(offset, step, overshoot):
    lane = np.stack([np.arange(0.0, 60.01, 0.25), np.zeros(241)], 1)
    driven = np.arange(0.0, 60.0, step)
    driven = np.append(driven, 60.0 + overshoot * step)
    path = cut_at_end(np.stack([driven, np.full_like(driven, offset)], 1), lane)
    leash = frechet(resampled(path, LEASH_STEP_M), resampled(lane, LEASH_STEP_M))
    assert offset <= leash + 1e-9
    assert leash <= np.hypot(offset, LEASH_STEP_M)


def test_only_the_step_that_crosses_the_end_is_cut():
    lane = np.array([[0.0, 0.0], [9.0, 0.0], [10.0, 0.0]])
    crossing = cut_at_end(np.array([[0.0, 1.0], [9.5, 1.0], [10.5, 2.0]]), lane)
    assert np.allclose(crossing, [[0.0, 1.0], [9.5, 1.0], [10.0, 1.5]])
    for path in ([[0.0, 1.0], [9.5, 1.0]], [[0.0, 1.0]], [[11.0, 0.0], [12.0, 0.0]], np.zeros((0, 2))):
        assert np.array_equal(cut_at_end(np.array(path), lane), np.array(path))
