"""Things that are no heads: they change pictures where no head is, and never a label."""

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.models.head_pose.data import Sample
from headway.models.head_pose.distractors import crown, distracted, globe

pytestmark = pytest.mark.train

SIZE = 128


def sample_of(boxes: np.ndarray) -> Sample:
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    return Sample(image, boxes, np.tile(np.eye(3), (len(boxes), 1, 1)), np.zeros(len(boxes), bool))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_no_pixel_of_a_head_and_no_label_changes(seed, heads):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, SIZE - 20, (heads, 2))
    before = sample_of(np.c_[corner, corner + rng.uniform(8, 20, (heads, 2))])
    after = distracted(before, rng)
    for x0, y0, x1, y1 in before.boxes:
        inside = np.s_[int(np.ceil(y0)) : int(y1), int(np.ceil(x0)) : int(x1)]
        np.testing.assert_array_equal(after.image[inside], before.image[inside])
    assert (after.boxes is before.boxes, after.rotation is before.rotation, after.ignore is before.ignore) == (
        True,
    ) * 3
    assert (before.image == 90).all(), "the rows of the cache must not be written to"


def test_where_there_is_room_the_picture_changes_and_the_same_seed_changes_it_alike():
    nobody = sample_of(np.zeros((0, 4)))
    changed = [distracted(nobody, np.random.default_rng(seed)).image for seed in (0, 1, 2, 3, 0)]
    assert all((image != 90).any() for image in changed)
    np.testing.assert_array_equal(changed[0], changed[-1])


def test_a_picture_full_of_a_head_stays_as_it_is():
    full = sample_of(np.array([[0.0, 0.0, SIZE, SIZE]]))
    for seed in range(20):
        np.testing.assert_array_equal(distracted(full, np.random.default_rng(seed)).image, full.image)


@pytest.mark.parametrize("thing", [crown, globe])
@pytest.mark.parametrize("px", [10, 33, 200])
def test_a_thing_has_an_outline_of_its_own(thing, px):
    alpha = thing(px, np.random.default_rng(px))[..., 3]
    assert alpha.shape == (px, px)
    assert 0.1 < (alpha > 127).mean() < 0.95
