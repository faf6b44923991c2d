import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.models.directmhp.config import VARIANTS  # noqa: E402
from headway.models.directmhp.network import DirectMHP, Exported  # noqa: E402
from tests.models.directmhp.oracle import Oracle, assert_same_candidates  # noqa: E402

pytestmark = pytest.mark.train


def seeded(variant: str) -> DirectMHP:
    """A network with every tensor drawn, batch statistics too: with fresh ones half of the wiring would not show."""
    torch.manual_seed(0)
    network = DirectMHP(VARIANTS[variant]).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith(("running_mean", "bn.bias")):
            value.normal_(0, 0.1)
        elif key.endswith("bn.weight"):
            value.uniform_(0.8, 1.6)
    return network


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_parameters_are_as_many_as_published(variant):
    assert sum(p.numel() for p in DirectMHP(VARIANTS[variant]).parameters()) == VARIANTS[variant].parameters


def test_at_1280_there_are_102_000_candidates():
    assert sum(3 * (1280 // s) ** 2 for s in (8, 16, 32, 64)) == 102_000
    network = DirectMHP(VARIANTS["s"]).eval()
    with torch.no_grad():
        shapes = [level.shape for level in network(torch.zeros(1, 3, 128, 192))]
    assert [tuple(s) for s in shapes] == [(1, 3, 128 // s, 192 // s, 9) for s in (8, 16, 32, 64)]


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_second_implementation_gives_the_same_numbers(variant):
    network = seeded(variant)
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = Exported(network)(image)[0].numpy()
        theirs = Oracle(network.state_dict()).candidates(image)
    assert len(np.unique(theirs[:, 4].round(6))) > 100, "the numbers must not be constant, or the check is empty"
    assert_same_candidates(ours, theirs)


def test_anchors_are_kept_as_the_checkpoints_keep_them():
    anchors = DirectMHP(VARIANTS["s"]).model[33].anchors
    np.testing.assert_allclose(anchors[0, 0], [19 / 8, 27 / 8])
    np.testing.assert_allclose(anchors[3, 2], [925 / 64, 792 / 64])
