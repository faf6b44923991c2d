"""Assignment and loss: every head has a cell, the right answer costs nothing, hidden heads do not count."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from headway.models.head_pose.config import STRIDES, LossConfig  # noqa: E402
from headway.models.head_pose.decode import grid_centres  # noqa: E402
from headway.models.head_pose.loss import HeadPoseLoss, Targets, assign, generalised_iou, geodesic  # noqa: E402
from headway.models.head_pose.network import RAW_CHANNELS  # noqa: E402
from headway.models.head_pose.rotations import nearness, spread_rotations  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 128
CENTRES, CELL_STRIDES = grid_centres(SIZE, SIZE)


def targets_of(boxes, image=None, ignore=None, seed=0) -> Targets:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    count = len(boxes)
    rotation = Rotation.random(max(count, 1), random_state=seed).as_matrix()[:count].astype(np.float32)
    return Targets(
        boxes,
        torch.from_numpy(rotation),
        torch.tensor(image if image is not None else [0] * count, dtype=torch.long),
        torch.tensor(ignore if ignore is not None else [False] * count, dtype=torch.bool),
    )


def maps_for(targets: Targets, batch: int) -> list[torch.Tensor]:
    """Raw maps that answer `targets` exactly, score 0 or 1."""
    raw = torch.zeros(batch, len(CELL_STRIDES), RAW_CHANNELS)
    raw[..., 4], raw[..., 11] = -20.0, -4.6
    a = assign(targets, batch, CENTRES, CELL_STRIDES, LossConfig())
    box, stride = targets.boxes[a.head], CELL_STRIDES[a.cell, None]
    raw[a.image, a.cell, :2] = ((box[:, :2] + box[:, 2:]) / 2 - CENTRES[a.cell]) / stride
    raw[a.image, a.cell, 2:4] = torch.log((box[:, 2:] - box[:, :2]) / stride)
    raw[a.image, a.cell, 4] = 20.0
    raw[a.image, a.cell, 5:11] = torch.cat([targets.rotation[a.head][..., 0], targets.rotation[a.head][..., 1]], -1)
    counts = [(SIZE // s) ** 2 for s in STRIDES]
    return [
        part.transpose(1, 2).reshape(batch, RAW_CHANNELS, SIZE // s, SIZE // s)
        for part, s in zip(raw.split(counts, 1), STRIDES, strict=True)
    ]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_every_head_has_a_cell_near_its_centre(seed, count):
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(8), np.log(SIZE), (count, 1))) * rng.uniform(0.8, 1.25, (count, 2))
    corner = rng.uniform(0, 1, (count, 2)) * np.maximum(SIZE - size, 0)
    targets = targets_of(np.c_[corner, np.minimum(corner + size, SIZE)], image=list(range(count)))
    a = assign(targets, count, CENTRES, CELL_STRIDES, LossConfig())
    assert set(a.head.tolist()) == set(range(count))
    middle = (targets.boxes[:, :2] + targets.boxes[:, 2:]) / 2
    off = (CENTRES[a.cell] - middle[a.head]).abs().amax(1) / CELL_STRIDES[a.cell]
    assert (off <= 1.25).all()


def test_of_two_heads_that_want_one_cell_the_smaller_has_it():
    larger, smaller = [20, 20, 60, 60], [24, 24, 60, 60]

    def cells(*boxes) -> list[tuple[int, int]]:
        a = assign(targets_of(boxes), 1, CENTRES, CELL_STRIDES, LossConfig())
        return list(zip(a.cell.tolist(), a.head.tolist(), strict=True))

    wanted, also_wanted = ({cell for cell, _ in cells(box)} for box in (larger, smaller))
    assert wanted & also_wanted
    for boxes, small in (((larger, smaller), 1), ((smaller, larger), 0)):
        found = cells(*boxes)
        assert len(found) == len(wanted | also_wanted), "each cell has one head"
        assert {cell for cell, head in found if head == small} == also_wanted


def test_a_large_head_is_learnt_on_a_coarse_level_and_a_small_one_on_the_fine_level():
    a = assign(targets_of([[4, 4, 124, 124], [2, 2, 14, 14]]), 1, CENTRES, CELL_STRIDES, LossConfig())
    assert set(CELL_STRIDES[a.cell[a.head == 0]].tolist()) == {32.0}
    assert set(CELL_STRIDES[a.cell[a.head == 1]].tolist()) == {8.0}


def test_the_right_answer_costs_next_to_nothing_and_any_other_costs_more():
    targets = targets_of([[10, 12, 50, 60], [70, 70, 120, 126], [5, 80, 20, 99]], image=[0, 0, 1])
    loss = HeadPoseLoss(SIZE, SIZE)
    maps = maps_for(targets, 2)
    _, terms = loss(maps, targets)
    assert terms["box"] < 1e-4
    assert terms["angle_deg"] < 0.1
    assert terms["score"] < 1e-4
    for channel in (0, 2, 4, 6):
        spoiled = [m.clone() for m in maps]
        for m in spoiled:
            m[:, channel] += 0.7 if channel != 4 else 25.0
        assert loss(spoiled, targets)[1]["loss"] > terms["loss"] + 0.01, channel


def test_the_score_is_taught_how_well_the_box_fits():
    """Where the score already says the IoU there is nothing left to learn; where it says 1 there is."""
    targets = targets_of([[16, 16, 56, 56]])
    maps = maps_for(targets, 1)
    for m in maps:
        m[:, 2:4] += float(np.log(0.8))  # both sides of every box 0.8 of the head's: IoU 0.64
    config = LossConfig(score=1.0, box=0.0, pose=0.0, sigma=0.0)

    def pull(score: float) -> float:
        again = [m.clone() for m in maps]
        for m in again:
            m[:, 4] = torch.where(m[:, 4] > 0, float(np.log(score / (1 - score))), m[:, 4])
        return float(HeadPoseLoss(SIZE, SIZE, config)(again, targets)[0])

    assert pull(0.64) < 1e-4
    assert pull(0.999) > 0.05


def test_an_ignored_head_has_no_cell_and_a_hit_on_it_is_no_error():
    targets = targets_of([[10, 10, 60, 60]], ignore=[True])
    loss = HeadPoseLoss(SIZE, SIZE)
    assert len(assign(targets, 1, CENTRES, CELL_STRIDES, LossConfig()).head) == 0
    background = maps_for(targets_of(np.zeros((0, 4))), 1)
    hit = [m.clone() for m in background]
    hit[0][0, 4, 4, 4] = 20.0
    assert loss(hit, targets)[1]["score"] == pytest.approx(loss(background, targets)[1]["score"])
    beside = [m.clone() for m in background]
    beside[0][0, 4, 12, 12] = 20.0
    assert loss(beside, targets)[1]["score"] > 1.0


def test_pictures_without_heads_train_the_score_alone():
    maps = [m.requires_grad_() for m in maps_for(targets_of(np.zeros((0, 4))), 2)]
    total, terms = HeadPoseLoss(SIZE, SIZE)(maps, targets_of(np.zeros((0, 4))))
    total.backward()
    assert torch.isfinite(terms["loss"])
    assert all(torch.isfinite(m.grad).all() for m in maps)


def test_uncertainty_does_not_pull_on_the_rotation_and_settles_at_the_error():
    targets = targets_of([[10, 12, 50, 60]])
    maps = maps_for(targets, 1)
    config = LossConfig(score=0.0, box=0.0, pose=0.0, sigma=1.0)
    for m in maps:
        m[:, 5:8] += torch.tensor([0.3, -0.2, 0.1])[None, :, None, None]
        m.requires_grad_()
    total, terms = HeadPoseLoss(SIZE, SIZE, config)(maps, targets)
    total.backward()
    assert all((m.grad[:, 5:11] == 0).all() for m in maps)
    error = np.radians(float(terms["angle_deg"]))
    for said, pull in ((error, 0.0), (2.0 * error, 0.5), (0.5 * error, -1.0)):  # 1 - error / said, over all cells
        with torch.no_grad():
            for m in maps:
                m[:, 11] = np.log(said)
                m.grad = None
        total, _ = HeadPoseLoss(SIZE, SIZE, config)(maps, targets)
        total.backward()
        assert float(total.detach()) == pytest.approx(np.log(said) + error / said, abs=1e-4)
        assert sum(float(m.grad[:, 11].sum()) for m in maps) == pytest.approx(pull, abs=1e-4)


def test_telling_the_nearest_rotation_apart_costs_least_for_the_right_one():
    targets = targets_of([[20, 20, 60, 60]])
    spread = spread_rotations(24)
    right = int(nearness(targets.rotation, spread, 20.0)[0].argmax())
    plain = maps_for(targets, 1)

    def cost(named: int) -> float:
        logits = torch.zeros(24)
        logits[named] = 5.0
        maps = [torch.cat([m, logits[None, :, None, None].expand(1, 24, *m.shape[2:])], 1) for m in plain]
        return float(HeadPoseLoss(SIZE, SIZE)(maps, targets)[0])

    costs = [cost(i) for i in range(24)]
    assert int(np.argmin(costs)) == right
    assert min(costs) > float(HeadPoseLoss(SIZE, SIZE)(plain, targets)[0])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_geodesic_is_that_of_scipy_with_a_finite_gradient(seed):
    a, b = Rotation.random(8, random_state=seed), Rotation.random(8, random_state=seed + 1 if seed < 2**32 - 1 else 0)
    x = torch.tensor(a.as_matrix(), dtype=torch.float64, requires_grad=True)
    y = torch.tensor(
        np.r_[b.as_matrix()[:6], a.as_matrix()[6:7], (a[7:] * Rotation.from_rotvec([np.pi, 0, 0])).as_matrix()]
    )
    angle = geodesic(x, y)
    angle.sum().backward()
    np.testing.assert_allclose(angle[:6].detach(), (a[:6].inv() * b[:6]).magnitude(), atol=0.07)
    assert angle[6] < 1e-3
    assert torch.isfinite(x.grad).all()


def test_generalised_iou_by_hand():
    a, b = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1]]), torch.tensor([[1.0, 0, 3, 2], [3, 0, 4, 1]])
    iou, giou = generalised_iou(a, b)
    np.testing.assert_allclose(iou, [1 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(giou, [1 / 3, -0.5], atol=1e-6)
