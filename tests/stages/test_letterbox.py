"""The letterbox: nothing stretched, nothing lost, boxes come back to where they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.errors import FrameError
from headway.stages.letterbox import GREY, Letterbox


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900))
def test_the_whole_image_stays_inside_and_the_rest_is_grey(height: int, width: int) -> None:
    box = Letterbox(96, 128)
    out = box(np.zeros((height, width, 3), np.uint8))[0]
    dark = np.argwhere((out == 0).all(-1))
    (top, left), (bottom, right) = dark.min(0), dark.max(0) + 1
    assert (out[top:bottom, left:right] == 0).all()
    assert (out == GREY).all(-1).sum() == 96 * 128 - (bottom - top) * (right - left)
    assert bottom - top == 96 or right - left == 128
    assert abs((bottom - top) - max(1, height * min(96 / height, 128 / width))) <= 0.5
    assert abs((right - left) - max(1, width * min(96 / height, 128 / width))) <= 0.5


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 2000), st.integers(2, 2000), st.data())
def test_a_box_comes_back_to_the_source(height: int, width: int, data: st.DataObject) -> None:
    box = Letterbox(384, 512)
    out = box(np.zeros((height, width, 3), np.uint8))[0]
    dark = np.argwhere((out == 0).all(-1))
    (top, left), (bottom, right) = dark.min(0), dark.max(0) + 1
    share = np.sort(data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4)))
    inner = [left, top, left, top] + share[[0, 1, 2, 3]] * np.array([right - left, bottom - top] * 2)
    expected = share * [width, height, width, height]
    np.testing.assert_allclose(box.boxes_to_source(inner[None])[0], expected, atol=1e-6 * max(height, width))


def test_boxes_are_clipped_to_the_image() -> None:
    box = Letterbox(384, 512)
    box(np.zeros((480, 640, 3), np.uint8))
    np.testing.assert_array_equal(box.boxes_to_source(np.array([[-50.0, -9.0, 9999.0, 9999.0]])), [[0, 0, 640, 480]])


def test_the_buffer_is_made_once_and_a_new_size_leaves_nothing_of_the_old_image() -> None:
    box = Letterbox(96, 128)
    first = box(np.full((50, 500, 3), 255, np.uint8))
    second = box(np.zeros((500, 50, 3), np.uint8))
    assert np.shares_memory(first, second)
    assert not (second == 255).any()


def test_an_image_of_the_network_size_passes_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Letterbox(96, 128)(image)[0], image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "alpha", "16-bit", "empty"],
)
def test_what_is_no_bgr_image_is_refused_by_name(image: np.ndarray) -> None:
    with pytest.raises(FrameError, match="uint8 BGR is wanted"):
        Letterbox(96, 128)(image)
