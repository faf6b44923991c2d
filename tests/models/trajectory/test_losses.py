"""The loss of forecasts, by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from headway.models.trajectory.config import TrainingConfig  # noqa: E402
from headway.models.trajectory.data import Batch  # noqa: E402
from headway.models.trajectory.losses import path_losses  # noqa: E402
from headway.models.trajectory.train_memory import jump, moved_on  # noqa: E402

NEAR, FAR = (0.0, 1.0), (1.0, 3.0)
"""Errors of two modes, in metres, at the two steps that are known of three."""


def parts(share_of_the_near_one: float) -> dict[str, float]:
    future = torch.zeros(1, 1, 3, 2)
    modes = torch.zeros(1, 1, 2, 3, 2)
    modes[0, 0, :, :2, 0] = torch.tensor([NEAR, FAR])
    modes[0, 0, :, 2, 0] = 50.0  # of which nobody knows whether it is wrong
    one, nothing = torch.ones(1, 1), torch.zeros(1, 1, 1, 2)
    batch = Batch(nothing, one[..., None], nothing, future, torch.tensor([[[1.0, 1.0, 0.0]]]), one, one, one)
    log_probability = torch.tensor([[[share_of_the_near_one, 1 - share_of_the_near_one]]]).log()
    return path_losses(modes, log_probability, batch, TrainingConfig(), 1.0)[1]


def test_only_what_is_known_counts_and_the_last_point_is_the_last_known_one() -> None:
    found = parts(0.3)
    assert found["min_ade"] == pytest.approx(np.mean(NEAR), abs=1e-3)
    assert found["min_fde"] == pytest.approx(NEAR[-1], abs=1e-3)
    assert (found["ade"], found["fde"]) == pytest.approx((np.mean(FAR), FAR[-1]), abs=1e-3)


def test_the_probabilities_learn_which_mode_is_near() -> None:
    away = np.exp(-np.array([np.mean(NEAR), np.mean(FAR)]) / TrainingConfig().soft_m)
    wanted = away / away.sum()
    assert parts(0.8)["cross_entropy"] == pytest.approx(-(wanted * np.log([0.8, 0.2])).sum(), abs=1e-3)


def test_a_forecast_that_goes_on_as_the_last_one_said_does_not_jump() -> None:
    random = np.random.default_rng(0)
    old = torch.from_numpy(np.cumsum(random.normal(0.5, 0.1, (1, 2, 3, 12, 2)), axis=3))
    log_probability, seen = torch.full((1, 2, 3), 1 / 3).log(), torch.ones(1, 2)
    later = moved_on(old, 0.5)
    assert float(jump(old, log_probability, later, log_probability, 0.2, seen)) == pytest.approx(1e-3, abs=1e-6)
    assert float(jump(old, log_probability, later + 0.3, log_probability, 0.2, seen)) > 0.3
