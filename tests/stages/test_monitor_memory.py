"""What the image monitor carries from image to image: which finding it names, and what it forgets."""

import numpy as np
import pytest

from headway.stages.monitor import INVALID, SWAPPED, ImageMonitor
from headway.types import Frame

START = 1_700_000_000_000_000_000
SIZE = 240, 320


def picture(seed: int = 0, tint=((1.6, 1.0, 0.4), (0.4, 1.0, 1.6))) -> np.ndarray:
    """Sharp rectangles; the left half leans to the first tint (BGR factors), the right to the second."""
    rng = np.random.default_rng(seed)
    grey = np.kron(rng.integers(40, 140, (SIZE[0] // 20, SIZE[1] // 20)), np.ones((20, 20)))
    left = np.arange(SIZE[1])[None, :, None] < SIZE[1] // 2
    return (grey[..., None] * np.where(left, *tint)).astype(np.uint8)


def frame(seconds: float, image: np.ndarray) -> Frame:
    return Frame(stamp_ns=START + round(seconds * 1e9), image=image)


def noisy(i: int, image: np.ndarray) -> np.ndarray:
    """The same view once more: no two pictures of a camera are equal."""
    return np.clip(image + np.random.default_rng(i).normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def test_an_ordinary_picture_is_no_finding():
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i / 15, noisy(i, picture()))) for i in range(10)]
    assert not any(v.reason or v.suspect for v in verdicts)


def test_an_invalid_sensor_names_what_is_wrong_now_and_not_what_was():
    monitor, good = ImageMonitor(), picture()
    black, white = np.zeros_like(good), np.full_like(good, 255)
    verdicts = [monitor(frame(i / 15, image)) for i, image in enumerate([good, black, black, black, good, white])]
    assert verdicts[3].reason == f"{INVALID}: black"
    assert verdicts[4].reason == f"{INVALID}: waiting for good images to last"
    assert verdicts[5].reason == f"{INVALID}: white"


def test_a_picture_of_another_size_is_not_judged_by_those_before():
    monitor, plain = ImageMonitor(), picture(1)
    plain[:, : SIZE[1] // 2] = 120  # half without texture, which would be a cover that came
    larger = np.ascontiguousarray(plain.repeat(2, 0).repeat(2, 1))
    for i in range(5):
        monitor(frame(i / 15, noisy(i, picture())))
    assert "lost its texture" in monitor(frame(5 / 15, plain)).suspect
    for i in range(6, 8):
        monitor(frame(i / 15, np.zeros_like(plain)))
    verdicts = [monitor(frame(i / 15, noisy(i, larger))) for i in range(8, 10)]
    assert not any(v.reason or v.suspect for v in verdicts), verdicts


def test_a_cover_that_was_there_from_the_start_is_found_by_its_darkness():
    monitor, covered = ImageMonitor(), picture()
    covered[:, : SIZE[1] // 2] = 12
    verdicts = [monitor(frame(i / 15, noisy(i, covered))) for i in range(4)]
    assert "covered (a large part of the picture is dark" in verdicts[0].suspect
    assert verdicts[3].reason.startswith(INVALID)


def test_swapped_colours_are_not_claimed_across_a_gap():
    monitor, good = ImageMonitor(), picture()
    swapped = np.ascontiguousarray(good[..., ::-1])
    before = [monitor(frame(i / 15, noisy(i, good if i < 3 else swapped))) for i in range(5)]
    assert SWAPPED in before[3].suspect
    after = [monitor(frame(60 + i / 15, noisy(i, swapped))) for i in range(6)]
    assert not any(SWAPPED in v.reason + v.suspect for v in after), "the camera may have been started anew"
    assert (after[-1].reason, after[-1].suspect) == ("", "")


@pytest.mark.parametrize("other", [0, 1], ids=["the same view", "another view"])
def test_colours_are_swapped_only_where_green_stays_as_it_was(other):
    monitor, good = ImageMonitor(), picture(0)
    monitor(frame(0.0, noisy(0, good)))
    monitor(frame(0.1, noisy(1, good)))
    turned = picture(other, tint=((0.4, 1.0, 1.6), (1.6, 1.0, 0.4)))
    assert (SWAPPED in monitor(frame(0.2, noisy(2, turned))).suspect) is (other == 0)
