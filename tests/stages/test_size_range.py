"""Ranges from head size do not draw people near, and are weighed as the measurement of a box deserves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from headway.stages import kalman
from headway.stages.size_range import linear_in_size

PIXELS = 320.0 * 0.23  # focal length times the height of a head: its box is this over the range
JITTER = 1.5
RATE = 15.0


def sized(range_m: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places and noise (n, ...) of heads straight ahead whose boxes jitter."""
    measured = PIXELS / np.maximum(PIXELS / range_m + JITTER * random.normal(size=len(range_m)), 2.0)
    noise = np.zeros((len(range_m), 2, 2))
    noise[:, 0, 0], noise[:, 1, 1] = (JITTER * measured**2 / PIXELS) ** 2, 0.05**2
    return np.column_stack([measured, np.zeros(len(range_m))]), noise


def filtered(range_m: float, linear: bool, frames: int = 60, people: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Errors along the line of sight and their claimed standard deviations, of people who stand."""
    random = np.random.default_rng(0)
    truth = np.full(people, range_m)
    seen, noise = sized(truth, random)
    state, covariance = np.column_stack([seen, np.zeros((people, 2))]), np.zeros((people, 4, 4))
    covariance[:, :2, :2], covariance[:, 2:, 2:] = noise, 1.5**2 * np.eye(2)
    for _ in range(frames):
        state, covariance = kalman.predict(state, covariance, 1 / RATE, 0.35)
        seen, noise = sized(truth, random)
        if linear:
            seen, noise = linear_in_size(state[:, :2], covariance[:, :2, :2], seen, noise)
        state, covariance = kalman.correct(state, covariance, seen, noise)
    return state[:, 0] - truth, np.sqrt(covariance[:, 0, 0])


def test_each_person_may_be_as_unsteady_as_their_measurement_asks_for() -> None:
    state, covariance = np.arange(8.0).reshape(2, 4), np.stack([np.eye(4), 2.0 * np.eye(4)])
    together = kalman.predict(state, covariance, 0.1, np.array([0.35, 0.8]))
    for row, acceleration in enumerate((0.35, 0.8)):
        alone = kalman.predict(state[row : row + 1], covariance[row : row + 1], 0.1, acceleration)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[row], b[0])


@pytest.mark.parametrize("range_m", [3.0, 6.0, 10.0])
def test_people_are_not_drawn_near_and_the_filter_knows_its_error(range_m: float) -> None:
    error, claimed = filtered(range_m, linear=True)
    assert abs(error.mean()) < 0.01 * range_m
    assert error.std() == pytest.approx(claimed.mean(), rel=0.15)


def test_without_it_people_far_away_were_placed_too_near() -> None:
    error, _ = filtered(10.0, linear=False)
    assert error.mean() < -0.6


def test_a_correction_is_the_most_likely_range() -> None:
    """The oracle minimises the squared errors of the track's range and of the box's height, on a line."""
    random = np.random.default_rng(1)
    away = []
    for truth in random.uniform(1.0, 12.0, 300):
        sigma = random.uniform(0.05, 0.6)
        expected = max(0.5, truth + sigma * random.normal())
        seen, noise = sized(np.array([truth]), random)

        def cost(r: float, expected: float = expected, sigma: float = sigma, box: float = PIXELS / seen[0, 0]) -> float:
            return ((r - expected) / sigma) ** 2 + ((PIXELS / r - box) / JITTER) ** 2

        best = minimize_scalar(cost, bounds=(0.1, 40.0), method="bounded", options={"xatol": 1e-7}).x
        state, spread = np.array([[expected, 0, 0, 0]]), np.diag([sigma**2, sigma**2, 1.0, 1.0])[None]
        found, after = kalman.correct(state, spread, *linear_in_size(state[:, :2], spread[:, :2, :2], seen, noise))
        away.append(abs(found[0, 0] - best) / np.sqrt(after[0, 0, 0]))
    assert np.percentile(away, 90) < 0.03
    assert max(away) < 0.4


def test_a_sighting_where_the_track_expects_it_is_taken_as_it_is() -> None:
    place, noise = np.array([[3.0, 4.0]]), np.array([[[0.3, 0.1], [0.1, 0.2]]])
    seen, weighed = linear_in_size(place, np.eye(2)[None], place, noise)
    np.testing.assert_allclose(seen, place)
    np.testing.assert_allclose(weighed, noise)


@pytest.mark.parametrize("bearing", [0.7, 2.0, -1.3])
def test_all_directions_are_alike(bearing: float) -> None:
    turn = np.array([[np.cos(bearing), -np.sin(bearing)], [np.sin(bearing), np.cos(bearing)]])
    place, spread = np.array([4.0, 0.3]), np.array([[0.5, 0.1], [0.1, 0.2]])
    seen, noise = np.array([5.0, 0.0]), np.array([[0.4, 0.0], [0.0, 0.05]])
    ahead = linear_in_size(place[None], spread[None], seen[None], noise[None])
    turned = linear_in_size(
        (turn @ place)[None], (turn @ spread @ turn.T)[None], (turn @ seen)[None], (turn @ noise @ turn.T)[None]
    )
    np.testing.assert_allclose(turned[0][0], turn @ ahead[0][0])
    np.testing.assert_allclose(turned[1][0], turn @ ahead[1][0] @ turn.T)


RANGES = st.floats(0.0, 100.0)
SPREADS = st.floats(1e-3, 30.0)


@given(RANGES, RANGES, st.floats(-np.pi, np.pi), SPREADS, SPREADS)
def test_whatever_is_seen_stays_finite_and_in_front(
    expected: float, measured: float, bearing: float, spread: float, noise: float
) -> None:
    towards = np.array([np.cos(bearing), np.sin(bearing)])
    seen, weighed = linear_in_size(
        np.array([[expected, 0.0]]), spread**2 * np.eye(2)[None], measured * towards[None], noise**2 * np.eye(2)[None]
    )
    assert np.isfinite(seen).all()
    assert (seen @ towards >= -1e-9).all()
    assert (np.linalg.eigvalsh(weighed) > 0).all()


def test_places_beyond_all_measure_raise_nothing() -> None:
    far, wide = np.array([[1e200, 0.0], [3.0, 0.0]]), np.full((2, 2, 2), 1e300)
    seen, noise = linear_in_size(far, wide, far[::-1], np.tile(np.eye(2), (2, 1, 1)))
    assert seen.shape == (2, 2)
    assert noise.shape == (2, 2, 2)
    alone = linear_in_size(np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)))
    assert [a.shape for a in alone] == [(0, 2), (0, 2, 2)]
