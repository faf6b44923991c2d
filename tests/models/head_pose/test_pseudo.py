"""The teacher's labels: the surest count, the student sees them turned and half covered, an unsure teacher teaches
nothing."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from headway.evaluate.head_labels import HeadLabels  # noqa: E402
from headway.models.head_pose.config import TrainConfig  # noqa: E402
from headway.models.head_pose.data import Sample  # noqa: E402
from headway.models.head_pose.fit import Limit, Run  # noqa: E402
from headway.models.head_pose.network import HeadPoseNet  # noqa: E402
from headway.models.head_pose.pseudo import Lessons, occluded, teach  # noqa: E402

pytestmark = pytest.mark.train

CONFIG = TrainConfig(
    frame_size=64, frame_batch=2, crop_batch=2, teach_each=2, teach_batch=2, teach_from=0.0, teach_every=5, large_each=0
)


def photos(count: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (60 + 7 * i, 90, 3), dtype=np.uint8) for i in range(count)]


def teacher(bias: float) -> HeadPoseNet:
    """Scores near sigmoid(bias) everywhere, rotations and sigmas that depend on the picture."""
    torch.manual_seed(0)
    network = HeadPoseNet()
    torch.nn.init.normal_(network.pose_out.weight, std=0.3)
    with torch.no_grad():
        network.detect_out.bias[4] = bias
    return network.eval()


@pytest.mark.parametrize("kept", [0.5, 1.0])
def test_of_what_is_found_the_share_with_the_least_entropy_counts(kept):
    labels = teach(teacher(5.0), photos(), kept, 0.35)
    assert labels.visibility.sum() == pytest.approx(6 * kept, abs=1)
    for box, photo in zip(labels.boxes, photos(), strict=True):
        assert (box[:2] >= 0).all()
        assert (box[2:] <= (photo.shape[1], photo.shape[0])).all()
    np.testing.assert_allclose(np.linalg.det(labels.rotation), 1.0, atol=1e-4)


def test_a_teacher_that_finds_nobody_teaches_nothing():
    lessons = Lessons(photos(), CONFIG)
    assert lessons.batch(0, teacher(-9.0)) is None
    assert lessons.sure == 0


def test_labels_are_made_anew_when_they_are_due():
    lessons = Lessons(photos(), CONFIG)
    assert lessons.batch(0, teacher(-9.0)) is None
    assert lessons.batch(3, teacher(5.0)) is None
    batch = lessons.batch(5, teacher(5.0))
    assert batch is not None
    assert batch[0].shape == (CONFIG.teach_batch, 64, 64, 3)
    assert lessons.sure > 0


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_cover_lies_on_heads_alone_and_labels_stay(seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    corner = rng.uniform(0, 40, (2, 2))
    boxes = np.c_[corner, corner + rng.uniform(8, 24, (2, 2))]
    before = Sample(image, boxes, np.tile(np.eye(3), (2, 1, 1)), np.zeros(2, bool))
    after = occluded(before, rng)
    assert after.boxes is before.boxes
    outside = np.ones((64, 64), bool)
    for x0, y0, x1, y1 in boxes:
        outside[int(y0) : int(np.ceil(y1)) + 1, int(x0) : int(np.ceil(x1)) + 1] = False
    np.testing.assert_array_equal(after.image[outside], image[outside])


def test_photographs_take_their_turn_in_training_and_in_the_log(tmp_path, painted_pictures):
    class Painted:
        size = 64
        labels = HeadLabels((), np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 3, 3)), np.zeros(0))

        def batch(self, count):
            return painted_pictures(count, 64)

    config = replace(CONFIG, teach_score=0.0, crop_share=0.0, mixed_share=0.0)
    run = Run(config, Limit(steps=4), tmp_path, Painted(), Painted(), lessons=Lessons(photos(), config))
    run.fit()
    header, *rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
    last = dict(zip(header, rows[-1], strict=True))
    assert float(last["photo_loss"]) > 0.0
    assert float(last["frame_loss"]) > 0.0
    assert run.pictures == 4 * config.frame_batch
