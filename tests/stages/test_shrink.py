"""Halving is averaging: the same picture as OpenCV's INTER_AREA to within rounding, at any pair of sizes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.stages.letterbox import Letterbox
from headway.stages.shrink import Halves, Shrinker


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), np.uint8)


@pytest.mark.parametrize(
    ("source", "target"),
    [((480, 640), (120, 160)), ((960, 1280), (120, 160)), ((240, 320), (120, 160)), ((480, 640), (240, 320))],
)
def test_a_power_of_two_gives_the_mean_of_the_block_within_its_roundings(source, target):
    image, out = picture(*source), np.zeros((*target, 3), np.uint8)
    Shrinker().average(image, out)
    exact = cv2.resize(image.astype(np.float64), target[::-1], interpolation=cv2.INTER_AREA)
    halvings = int(np.log2(source[0] / target[0]))
    assert np.abs(out - exact).max() <= 0.5 * halvings + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_any_size_keeps_brightness_and_never_raises(height, width, rows, columns):
    out = np.zeros((rows, columns, 3), np.uint8)
    Shrinker().average(np.full((height, width, 3), 173, np.uint8), out)
    assert np.abs(out.astype(int) - 173).max() <= 1


def test_a_larger_target_leaves_the_image_itself():
    image = picture(50, 60)
    assert Shrinker().halve(image, 40, 40) is image


def test_buffers_are_made_once_for_a_size():
    shrinker = Shrinker()
    first = shrinker.halve(picture(480, 640), 120, 160)
    assert shrinker.halve(picture(480, 640, 1), 120, 160) is first
    assert shrinker.halve(picture(240, 320), 120, 160).shape == (120, 160, 3)


def test_a_full_hd_picture_comes_through_the_letterbox_as_it_would_by_averaging():
    """Scale 0.4: halved, then sampled linearly; what is left against averaging in one go is a fraction of a level."""
    image = np.asarray(cv2.GaussianBlur(picture(720, 1280), (0, 0), 3.0), np.uint8)
    found = Letterbox(384, 512)(image)[0, 48:336]
    exact = cv2.resize(image, (512, 288), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - exact).mean() < 0.75
    assert np.abs(found.astype(int) - exact).max() <= 6


def test_published_networks_still_get_their_pixels_averaged():
    image = picture(720, 1280)
    found = Letterbox(384, 512, area_below=1.0)(image)[0, 48:336]
    np.testing.assert_array_equal(found, cv2.resize(image, (512, 288), interpolation=cv2.INTER_AREA))


def test_what_was_asked_of_one_image_is_made_of_the_next_before_it_is_asked_for():
    """While an image is still in the cache; who asks afterwards gets the same halves as without it."""
    early, late = Halves(), Halves()
    first, second = picture(480, 640), picture(480, 640, 1)
    early.of(first)
    early.again()  # nobody has asked for anything yet
    kept = early.down_to(first, 120, 160)
    early.of(second)
    early.again()
    late.of(second)
    assert (kept == late.down_to(second, 120, 160)).all(), "the buffers hold the second image's halves already"
    assert early.down_to(second, 120, 160) is kept
    early.of(picture(100, 60))
    early.again()  # of another size nothing is known
    early.of(None)
    early.again()
