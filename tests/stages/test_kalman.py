"""The filter of people's places against the textbook, and what its noise must fulfil at any frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from headway.stages import kalman


def people(seed: int, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    root = random.normal(size=(n, 4, 4))
    return random.normal(size=(n, 4)), root @ root.swapaxes(1, 2) + 0.01 * np.eye(4)


@pytest.mark.parametrize("steps", [2, 7])
def test_what_is_not_known_grows_alike_in_one_long_step_and_in_many_short_ones(steps: int) -> None:
    state, covariance = people(0)
    at_once = kalman.predict(state, covariance, 0.7, 0.8)
    for _ in range(steps):
        state, covariance = kalman.predict(state, covariance, 0.7 / steps, 0.8)
    np.testing.assert_allclose(state, at_once[0])
    np.testing.assert_allclose(covariance, at_once[1])


def test_the_acceleration_is_the_growth_of_the_velocitys_variance() -> None:
    _, covariance = kalman.predict(np.zeros((1, 4)), np.zeros((1, 4, 4)), 0.5, 0.8)
    np.testing.assert_allclose(covariance[0].diagonal()[2:], 0.8**2 * 0.5)


def test_a_correction_is_the_textbooks() -> None:
    state, covariance = people(1)
    seen, noise = people(2)[0][:, :2], people(3)[1][:, :2, :2]
    found = kalman.correct(state, covariance, seen, noise)
    away = kalman.distance_squared(state, covariance, seen, noise)
    h = np.eye(2, 4)
    for i in range(len(state)):
        for j in range(len(seen)):
            off = seen[j] - h @ state[i]
            wanted = off @ np.linalg.solve(h @ covariance[i] @ h.T + noise[j], off)
            np.testing.assert_allclose(away[i, j], wanted)
        gain = covariance[i] @ h.T @ np.linalg.inv(h @ covariance[i] @ h.T + noise[i])
        np.testing.assert_allclose(found[0][i], state[i] + gain @ (seen[i] - h @ state[i]))
        np.testing.assert_allclose(found[1][i], (np.eye(4) - gain @ h) @ covariance[i], atol=1e-10)
