"""Tracks of a camera that for a moment does not know its orientation, or whose intrinsics are another picture's."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from walking_people import CAMERA, heads, view

from headway.geometry import OPTICAL_TO_BODY
from headway.stages.tracks import TrackStage
from headway.types import Camera, Frame, Heads

RATE = 15.0


def test_a_moment_without_orientation_drops_nobody_and_is_said() -> None:
    stage = TrackStage()
    for k in range(36):
        lost = 30 < k < 34
        here = 6.0 - 1.7 * k / RATE
        # What is seen meanwhile cannot be placed among the tracks: it must not start one of its own.
        seen = heads([3.0, -1.0, 0.0]) if lost else heads([here, 0.5, 0.0])
        orientation = None if lost else OPTICAL_TO_BODY
        tracks = stage(view(k / RATE, orientation=orientation, velocity=[0.5, 0.0]), seen)
        assert list(tracks.ids) == [0]
        if k > 15:
            assert tracks.position[0, 0] == pytest.approx(here, abs=0.1)
        assert ("no orientation" in tracks.unsure) == lost
        assert (tracks.head_index[0] < 0) == lost
    assert np.nanmax(tracks.history_age_s) > 2.0, "the history goes on"


def test_after_longer_than_tracks_are_kept_without_orientation_they_start_anew_in_camera_axes() -> None:
    stage, turned = TrackStage(), Rotation.from_euler("z", 90, degrees=True).as_matrix() @ OPTICAL_TO_BODY
    for k in range(15):
        stage(view(k / RATE, orientation=turned), heads([0.0, 6.0, 0.0], turned))
    for k in range(15, 30):
        tracks = stage(view(k / RATE, orientation=None), heads([5.0, 0.0, 0.0]))
    assert list(tracks.ids) == [1]
    np.testing.assert_allclose(tracks.position[0], [5.0, 0.0, 0.0], atol=0.05)
    assert "camera frame" in tracks.unsure


def test_intrinsics_of_another_image_size_place_nobody_and_are_said() -> None:
    double = Camera(1280, 960, 1000.0, 1000.0, 640.0, 480.0)
    for camera, usable in ((CAMERA, True), (double, False)):
        frame = Frame(**vars(view(0.0, camera=camera)), image=np.zeros((480, 640, 3), np.uint8))
        tracks = TrackStage()(frame, heads([3.0, 0.5, 0.0]))
        assert (len(tracks) == 1) == usable
        assert ("1280x960" in tracks.unsure) != usable


@pytest.mark.parametrize("change", [{"fx": 0.0}, {"fy": -500.0}, {"width": 0}, {"cx": np.nan}, {"fy": np.inf}])
def test_intrinsics_that_no_camera_has_place_nobody_and_are_said(change) -> None:
    tracks = TrackStage()(view(0.0, camera=replace(CAMERA, **change)), heads([3.0, 0.5, 0.0]))
    assert len(tracks) == 0
    assert "no usable camera_info" in tracks.unsure


def test_where_somebody_looked_is_known_for_half_a_second_after_they_were_seen() -> None:
    stage = TrackStage()
    stage(view(0.0), heads([3.0, 0.5, 0.0]))
    for seconds, known in ((0.3, True), (0.5, True), (0.6, False)):
        tracks = stage(view(seconds), Heads.empty())
        assert np.isfinite(tracks.head_direction).all() == known


def test_an_orientation_of_the_recording_before_is_no_orientation() -> None:
    stage = TrackStage()
    for k in range(15):
        stage(view(10.0 + k / RATE, orientation=OPTICAL_TO_BODY), heads([6.0, 0.0, 0.0]))
    tracks = stage(view(0.0, orientation=None), heads([5.0, 0.0, 0.0]))
    assert len(tracks) == 1, "the first frame of the next counts already"
    np.testing.assert_allclose(tracks.position[0], [5.0, 0.0, 0.0], atol=0.05)
