from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from headway.evaluate.pedestrians import Recording  # noqa: E402
from headway.models.trajectory.camera import CameraSampler, filtered  # noqa: E402
from headway.models.trajectory.config import CameraConfig, TrainingConfig, TrajectoryConfig  # noqa: E402
from headway.models.trajectory.memory import interpolation  # noqa: E402
from headway.models.trajectory.network import TrajectoryNetwork  # noqa: E402
from headway.models.trajectory.train_memory import moved_on, sequence_loss, train_memory  # noqa: E402
from headway.stages.existence import CERTAIN  # noqa: E402
from headway.stages.lift import Sightings  # noqa: E402
from headway.stages.memory import moved_on as moved_on_in_stage  # noqa: E402
from headway.stages.tracks import TrackStage  # noqa: E402
from headway.types import View  # noqa: E402

RATE = 15.0


def walkers(people: int = 10, steps: int = 40) -> Recording:
    random = np.random.default_rng(0)
    step = random.normal(0, 0.4, (1, people, 2)) + random.normal(0, 0.04, (steps, people, 2))
    return Recording("made", np.arange(people), step.cumsum(axis=0) + random.normal(0, 4, (1, people, 2)))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TrajectoryNetwork().eval()


@pytest.fixture(scope="module")
def sampler():
    return CameraSampler([walkers()], TrajectoryConfig(), CameraConfig(people=30, noise_m=(0.05,)), 0)


def feeds(network, people: int = 4):
    """positions to relative of one scene, then a memory of R slots that says what the network says without one."""
    c = network.config
    random = np.random.default_rng(1)
    past = random.normal(0, 0.5, (1, people, 1, 2)) + random.normal(0, 0.05, (1, people, c.past, 2))
    first = [past.cumsum(2), np.ones((1, people, c.past)), np.zeros((1, people, 2)), np.zeros((1, people)),
             np.zeros((1, 1))]  # fmt: skip
    first = [torch.from_numpy(a.astype(np.float32)) for a in first]
    with torch.no_grad():
        modes, certain = network(*first)
    seen_from = modes - first[0][:, :, -1, None, None]
    paths = seen_from[:, :, None].repeat(1, 1, c.memory, 1, 1, 1)
    age = torch.full((1, people, c.memory), 0.1)
    return first, [paths, certain[:, :, None].repeat(1, 1, c.memory, 1), age, torch.zeros(1, people, c.memory)]


def test_an_empty_memory_changes_nothing(network) -> None:
    first, memory = feeds(network)
    memory[0] = memory[0] + 50.0
    with torch.no_grad():
        bare, full = network(*first), network(*first, *memory)
    torch.testing.assert_close(full[0], bare[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(full[1], bare[1], atol=1e-5, rtol=0)


def test_a_remembered_path_pulls_its_own_mode_of_its_own_person_only(network) -> None:
    first, memory = feeds(network)
    memory[3][0, 1, 0] = 1.0
    with torch.no_grad():
        agreeing, _ = network(*first, *memory)
        memory[0][0, 1, 0, 7] += torch.tensor([0.0, 0.5])
        pulled, _ = network(*first, *memory)
    moved = (pulled - agreeing).norm(dim=-1).mean(-1)[0]
    assert moved[1, 7] > 0.01
    moved[1, 7] = 0
    assert moved.max() < 1e-5


def test_the_answer_with_memory_turns_with_the_scene(network) -> None:
    first, memory = feeds(network)
    memory[0] = memory[0] + 0.2 * torch.randn(memory[0].shape, generator=torch.Generator().manual_seed(0))
    memory[3] += 1
    turn, shift = torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([3.0, -8.0])
    with torch.no_grad():
        modes, certain = network(*first, *memory)
        first[0], memory[0] = first[0] @ turn.T + shift, memory[0] @ turn.T
        turned, same = network(*first, *memory)
    torch.testing.assert_close(turned, modes @ turn.T + shift, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(same, certain, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("steps", [0.1, 0.5, 1.0, 2.25])
def test_training_and_stage_move_paths_on_alike(steps) -> None:
    paths = np.random.default_rng(0).normal(size=(2, 3, 12, 2)).astype(np.float32)
    np.testing.assert_allclose(moved_on(torch.from_numpy(paths), steps), moved_on_in_stage(paths, steps), atol=1e-5)


def test_knots_are_met_and_the_start_stays() -> None:
    table = interpolation(torch.tensor([0.0, 3.0, 6.0, 9.0, 12.0]), 12)
    assert table.shape == (12, 4)
    torch.testing.assert_close(table[2], torch.tensor([1.0, 0, 0, 0]))
    torch.testing.assert_close(table[11], torch.tensor([0, 0, 0, 1.0]))
    torch.testing.assert_close(table[0], torch.tensor([1 / 3, 0, 0, 0]))


def test_training_scenes_are_filtered_as_the_tracker_filters() -> None:
    """The same measurements through TrackStage and through the shortcut."""
    rate, noise, start = RATE, 0.05, 1_700_000_000_000_000_000
    t = np.arange(60)[:, None, None] / rate
    truth = np.array([[4.0, 0.0], [5.0, 3.0]]) + t * np.array([[-0.8, 0.2], [0.3, -0.5]])
    found = filtered(truth, noise, rate, np.random.default_rng(3))
    seen = truth + noise * np.random.default_rng(3).normal(size=truth.shape)
    stage, order = TrackStage(), None
    for f in range(60):
        place = np.column_stack([seen[f], np.zeros(2)])
        spread = np.broadcast_to(np.eye(2) * noise**2, (2, 2, 2))
        bias, unknown, certain = np.zeros((2, 2, 2)), np.full((2, 2), np.nan), np.full(2, CERTAIN)
        sight = Sightings(place, spread, bias, np.arange(2), np.ones(2), unknown, certain)
        tracks = stage.follow(View(stamp_ns=start + round(f / rate * 1e9), camera=None, orientation=np.eye(3)), sight)
        order = np.argsort(tracks.head_index)
        np.testing.assert_allclose(tracks.position[order, :2], found.place[f], atol=1e-4)
        np.testing.assert_allclose(tracks.velocity[order, :2], found.velocity[f], atol=1e-3)
        sigma = np.sqrt(np.trace(tracks.covariance[order, :2, :2], axis1=1, axis2=2) / 2)
        np.testing.assert_allclose(sigma, found.sigma[f], rtol=1e-3)


def test_a_sequence_shows_the_same_people_a_moment_later(sampler) -> None:
    frames, dt = next(sampler.sequences(5))
    assert len(frames) == 5
    for old, new in pairwise(frames):
        both = (old.valid[..., -1] * new.valid[..., -1]) > 0
        step = (new.positions[:, :, -1] - old.positions[:, :, -1]).norm(dim=-1)[both]
        assert step.max() < 8.0 * dt + 0.5
        torch.testing.assert_close(old.relative, new.relative)


def test_relative_scenes_leave_the_wearer_out_and_take_their_motion_off() -> None:
    always = CameraConfig(people=30, noise_m=(0.001,), relative_share=1.0, still_share=0.0, scale=(1.0, 1.0))
    still = CameraConfig(people=30, noise_m=(0.001,), relative_share=1.0, still_share=1.0, scale=(1.0, 1.0))
    speeds = []
    for camera in (always, still):
        frames, _ = next(CameraSampler([walkers(2)], TrajectoryConfig(), camera, 0).sequences(1))
        batch = frames[0]
        assert (batch.relative == 1).all()
        people = (batch.valid[..., -1] > 0).sum(-1)
        assert people.max() == (1 if camera is always else 2)
        speeds.append((batch.positions[:, :, -1] - batch.positions[:, :, -2]).norm(dim=-1)[batch.teaches > 0].mean())
    assert abs(speeds[0] - speeds[1]) > 0.02


@pytest.mark.parametrize("relative", [0.0, 1.0])
def test_what_is_asked_begins_a_step_after_what_was_seen_and_in_the_same_axes(relative: float) -> None:
    """Two people, straight on and seen exactly: one's way from now to the first point asked is as long as from there to
    the next, by themselves as relative to the other."""
    x = np.array([0.0, 3.0]) + np.arange(40)[:, None] * [0.5, 0.3]
    recording = Recording("straight", np.arange(2), np.stack([x, 0 * x + [0.0, 1.0]], axis=-1))
    camera = CameraConfig(people=20, noise_m=(0.0,), relative_share=relative, still_share=0.0, scale=(1.0, 1.0))
    (batch,), _ = next(CameraSampler([recording], TrajectoryConfig(), camera, 0).sequences(1))
    rows = batch.teaches > 0
    assert rows.sum() > 5
    now, ahead = batch.positions[rows][:, -1], batch.future[rows]
    pace = ahead[:, 1] - ahead[:, 0]
    np.testing.assert_allclose(ahead[:, 0] - now, pace, atol=0.05)
    length = pace.norm(dim=-1).numpy()
    wanted = np.array([0.2]) if relative else np.array([0.3, 0.5])
    assert np.abs(length[:, None] - wanted).min(axis=1).max() < 1e-3


def test_the_memory_learns_to_make_successive_forecasts_agree(sampler) -> None:
    torch.manual_seed(1)
    network = TrajectoryNetwork().eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    camera = CameraConfig(memory_steps=60, frames=4)
    rows = []
    train_memory(network, sampler, TrainingConfig(seed=0), camera, lambda step, row: rows.append(row))
    assert rows[-1]["jump"] < 0.8 * rows[-1]["jump_without"]
    for name, value in network.state_dict().items():
        if not name.startswith("memory."):
            torch.testing.assert_close(value, before[name])


def test_the_gradient_reaches_the_whole_memory(network, sampler) -> None:
    frames, dt = next(sampler.sequences(4))
    loss, _ = sequence_loss(network, frames, dt, TrainingConfig(), CameraConfig(), np.random.default_rng(0))
    loss.backward()
    for parameter in network.memory.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
