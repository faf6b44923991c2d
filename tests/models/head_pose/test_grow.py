"""A larger network that starts from a smaller one's weights gives its answers, and can learn with all it has."""

import pytest
import torch

from headway.errors import UsageError
from headway.models.head_pose.config import SIZES, NetworkConfig
from headway.models.head_pose.grow import grown
from headway.models.head_pose.network import HeadPoseNet

LITTLE = NetworkConfig((8, 8, 16, 16, 24), (1, 1, 1, 1), 16, nearest=0)
LARGER = NetworkConfig((8, 12, 24, 32, 40), (1, 2, 3, 2), 24, nearest=12)


def trained(config: NetworkConfig) -> HeadPoseNet:
    """Random weights whose norms have seen pictures."""
    torch.manual_seed(3)
    network = HeadPoseNet(config)
    for p in network.parameters():
        torch.nn.init.normal_(p, 0.1, 0.3)
    with torch.no_grad():
        network.train()(255 * torch.rand(4, 3, 64, 64))
    return network.eval()


@pytest.mark.parametrize("larger", [LARGER, SIZES["small"]])
def test_a_grown_network_answers_as_the_one_it_came_from(larger):
    source, network = trained(LITTLE), HeadPoseNet(larger)
    network.load_state_dict(grown(source.state_dict(), network.state_dict()))
    image = 255 * torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        for mine, theirs in zip(network.eval()(image), source(image), strict=True):
            torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=2e-4)


def test_fresh_channels_learn_after_a_few_steps():
    network = HeadPoseNet(LARGER)
    network.load_state_dict(grown(trained(LITTLE).state_dict(), network.state_dict()))
    before = {k: v.clone() for k, v in network.named_parameters()}
    optimizer = torch.optim.SGD(network.parameters(), 1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        sum(m.square().mean() for m in network(255 * torch.rand(2, 3, 64, 64))).backward()
        optimizer.step()
    kernel = "stages.1.1.reduce.0.weight"
    moved = (dict(network.named_parameters())[kernel] - before[kernel]).abs()
    assert (moved[8:].amax((1, 2, 3)) > 0).all()


def test_a_network_of_its_own_shape_is_taken_over_as_it_is():
    source = trained(LITTLE)
    result = grown(source.state_dict(), HeadPoseNet(LITTLE).state_dict())
    assert all(torch.equal(value, result[name]) for name, value in source.state_dict().items())


def test_what_cannot_be_grown_is_refused_by_name():
    large, little = HeadPoseNet(LARGER).state_dict(), HeadPoseNet(LITTLE).state_dict()
    with pytest.raises(UsageError, match=r"stem\.1\.0\.weight \(12, 8, 3, 3\) has no place"):
        grown(large, little)
    del little["detect_out.bias"]
    with pytest.raises(UsageError, match=r"it has no detect_out\.bias"):
        grown(little, large)
