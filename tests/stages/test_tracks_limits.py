"""What is not taken in: tracks of other axes, old odometry, heads too unsure to begin with, a detector gone wild."""

from dataclasses import replace

import numpy as np
import pytest
from walking_people import heads, view

from headway.geometry import OPTICAL_TO_BODY
from headway.stages.tracks import TrackConfig, TrackStage

SOMEBODY = heads([[4.0, 0.0, 0.0]])


def scored(score: float):
    return replace(SOMEBODY, scores=np.array([score], np.float32))


def test_people_followed_without_an_orientation_are_new_ones_once_there_is_one() -> None:
    stage = TrackStage()
    before = [stage(view(i / 15, orientation=None), SOMEBODY) for i in range(8)]
    after = stage(view(8 / 15, orientation=OPTICAL_TO_BODY), SOMEBODY)
    assert before[-1].ids.tolist() == before[0].ids.tolist()
    assert len(after.ids) == 1
    assert after.ids.tolist() != before[-1].ids.tolist()
    assert "no orientation" in before[-1].unsure
    assert after.unsure == ""


@pytest.mark.parametrize(("age_s", "known"), [(0.4, True), (0.6, False), (-0.6, False)])
def test_odometry_of_another_time_is_not_the_cameras_motion(age_s: float, known: bool) -> None:
    moving = view(10.0, velocity=(1.0, 0.0))
    late = replace(moving.odometry, stamp_ns=moving.stamp_ns - round(age_s * 1e9))
    assert (TrackStage()(replace(moving, odometry=late), SOMEBODY).ego_velocity is not None) is known


def test_a_head_below_the_birth_score_starts_no_track_and_goes_on_with_one() -> None:
    stage, low = TrackStage(), TrackConfig().birth_score - 0.1
    assert len(stage(view(0.0), scored(low))) == 0
    begun = stage(view(0.1), scored(0.9))
    assert len(begun) == 1
    gone_on = stage(view(0.2), scored(low))
    assert (gone_on.ids.tolist(), gone_on.head_index.tolist()) == (begun.ids.tolist(), [0])


def test_of_a_crowd_that_cannot_be_only_the_nearest_are_kept() -> None:
    places = [[x, y * x / 10, 0.0] for x in np.arange(3.0, 12.0, 0.6) for y in np.arange(-5.0, 5.1, 0.8)]
    wild = heads(places)
    assert len(wild) > 150
    stage = TrackStage()
    tracks = stage(view(0.0), wild)
    assert len(tracks) + tracks.left_out == 128
    assert np.linalg.norm(stage._table.state[:, :2], axis=1).max() < 10.5


def test_an_error_common_to_all_sightings_of_a_head_does_not_average_out() -> None:
    """A child's head is taken for a farther one in every frame: looking longer makes the range no surer."""
    stage = TrackStage()
    for i in range(60):
        tracks = stage(view(i / 15), SOMEBODY)
    assert np.sqrt(tracks.covariance[0, 0, 0]) > 0.9 * TrackConfig().head_size_sigma * 4.0
    assert np.sqrt(stage._table.covariance[0, 0, 0]) < 0.2


@pytest.mark.parametrize(("before", "after"), [(None, (1.0, 0.0)), ((1.0, 0.0), None)], ids=["comes", "goes"])
def test_where_odometry_comes_or_goes_the_path_so_far_is_not_one_with_what_follows(before, after) -> None:
    stage = TrackStage()
    for i in range(15):
        tracks = stage(view(i / 15, velocity=before), SOMEBODY)
    assert np.isfinite(tracks.history_age_s).sum() > 2
    tracks = stage(view(1.0, velocity=after), SOMEBODY)
    assert np.isfinite(tracks.history_age_s).sum() == 1
