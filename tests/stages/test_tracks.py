import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation
from walking_people import CAMERA, heads, stamp, view

from headway.errors import FrameError
from headway.geometry import OPTICAL_TO_BODY
from headway.stages.associate import associate
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Camera, Heads, Tracks, View

RATE = 15.0


def walk(
    stage: TrackStage, start, velocity, seconds: float, begin: float = 0.0, ego=None, noise: float = 0.0
) -> Tracks:
    """A person from `start` (3,) with `velocity` (2,) on the ground, seen by a camera that moves with `ego` (2,)."""
    random = np.random.default_rng(0)
    tracks = None
    for i in range(int(seconds * RATE)):
        t = begin + i / RATE
        moved = np.array(velocity) - (0 if ego is None else np.array(ego))
        place = np.array(start, float)
        place[:2] += moved * t + noise * random.normal(size=2)
        tracks = stage(view(t, velocity=ego), heads(place))
    assert tracks is not None
    return tracks


def finite(tracks: Tracks) -> bool:
    parts = (tracks.position, tracks.velocity, tracks.covariance, tracks.age_s)
    return all(np.isfinite(p).all() for p in parts)


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(0, 20)))
def test_association_is_what_trying_everything_finds(cost: np.ndarray) -> None:
    gate = 10.0

    def value(pairs) -> tuple[int, float]:
        return -len(pairs), sum(cost[r, c] for r, c in pairs)

    n, m = cost.shape
    best = (0, 0.0)
    for columns in itertools.permutations([*range(m), *[-1] * n], n):
        pairs = [(r, c) for r, c in enumerate(columns) if c >= 0 and cost[r, c] <= gate]
        best = min(best, value(pairs))
    found = value(associate(cost, gate))
    assert found[0] == best[0]
    assert found[1] == pytest.approx(best[1])


def test_a_steady_walker_is_followed_with_the_right_velocity() -> None:
    tracks = walk(TrackStage(), [8.0, 1.0, 0.2], [-1.2, 0.3], 3.0)
    assert len(tracks) == 1
    np.testing.assert_allclose(tracks.velocity[0, :2], [-1.2, 0.3], atol=0.05)
    np.testing.assert_allclose(tracks.position[0], [8 - 1.2 * 44 / 15, 1 + 0.3 * 44 / 15, 0.2], atol=0.05)


def test_the_filter_is_sane_from_its_second_observation() -> None:
    stage = TrackStage()
    for count in range(2, 9):
        stage.reset()
        tracks = walk(stage, [6.0, 0.0, 0.0], [-1.4, 0.0], count / RATE, noise=0.05)
        ahead = tracks.position[0, :2] + 3.0 * tracks.velocity[0, :2]
        truth = [6 - 1.4 * ((count - 1) / RATE + 3.0), 0.0]
        # The reference filter is off by 41 m with three points; a person who does not move at all would be by 4.2 m.
        assert np.linalg.norm(ahead - truth) < 5.0


def test_odometry_turns_relative_tracks_into_peoples_own_motion() -> None:
    standing = walk(TrackStage(), [9.0, -1.0, 0.0], [0.0, 0.0], 2.0, ego=[1.5, 0.0])
    np.testing.assert_allclose(standing.velocity[0, :2], [-1.5, 0.0], atol=0.05)
    known = np.isfinite(standing.history_age_s[0])
    assert known.sum() > 10
    drift = standing.history[0, known] - standing.position[0, :2]
    assert np.abs(drift).max() < 0.1

    relative = walk(TrackStage(), [9.0, -1.0, 0.0], [-1.5, 0.0], 2.0)
    assert relative.ego_velocity is None
    known = np.isfinite(relative.history_age_s[0])
    np.testing.assert_allclose(relative.history[0, known][0], [9.0, -1.0], atol=0.05)


def test_odometry_that_comes_and_goes_does_not_kick_the_tracks() -> None:
    stage = TrackStage()
    velocities = []
    for i in range(60):
        t = i / RATE
        ego = [1.5, 0.0] if 30 <= i < 45 else None
        tracks = stage(view(t, velocity=ego), heads([9.0 - 1.5 * t, 0.5, 0.0]))
        assert list(tracks.ids) == [0]
        velocities.append(tracks.velocity[0, :2])
    assert np.abs(np.diff(velocities[20:], axis=0)).max() < 0.1
    np.testing.assert_allclose(velocities[-1], [-1.5, 0.0], atol=0.1)


def test_turning_the_head_does_not_move_the_world() -> None:
    stage = TrackStage()
    for i in range(45):
        yaw = Rotation.from_euler("z", 20 * np.sin(i / 5), degrees=True).as_matrix()
        orientation = yaw @ OPTICAL_TO_BODY
        tracks = stage(view(i / RATE, orientation), heads([6.0, 0.3, 0.0], orientation))
    np.testing.assert_allclose(tracks.position[0], [6.0, 0.3, 0.0], atol=0.02)
    np.testing.assert_allclose(tracks.velocity[0], 0, atol=0.05)
    assert tracks.heading_rad == pytest.approx(np.radians(20 * np.sin(44 / 5)), abs=1e-6)


def test_odometry_is_not_used_where_the_cameras_axes_are_unknown() -> None:
    stage = TrackStage()
    for i in range(20):
        tracks = stage(view(i / RATE, orientation=None, velocity=[0.0, 1.5]), heads([6.0, 0.0, 0.0]))
    assert tracks.ego_velocity is None
    np.testing.assert_allclose(tracks.velocity[0, :2], 0, atol=0.05)


def test_depth_is_believed_before_the_size_of_the_head() -> None:
    depth = np.full((CAMERA.height, CAMERA.width), 7.0, np.float32)
    tracks = TrackStage()(view(0, depth=depth), heads([4.0, 0.0, 0.0]))
    assert tracks.position[0, 0] == pytest.approx(7.0, abs=0.01)
    assert tracks.by_size.tolist() == [False]
    depth[:] = np.nan
    tracks = TrackStage()(view(0, depth=depth), heads([4.0, 0.0, 0.0]))
    assert tracks.position[0, 0] == pytest.approx(4.0, abs=0.01)
    assert tracks.by_size.tolist() == [True]


def test_uncertainty_grows_with_the_distance() -> None:
    tracks = TrackStage()(view(0), heads([[3.0, 0.5, 0], [12.0, -1.0, 0]]))
    near, far = np.trace(tracks.covariance[:, :2, :2], axis1=1, axis2=2)
    assert far > 4 * near


def test_a_person_hidden_for_a_moment_keeps_the_identity_and_a_lost_one_is_dropped() -> None:
    stage = TrackStage()
    walk(stage, [6.0, 0.0, 0.0], [-0.5, 0.0], 1.0)
    for i in range(16, 24):
        tracks = stage(view(i / RATE), Heads.empty())
    assert list(tracks.ids) == [0]
    assert tracks.head_index[0] == -1
    again = stage(view(24 / RATE), heads([6 - 0.5 * 24 / RATE, 0, 0]))
    assert list(again.ids) == [0]
    for i in range(25, 40):
        tracks = stage(view(i / RATE), Heads.empty())
    assert len(tracks) == 0


def test_two_people_who_pass_each_other_keep_their_identities() -> None:
    stage = TrackStage()
    for i in range(45):
        t = i / RATE
        tracks = stage(view(t), heads([[6.0, -2 + 1.2 * t, 0], [7.5, 2 - 1.2 * t, 0]]))
    assert list(tracks.ids) == [0, 1]
    assert tracks.velocity[0, 1] > 0.8
    assert tracks.velocity[1, 1] < -0.8


def test_of_more_than_32_people_the_nearest_are_kept_and_the_rest_counted() -> None:
    places = [[4.0 + 0.4 * i, (i % 7 - 3) * 0.5, 0.0] for i in range(45)]
    tracks = TrackStage()(view(0), heads(places))
    assert len(tracks) == 32
    assert tracks.left_out == 13
    distance = np.linalg.norm(tracks.position[:, :2], axis=1)
    assert (np.diff(distance) >= 0).all()
    assert distance.max() < 4.0 + 0.4 * 33


def test_late_and_repeated_frames_are_refused_and_a_new_recording_starts_afresh() -> None:
    stage = TrackStage()
    before = walk(stage, [6.0, 0.0, 0.0], [0.0, 0.0], 1.0)
    for late in (14 / RATE, 10 / RATE):
        with pytest.raises(FrameError, match="not after"):
            stage(view(late), heads([6.0, 0.0, 0.0]))
    fresh = stage(view(-100.0), heads([6.0, 0.0, 0.0]))
    assert fresh.age_s[0] == 0
    assert fresh.ids[0] not in before.ids


def test_a_long_gap_starts_new_tracks() -> None:
    stage = TrackStage()
    walk(stage, [6.0, 0.0, 0.0], [0.0, 0.0], 1.0)
    tracks = stage(view(4.0), heads([6.0, 0.0, 0.0]))
    assert list(tracks.ids) == [1]


def test_missing_orientation_and_missing_camera_are_said() -> None:
    stage = TrackStage()
    tracks = stage(view(0, orientation=None), heads([5.0, 0.0, 0.0]))
    assert "orientation" in tracks.unsure
    np.testing.assert_allclose(tracks.position[0], [5.0, 0, 0], atol=0.01)
    tracks = stage(view(0.1, camera=None), heads([5.0, 0.0, 0.0]))
    assert "camera_info" in tracks.unsure
    assert stage(view(0.2), heads([5.0, 0.0, 0.0])).unsure == ""


def test_a_camera_that_would_lie_on_its_side_is_said() -> None:
    for axis, angle, said in (("x", 90, True), ("y", 180, True), ("x", 40, False), ("z", 170, False), ("y", 45, False)):
        turned = Rotation.from_euler(axis, angle, degrees=True).as_matrix() @ OPTICAL_TO_BODY
        assert ("camera_imu_rotation" in TrackStage()(view(0, turned), Heads.empty()).unsure) == said


@pytest.mark.parametrize("yaw_deg", [0, 60, 180, -120])
def test_head_direction_on_the_ground_follows_the_head(yaw_deg: float) -> None:
    # Facing the camera means looking along -x of the semi-local frame; turning is about the vertical.
    turn = Rotation.from_euler("y", yaw_deg, degrees=True).as_matrix()
    tracks = TrackStage()(view(0), heads([5.0, 0.0, 0.0], rotation=turn))
    expected = OPTICAL_TO_BODY @ (-turn[:, 2])
    np.testing.assert_allclose(tracks.head_direction[0], expected[:2], atol=1e-6)
    unsure = TrackStage()(view(0), heads([5.0, 0.0, 0.0], rotation=turn, sigma_deg=90.0))
    assert np.isnan(unsure.head_direction).all()


def test_history_reaches_back_three_seconds_at_any_rate() -> None:
    for rate in (5.0, 15.0, 60.0):
        stage = TrackStage()
        for i in range(int(4 * rate)):
            tracks = stage(view(i / rate), heads([6.0, 0.0, 0.0]))
        age = tracks.history_age_s[0]
        assert np.nanmax(age) >= 2.8
        assert age[-1] == pytest.approx(0, abs=1e-6)
        assert (np.diff(age[np.isfinite(age)]) < 0).all()


box = arrays(np.float32, 4, elements=st.floats(-1e6, 1e6, width=32) | st.just(np.float32(np.nan)))
number = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.tuples(
            st.integers(-2_000, 3_000),
            st.lists(st.tuples(box, st.floats(0, 1)), max_size=4),
            st.none() | st.tuples(number, number),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_no_nan_comes_out_whatever_comes_in(frames) -> None:
    stage = TrackStage(TrackConfig(birth_score=0.0))
    for millis, seen, ego, oriented in frames:
        boxes = np.array([b for b, _ in seen], np.float32).reshape(-1, 4)
        scores = np.array([s for _, s in seen], np.float32)
        n = len(seen)
        found = Heads(boxes, scores, np.full((n, 3, 3), np.nan), np.full(n, np.nan), np.zeros(n))
        orientation = OPTICAL_TO_BODY if oriented else np.full((3, 3), np.nan)
        try:
            tracks = stage(view(millis / 1e3, orientation, velocity=ego), found)
        except FrameError:
            continue
        assert finite(tracks)
        assert tracks.stamp_ns == stamp(millis / 1e3)
        known = np.isfinite(tracks.history_age_s)
        assert np.isfinite(tracks.history[known]).all()


@given(
    boxes=arrays(np.float32, (2, 4), elements=st.floats(width=32)),
    rotation=arrays(float, (3, 3), elements=st.floats()),
    sigma_deg=st.floats(),
    focal=st.floats(1e-300, 1e308),
    centre=st.floats(),
)
def test_no_box_no_rotation_and_no_camera_raises_anything(boxes, rotation, sigma_deg, focal, centre) -> None:
    stage, camera = TrackStage(), Camera(640, 480, focal, focal, centre, 240.0)
    seen = Heads(boxes, np.full(2, 0.9), np.tile(rotation, (2, 1, 1)), np.full(2, sigma_deg), np.zeros(2))
    with np.errstate(all="ignore"):
        for i in range(3):
            tracks = stage(View(stamp_ns=10**9 + i * 10**8, camera=camera), seen)
    assert (tracks.head_rotation is None) == (not np.isfinite(centre))
