"""A camera without depth places people by the size of their heads, through the lift that runs on the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate import egocentric_boxes as boxes_module
from headway.evaluate.egocentric import Wearing, at_level, dense, level_words, walk
from headway.evaluate.egocentric_boxes import CAMERA, head_boxes, head_heights, lifted
from headway.evaluate.pedestrians import Recording
from headway.geometry import OPTICAL_TO_BODY
from headway.stages.tracks import TrackConfig
from headway.types import Camera

LONG = Camera(1242, 375, 720.0, 720.0, 610.0, 170.0)


class Still:
    """A generator whose every draw is its mean."""

    def normal(self, size):
        return np.zeros(size)


def turned(yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ OPTICAL_TO_BODY


@given(
    st.floats(0.5, 10.0),
    st.floats(-0.6, 0.6),
    st.floats(-3.1, 3.1),
    st.floats(0.8, 1.2),
    st.sampled_from([CAMERA, LONG]),
)
def test_without_jitter_everybody_stands_where_they_are_but_for_the_size_of_their_heads(
    away, aside, yaw, size, camera
) -> None:
    place = away * np.array([[np.cos(yaw + aside), np.sin(yaw + aside)]])
    height = np.array([size * TrackConfig().head_size_m])
    (box,) = head_boxes(place[None], np.array([yaw]), height, Still(), camera)
    found = lifted(box, np.array([7]), turned(yaw), camera)
    assert found.index.tolist() == [7]
    assert found.position[0, :2] == pytest.approx(place[0] / size, abs=1e-6)
    assert found.position[0, 2] == pytest.approx(0.0, abs=1e-6)


def test_nobody_behind_the_camera_has_a_box() -> None:
    assert np.isnan(head_boxes(np.array([[[-2.0, 0.5]]]), np.zeros(1), np.array([0.23]), Still())).all()


def test_head_heights_are_spread_as_told_and_none_is_absurd() -> None:
    heights = head_heights(20_000, 0.08, np.random.default_rng(0)) / TrackConfig().head_size_m
    assert heights.mean() == pytest.approx(1.0, abs=0.005)
    assert heights.std() == pytest.approx(0.08, abs=0.003)
    assert 0.75 < heights.min() < heights.max() < 1.25


def test_boxes_jitter_by_as_many_pixels_as_told() -> None:
    places = np.broadcast_to([5.0, 0.0], (4000, 1, 2))
    for pixels in (0.5, 2.0):
        boxes = head_boxes(places, np.zeros(4000), np.array([0.25]), np.random.default_rng(0), LONG, pixels)
        assert (boxes[:, 0, 3] - boxes[:, 0, 1]).std() == pytest.approx(pixels, rel=0.05)


def test_a_level_of_noise_is_metres_or_the_size_of_heads() -> None:
    how = Wearing(view_deg=60.0)
    assert at_level(how, "0.1") == replace(how, noise_m=0.1)
    assert at_level(how, "head-size") == replace(how, head_size_sigma=TrackConfig().head_size_sigma)
    assert [level_words(level) for level in ("0.03", "head-size")] == ["3 cm of noise", "range from the size of heads"]


def test_a_walk_is_measured_by_its_boxes_and_knows_that_range_is_what_it_does_not_know() -> None:
    t = np.arange(20)[:, None] * 0.4
    crowd = Recording("made", np.arange(3), np.stack([1.0 * t + [0, 0], 0 * t + [8, 1], 0 * t + [12, 0]], axis=1))
    how = Wearing(head_size_sigma=0.08, head_sigma_deg=0.0)
    seen = walk(crowd, dense(crowd, how.rate), 0, how, np.random.default_rng(0))
    first = seen.sightings(0)
    assert seen.boxes is not None
    assert first.index.tolist() == np.flatnonzero(seen.seen[0]).tolist() == [0, 1]
    assert seen.measured[0] == pytest.approx(first.position[:, :2])
    along, across = first.bias[:, 0, 0] + first.noise[:, 0, 0], first.noise[:, 1, 1]
    assert (along > 10 * across).all()
    assert (np.abs(seen.measured[0, :, 0] - seen.relative[0, :, 0]) < 4 * np.sqrt(along)).all()
    assert seen.view(0).camera == boxes_module.CAMERA
