import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.models.directmhp import loss as published  # noqa: E402
from headway.models.directmhp.config import ANCHORS, STRIDES, VARIANTS  # noqa: E402
from headway.models.directmhp.network import DirectMHP, decode  # noqa: E402

pytestmark = pytest.mark.train

ANCHORS_IN_CELLS = torch.tensor(ANCHORS, dtype=torch.float32) / torch.tensor(STRIDES).view(-1, 1, 1)
TARGET = torch.tensor([[0, 70.0, 61.0, 40.0, 44.0, 0.5, 0.7, 0.4], [1, 30.0, 90.0, 90.0, 100.0, 0.6, 0.1, 0.5]])


def test_ciou_of_equal_boxes_is_one_and_falls_with_distance():
    box = torch.tensor([[10.0, 10, 4, 6]])
    assert published.ciou(box, box).item() == pytest.approx(1.0, abs=1e-5)
    shifted = [published.ciou(box, box + torch.tensor([[d, 0, 0, 0]])).item() for d in (1.0, 3.0, 9.0)]
    assert shifted == sorted(shifted, reverse=True)
    assert shifted[-1] < 0


def test_a_box_is_taken_by_anchors_within_a_factor_of_four_in_three_cells():
    for level, stride in enumerate(STRIDES[:2]):
        scaled = TARGET.clone()
        scaled[:, 1:5] /= stride
        row, anchor, x, y = published.assign(scaled, ANCHORS_IN_CELLS[level], (128 // stride, 128 // stride))
        for r in range(2):
            ratio = TARGET[r, 3:5].numpy() / np.array(ANCHORS[level])
            fits = {a for a in range(3) if max(ratio[a].max(), (1 / ratio[a]).max()) < 4}
            assert set(anchor[row == r].tolist()) == fits
            for a in fits:
                here = (row == r) & (anchor == a)
                cells = set(zip(x[here].tolist(), y[here].tolist(), strict=True))
                centre = (int(TARGET[r, 1] // stride), int(TARGET[r, 2] // stride))
                assert centre in cells
                assert len(cells) == 3
                assert all(abs(i - centre[0]) + abs(j - centre[1]) <= 1 for i, j in cells)


def test_no_heads_give_a_finite_loss():
    network = DirectMHP(VARIANTS["s"])
    terms = published.loss(network(torch.rand(1, 3, 128, 128)), torch.zeros(0, 8), ANCHORS_IN_CELLS)
    assert all(torch.isfinite(v) for v in terms.values())


def test_descending_the_loss_finds_box_and_pose():
    """The raw outputs themselves are optimised: loss, assignment and decode must agree on what they mean."""
    torch.manual_seed(0)
    levels = [torch.full((2, 3, 128 // s, 128 // s, 9), -1.0) for s in STRIDES]
    for level in levels:
        level[..., 4] = -4.0
        level.requires_grad_()
    optimizer = torch.optim.Adam(levels, lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        sum(published.loss(levels, TARGET, ANCHORS_IN_CELLS).values()).backward()
        optimizer.step()
    rows = decode([level.detach() for level in levels], ANCHORS_IN_CELLS)
    for image in range(2):
        best = rows[image, rows[image, :, 4].argmax()]
        np.testing.assert_allclose(best[:4], TARGET[image, 1:5], atol=2.0)
        np.testing.assert_allclose(best[6:], TARGET[image, 5:], atol=0.03)
