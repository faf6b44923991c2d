from itertools import pairwise

import numpy as np
import pytest

from headway.stages.memory import ForecastMemory, moved_on

STEP_S, START = 0.4, 1_700_000_000_000_000_000


def straight(now_s: float, noise: float = 0.0, random=None):
    """Forecasts made at `now_s` of two people on straight lines, K = 3, T = 12: modes and probability."""
    t = now_s + STEP_S * np.arange(1, 13)
    velocity = np.array([[-1.0, 0.2], [0.5, 0.5]])
    modes = velocity[:, None, None] * t[:, None] + np.arange(3)[:, None, None]
    if random is not None:
        modes = modes + noise * random.normal(size=modes.shape)
    return modes, np.tile([0.5, 0.3, 0.2], (2, 1))


def run(memory: ForecastMemory, frames: int, noise: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.array(
        [
            memory(START + round(i / 15 * 1e9), np.array([4, 9]), *straight(i / 15, noise, random))[0]
            for i in range(frames)
        ]
    )


def test_a_path_moved_on_is_the_same_path_later() -> None:
    np.testing.assert_allclose(moved_on(straight(0.0)[0], 0.25), straight(0.1)[0], atol=1e-12)


def test_forecasts_that_agree_are_not_changed() -> None:
    found = run(ForecastMemory(0.3, STEP_S), 20, 0.0)
    np.testing.assert_allclose(found[-1], straight(19 / 15)[0], atol=1e-9)


def test_noise_between_successive_forecasts_is_cut() -> None:
    def flicker(fade_s: float) -> float:
        found = run(ForecastMemory(fade_s, STEP_S), 60, 0.1)
        jumps = [np.abs(moved_on(a, (1 / 15) / STEP_S) - b)[..., :-1, :].mean() for a, b in pairwise(found)]
        return float(np.mean(jumps[5:]))

    assert flicker(0.15) < 0.7 * flicker(0.0)


def test_a_new_person_and_a_long_silence_have_no_memory() -> None:
    memory = ForecastMemory(0.3, STEP_S)
    modes, probability = straight(0.0)
    memory(START, np.array([4, 9]), modes, probability)
    other, _ = memory(START + 10**8, np.array([5, 9]), modes + 1, probability)
    np.testing.assert_array_equal(other[0], modes[0] + 1)
    assert not np.array_equal(other[1], modes[1] + 1)
    late, _ = memory(START + 10**9, np.array([5, 9]), modes, probability)
    np.testing.assert_array_equal(late, modes)


@pytest.mark.parametrize("fade_s", [0.0, 0.5])
def test_probabilities_stay_probabilities(fade_s: float) -> None:
    memory = ForecastMemory(fade_s, STEP_S)
    modes, _ = straight(0.0)
    for i, p in enumerate(([0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0])):
        _, found = memory(START + i * 10**8, np.array([4, 9]), modes, np.tile(p, (2, 1)))
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert (found >= 0).all()
    if fade_s:
        assert found[0, 1] > 0.1
