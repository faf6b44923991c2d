import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from headway.evaluate.pedestrians import Recording, contiguous_valid  # noqa: E402
from headway.models.trajectory.config import TrainingConfig, TrajectoryConfig  # noqa: E402
from headway.models.trajectory.data import SceneSampler, pack  # noqa: E402
from headway.models.trajectory.losses import losses  # noqa: E402
from headway.models.trajectory.network import TrajectoryNetwork  # noqa: E402
from headway.models.trajectory.train import follow  # noqa: E402


def crowd(people: int = 6, seed: int = 0):
    """(1, n, 8, 2) walking people, all seen, with head directions."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, 0.5, (1, people, 1, 2)) + random.normal(0, 0.05, (1, people, 8, 2))
    positions = steps.cumsum(axis=2) + random.normal(0, 3, (1, people, 1, 2))
    angle = random.uniform(0, 2 * np.pi, (1, people))
    arrays = positions, np.ones((1, people, 8)), np.stack([np.cos(angle), np.sin(angle)], -1)
    return tuple(torch.from_numpy(a.astype(np.float32)) for a in arrays)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return TrajectoryNetwork().eval()


def answer(network, *feeds):
    with torch.no_grad():
        return network(*feeds)


@given(st.floats(-3.1, 3.1), st.floats(-50, 50), st.floats(-50, 50))
@settings(max_examples=20)
def test_the_answer_turns_and_shifts_with_the_scene(network, angle, x, y) -> None:
    positions, valid, head = crowd()
    turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
    shift = torch.tensor([x, y], dtype=torch.float32)
    modes, probability = answer(network, positions, valid, head)
    turned, same = answer(network, positions @ turn.T + shift, valid, head @ turn.T)
    torch.testing.assert_close(turned, modes @ turn.T + shift, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(same, probability, atol=2e-3, rtol=1e-3)


def test_the_order_of_people_and_the_empty_slots_do_not_matter(network) -> None:
    positions, valid, head = crowd()
    modes, probability = answer(network, positions, valid, head)
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    shuffled, _ = answer(network, positions[:, order], valid[:, order], head[:, order])
    torch.testing.assert_close(shuffled, modes[:, order], atol=1e-4, rtol=1e-4)
    padded = [torch.cat([t, torch.full((1, 26, *t.shape[2:]), fill)], dim=1) for t, fill in
              ((positions, 4.0), (valid, 0.0), (head, 0.0))]  # fmt: skip
    in_slots, log_probability = answer(network, *padded)
    torch.testing.assert_close(in_slots[:, :6], modes, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_probability[:, :6], probability, atol=1e-4, rtol=1e-4)


def test_neighbours_within_reach_change_the_answer_and_far_ones_do_not(network) -> None:
    positions, valid, head = crowd(2)
    positions[:, 1] = positions[:, 0] + torch.tensor([2.0, 0.0])
    near, _ = answer(network, positions, valid, head)
    alone, _ = answer(network, positions[:, :1], valid[:, :1], head[:, :1])
    assert not torch.allclose(near[:, 0], alone[:, 0], atol=1e-4)
    positions[:, 1] += 30.0
    far, _ = answer(network, positions, valid, head)
    torch.testing.assert_close(far[:, 0], alone[:, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["empty", "standing", "together", "two steps", "far"])
def test_no_nan_for_any_degenerate_scene(network, kind) -> None:
    positions, valid, head = crowd(32)
    if kind == "empty":
        positions, valid, head = positions * 0, valid * 0, head * 0
    elif kind == "standing":
        positions, head = positions[:, :, -1:].expand(-1, -1, 8, -1).clone(), head * 0
    elif kind == "together":
        positions = positions[:, :1].expand(-1, 32, -1, -1).clone()
    elif kind == "two steps":
        valid[:, :, :6] = 0
    else:
        positions = positions * 1e4
    modes, log_probability = answer(network, positions, valid, head)
    assert torch.isfinite(modes).all()
    torch.testing.assert_close(log_probability.exp().sum(-1), torch.ones(1, 32))


def test_the_gradient_is_finite_where_people_stand_on_each_other() -> None:
    network = TrajectoryNetwork()
    whole = np.zeros((2, 4, 20, 2))
    batch = pack(whole, np.ones((2, 4)), 8)
    loss, _ = losses(network, batch, TrainingConfig(), 0.9)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_it_fits_the_budget_and_the_contract(network) -> None:
    assert sum(p.numel() for p in network.parameters()) <= 1_500_000
    c = TrajectoryConfig()
    assert (c.slots, c.past, c.future, c.modes, c.step_s) == (32, 8, 12, 20, 0.4)


def test_training_makes_the_best_mode_better() -> None:
    """People on circles, where going straight on is wrong."""
    random = np.random.default_rng(0)
    angle = 0.2 * np.arange(80)[:, None] + random.uniform(0, 6, 12)
    steps = 0.4 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    recording = Recording("made", np.arange(12), np.cumsum(steps, axis=0) + random.normal(0, 4, (1, 12, 2)))
    training = TrainingConfig(steps=40, people=64, seed=1)
    network = TrajectoryNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    sampler = iter(SceneSampler([recording], network.config, training, 0))
    found = []
    for _ in range(40):
        loss, parts = losses(network, next(sampler), training, 0.9)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(parts["min_ade"])
    assert np.mean(found[-5:]) < 0.6 * np.mean(found[:5])


def test_only_the_unbroken_run_up_to_now_is_history() -> None:
    past = np.zeros((3, 8, 2))
    past[0, 2] = np.nan
    past[1, 7] = np.nan
    assert contiguous_valid(past).sum(axis=1).tolist() == [5, 0, 8]


def test_augmentation_keeps_speeds_within_the_stated_scaling() -> None:
    steps = np.full((60, 3, 2), [0.4, 0.3])
    recording = Recording("made", np.arange(3), np.cumsum(steps, axis=0) + np.arange(3)[None, :, None])
    t = TrainingConfig(people=30, noise_share=0.0, short_share=0.0)
    batch = next(iter(SceneSampler([recording], TrajectoryConfig(), t, 0)))
    speed = (batch.positions[:, :, -1] - batch.positions[:, :, -2]).norm(dim=-1)[batch.teaches > 0]
    assert speed.min() >= 0.5 * t.scale[0] - 1e-4
    assert speed.max() <= 0.5 * t.scale[1] + 1e-4
    assert speed.max() > 1.2 * speed.min()


def test_the_running_mean_of_the_weights_forgets_the_beginning_of_a_short_run(network) -> None:
    average = {k: torch.full_like(v, 100.0) for k, v in network.state_dict().items()}
    for step in range(1, 301):
        follow(average, network, step)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(average[name], value, atol=1e-3, rtol=1e-3)
