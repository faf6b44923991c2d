"""The reference mode `caril` is the published one: parameters, bins, loss, corrector; its flip bug is not copied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.stages.caril import WIDTH, Corrector, throttle

FLAT = np.full(11, 1 / 11)


def peaked(k: int, top: float) -> np.ndarray:
    p = np.full(11, (1 - top) / 10)
    p[k] = top
    return p


@pytest.mark.train
def test_the_reference_network_has_24162444_parameters():
    torch = pytest.importorskip("torch")
    from headway.models.driving.reference import CarilNetwork, keras_parameter_count

    network = CarilNetwork().eval()
    assert keras_parameter_count(network) == 24_162_444
    with torch.no_grad():
        regression, logits = network(torch.rand(2, 3, 160, 160))
    assert regression.shape == (2, 1)
    assert logits.shape == (2, 11)


@pytest.mark.train
def test_labels_scale_by_four_and_mirror():
    torch = pytest.importorskip("torch")
    from headway.models.driving.reference import published_label

    steering = torch.tensor([-0.25, -0.1, 0.0, 0.2, 0.25, 0.9])
    scaled, index = published_label(steering)
    assert scaled.tolist() == pytest.approx([-1.0, -0.4, 0.0, 0.8, 1.0, 1.0])
    assert index.tolist() == [0, 3, 5, 9, 10, 10]
    assert published_label(-steering)[1].tolist() == [10 - k for k in index.tolist()]


@pytest.mark.train
def test_the_loss_is_half_and_half_plus_l2_of_the_dense_layers():
    torch = pytest.importorskip("torch")
    from headway.models.driving.reference import CarilNetwork, published_loss, published_optimizer

    network = CarilNetwork()
    for p in network.parameters():
        torch.nn.init.zeros_(p)
    regression, logits = torch.tensor([[0.5]]), torch.zeros(1, 11)
    loss = published_loss(network, regression, logits, torch.tensor([0.0]), torch.tensor([5]))
    assert loss.item() == pytest.approx(0.5 * 0.25 + 0.5 * np.log(11))
    torch.nn.init.constant_(network.bins[0].weight, 0.1)
    more = published_loss(network, regression, logits, torch.tensor([0.0]), torch.tensor([5]))
    assert (more - loss).item() == pytest.approx(0.01 * 0.01 * 128 * 64, rel=1e-4)
    optimizer, schedule = published_optimizer(network)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    assert schedule.lr_lambdas[0](10_000) == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("regression", "probability", "case"),
    [
        (0.0, peaked(5, 0.95), 1),
        (0.0, peaked(6, 0.95), 1),
        (0.0, peaked(7, 0.95), 2),
        (0.0, FLAT, 3),
        (0.0, peaked(5, 0.7), 4),
        (0.0, peaked(5, 0.9), 1),
    ],
)
def test_the_corrector_takes_the_published_case(regression, probability, case):
    steering, taken = Corrector(1)(regression, probability)
    assert taken == case
    if case in (1, 3):
        assert steering == regression


@given(st.integers(0, 10), st.integers(0, 1000))
def test_case_two_lands_inside_the_bin(k, seed):
    steering, case = Corrector(seed)(-1.0 if k > 5 else 1.0, peaked(k, 0.95))
    assert case == 2
    assert -1.0 + k * WIDTH <= steering <= -1.0 + (k + 1) * WIDTH


def test_case_four_is_noise_round_the_regression_with_the_published_variance():
    p = peaked(5, 0.7)
    corrector = Corrector(0)
    values = np.array([corrector(0.1, p)[0] for _ in range(4000)])
    assert values.mean() == pytest.approx(0.1, abs=0.01)
    assert values.std() == pytest.approx(np.sqrt(np.var(p) / 10), rel=0.05)


def test_the_same_seed_gives_the_same_steering():
    a, b = ([Corrector(3)(0.0, peaked(8, 0.95))[0] for _ in range(3)] for _ in range(2))
    assert a == b


def test_throttle_is_half_below_15_metres_per_second():
    assert [throttle(v) for v in (0.0, 14.9, 15.0, 20.0)] == [0.5, 0.5, 0.0, 0.0]
