"""The optimizer moves every parameter, and a checkpoint of it goes on as if nothing had happened."""

import copy

import pytest

torch = pytest.importorskip("torch")

from headway.models.head_pose.network import HeadPoseNet  # noqa: E402
from headway.models.head_pose.optimizer import Muon, Optimizer, orthogonalised  # noqa: E402

pytestmark = pytest.mark.train


def make() -> HeadPoseNet:
    torch.manual_seed(0)
    return HeadPoseNet().to(memory_format=torch.channels_last)


def one_step(network, optimizer, seed: int) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) * 255
    optimizer.zero_grad()
    sum(level.square().sum() for level in network(images)).backward()
    optimizer.step()


def test_one_step_moves_every_parameter():
    network = make()
    before = copy.deepcopy(network.state_dict())
    one_step(network, Optimizer(network, 1e-3, 1e-2, 0.02), 1)
    still = [name for name, p in network.named_parameters() if torch.equal(p, before[name])]
    assert still == []


def test_a_kernel_step_is_nearly_orthogonal():
    network = make()
    kernel = network.smooth[0][0].weight
    before = kernel.detach().clone()
    one_step(network, Optimizer(network, 0.0, 1e-2, 0.0), 1)
    step = (kernel.detach() - before).permute(0, 2, 3, 1).reshape(len(kernel), -1)
    singular = torch.linalg.svdvals(step)
    # Newton-Schulz of five rounds leaves the singular values between about 0.7 and 1.2 of the rate.
    assert singular.max() / singular.median() < 1.5


def test_a_restored_optimizer_takes_the_same_next_step():
    network = make()
    optimizer = Optimizer(network, 1e-3, 1e-2, 0.02)
    one_step(network, optimizer, 1)
    other = make()
    other.load_state_dict(network.state_dict())
    restored = Optimizer(other, 1e-3, 1e-2, 0.02)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    one_step(network, optimizer, 2)
    one_step(other, restored, 2)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)


@pytest.mark.parametrize("shape", [(64, 64), (160, 1152), (128, 32)])
def test_rounds_on_the_gram_matrix_give_what_rounds_on_the_matrix_give(shape):
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(shape, generator=generator) * torch.logspace(0, -2, shape[1])
    x = matrix.double() / matrix.double().norm()
    x = x if shape[0] <= shape[1] else x.T
    for _ in range(5):
        gram = x @ x.T
        x = (3.4445 * torch.eye(len(gram)) - 4.7750 * gram + 2.0315 * gram @ gram) @ x
    expected = x if shape[0] <= shape[1] else x.T
    assert torch.allclose(orthogonalised(matrix).double(), expected, atol=1e-3)


def test_steps_agree_with_torch_muon_up_to_its_bfloat16():
    generator = torch.Generator().manual_seed(4)
    start = torch.randn(96, 32, generator=generator)
    mine, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    pairs = (mine, Muon([mine], 0.02, 0.1)), (theirs, torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1))
    for _ in range(3):
        gradient = torch.randn(96, 32, generator=generator)
        for p, optimizer in pairs:
            p.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - start).norm()
    assert (mine - theirs).norm() < 0.02 * moved
