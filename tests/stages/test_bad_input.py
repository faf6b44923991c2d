"""Bad input of the trajectory task, one named test for each kind: the whole task from heads to risks, and never a NaN,
never a traceback, never an answer that sounds sure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from straight_engine import straight_model
from walking_people import CAMERA, heads, stamp, view

from headway.errors import ConfigError, FrameError
from headway.geometry import OPTICAL_TO_BODY
from headway.sensors import SensorConfig, Sensors
from headway.stages.forecast import ForecastConfig
from headway.stages.heads_up import HeadsUpTrack
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig
from headway.tasks import Motion, Trajectory
from headway.types import Heads, Level, Trace, View

RATE = 15.0
FORWARD = (-0.5, 0.5, -0.5, 0.5)
MODES = ("headway", "heads-up")


@pytest.fixture(params=MODES)
def task(request, tmp_path) -> Trajectory:
    """Both modes must bear everything."""
    risk = RiskConfig(mode=request.param)
    return Trajectory(straight_model(tmp_path), TrackConfig(), ForecastConfig(), risk)


def step(task: Trajectory, seconds: float, *places, **how) -> Motion:
    seen = heads(np.array(places, float)) if places else Heads.empty()
    motion = task.step(view(seconds, **how), seen, Trace())
    assert_finite(motion)
    return motion


def assert_finite(motion: Motion) -> None:
    f = motion.forecast
    for part in (f.modes, f.probability, f.radius, f.tracks.position, f.tracks.velocity, f.tracks.covariance):
        assert np.isfinite(part).all()
    for r in motion.risks.items:
        assert np.isfinite([r.probability, r.closest_m, r.time_to_contact_s or 0.0]).all()


def level(motion: Motion) -> Level:
    return motion.risks.items[0].level


def test_a_track_with_one_point_is_unsure(task: Trajectory) -> None:
    motion = step(task, 0.0, [4.0, 0.0, 0.0])
    assert level(motion) == Level.UNSURE
    assert motion.risks.items[0].reason
    assert not motion.announcements


def test_a_gap_is_bridged_and_after_a_long_one_the_person_is_a_new_one(task: Trajectory) -> None:
    for i in range(15):
        step(task, i / RATE, [6.0 - i / RATE, 0.5, 0.0])
    hidden = [step(task, i / RATE) for i in range(15, 33)]
    assert all(len(m.tracks) == 1 for m in hidden[:10])
    late = [m for m in hidden if len(m.tracks) and m.tracks.stamp_ns > stamp(14 / RATE + 0.55)]
    assert all(level(m) in (Level.UNSURE, Level.ALERT) for m in late), "not seen for half a second is not clear"
    assert len(hidden[-1].tracks) == 0
    again = step(task, 33 / RATE, [4.5, 0.5, 0.0])
    assert again.tracks.ids.tolist() == [1]
    assert level(again) == Level.UNSURE


def test_an_identity_that_jumps_to_another_person_is_a_new_identity(task: Trajectory) -> None:
    for i in range(20):
        before = step(task, i / RATE, [3.0 - 0.07 * i, 0.0, 0.0])
    jumped = step(task, 20 / RATE, [5.5, 3.0, 0.0])
    fresh = next(r for r in jumped.risks.items if r.track_id not in before.tracks.ids)
    assert fresh.level == Level.UNSURE, "no level, speed or forecast is taken over from somebody else"
    row = jumped.tracks.ids.tolist().index(fresh.track_id)
    np.testing.assert_allclose(jumped.tracks.velocity[row], 0.0, atol=1e-9)


def test_two_people_whose_detections_swap_places_in_the_list_keep_their_identities(task: Trajectory) -> None:
    a, b = [4.0, -1.5, 0.0], [4.0, 1.5, 0.0]
    ids = []
    for i in range(20):
        motion = step(task, i / RATE, *((a, b) if i % 2 else (b, a)))
        left = motion.tracks.position[:, 1] > 0
        ids.append((int(motion.tracks.ids[left][0]), int(motion.tracks.ids[~left][0])))
    assert len(set(ids)) == 1


@pytest.mark.parametrize("what", ["boxes", "rotation", "orientation", "odometry", "camera"])
def test_nan_in_any_input_gives_no_nan_in_any_output(task: Trajectory, what: str) -> None:
    for i in range(6):
        good, nan = heads([[4.0 - 0.1 * i, 0.2, 0.0]]), np.nan
        seen = View(stamp_ns=stamp(i / RATE), camera=CAMERA, orientation=OPTICAL_TO_BODY)
        if i == 3:
            if what == "boxes":
                good = Heads(
                    np.full((1, 4), nan, np.float32), good.scores, good.rotation, good.sigma_deg, good.attention
                )
            elif what == "rotation":
                good = Heads(good.boxes, good.scores, good.rotation * nan, good.sigma_deg * nan, good.attention)
            elif what == "orientation":
                seen = View(stamp_ns=seen.stamp_ns, camera=CAMERA, orientation=OPTICAL_TO_BODY * nan)
            elif what == "odometry":
                seen = view(i / RATE, velocity=[nan, 1.0])
            else:
                broken = type(CAMERA)(CAMERA.width, CAMERA.height, nan, CAMERA.fy, CAMERA.cx, CAMERA.cy)
                seen = View(stamp_ns=seen.stamp_ns, camera=broken, orientation=OPTICAL_TO_BODY)
        motion = task.step(seen, good, Trace())
        assert_finite(motion)
        if i == 3 and what in ("orientation", "camera"):
            assert motion.risks.unsure


def test_a_duplicated_stamp_is_refused_and_changes_nothing(task: Trajectory) -> None:
    motions = [step(task, i / RATE, [4.0 - 0.1 * i, 0.0, 0.0]) for i in range(8)]
    with pytest.raises(FrameError, match="not after"):
        step(task, 7 / RATE, [9.0, 3.0, 0.0])
    after = step(task, 8 / RATE, [3.2, 0.0, 0.0])
    assert after.tracks.ids.tolist() == motions[-1].tracks.ids.tolist()
    np.testing.assert_allclose(after.tracks.velocity[0, :2], [-1.5, 0.0], atol=0.3)


def test_a_stamp_that_goes_back_is_refused_and_far_back_is_a_new_recording(task: Trajectory) -> None:
    for i in range(10):
        step(task, 50 + i / RATE, [4.0, 0.0, 0.0])
    with pytest.raises(FrameError, match="not after"):
        step(task, 50 + 5 / RATE, [4.0, 0.0, 0.0])
    fresh = step(task, 10.0, [4.0, 0.0, 0.0])
    assert fresh.tracks.age_s[0] == 0
    assert level(fresh) == Level.UNSURE


def test_of_more_than_32_people_the_nearest_have_risks_and_the_rest_is_counted(task: Trajectory) -> None:
    places = [[3.0 + 0.35 * i, (i % 9 - 4) * 0.35, 0.0] for i in range(40)]
    for i in range(8):
        motion = step(task, i / RATE, *places)
    assert (len(motion.tracks), len(motion.risks.items), motion.tracks.left_out) == (32, 32, 8)
    nearest = sorted(np.hypot(p[0], p[1]) for p in places)[:32]
    np.testing.assert_allclose(np.linalg.norm(motion.tracks.position[:, :2], axis=1), nearest, atol=0.1)


class _Message:
    """A message of the kind that arrives, by attribute."""

    def __init__(self, **fields) -> None:
        self.__dict__.update(fields)


def _header(seconds: float) -> _Message:
    ns = stamp(seconds)
    return _Message(stamp=_Message(sec=ns // 10**9, nanosec=ns % 10**9), frame_id="f")


def _quaternion(yaw_deg: float) -> _Message:
    x, y, z, w = Rotation.from_euler("z", yaw_deg, degrees=True).as_quat()
    return _Message(x=x, y=y, z=z, w=w)


def feed(sensors: Sensors, seconds: float, imu: bool, odometry: bool, yaw_deg: float = 0.0) -> View:
    """What a level camera on a turning carrier receives, and its view."""
    k = [CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1]
    size = {"width": CAMERA.width, "height": CAMERA.height}
    sensors.on_camera_info(_Message(header=_header(seconds), k=k, d=[0.0] * 5, distortion_model="plumb_bob", **size))
    if imu:
        fields = {"orientation": _quaternion(yaw_deg), "orientation_covariance": [0.0] * 9}
        sensors.on_imu(_Message(header=_header(seconds), **fields))
    if odometry:
        pose = _Message(pose=_Message(orientation=_quaternion(yaw_deg)))
        zero = _Message(x=0.0, y=0.0, z=0.0)
        twist = _Message(twist=_Message(linear=zero, angular=zero))
        sensors.on_odometry(_Message(header=_header(seconds), pose=pose, twist=twist))
    return sensors.view(stamp(seconds), "f", CAMERA.width, CAMERA.height)


@pytest.mark.parametrize("sensor", ["imu", "odometry", "nothing"])
def test_without_an_imu_odometry_gives_the_axes_and_without_both_the_camera_does_unsure(task, sensor: str) -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=FORWARD, camera_base_rotation=FORWARD))
    drift = []
    for i in range(30):
        yaw = 25.0 * np.sin(i / 6)
        seen = feed(sensors, i / RATE, sensor == "imu", sensor == "odometry", yaw)
        turn = Rotation.from_euler("z", yaw, degrees=True).as_matrix() @ OPTICAL_TO_BODY
        motion = task.step(seen, heads([[5.0, 0.0, 0.0]], orientation=turn), Trace())
        assert_finite(motion)
        drift.append(abs(float(motion.tracks.position[0, 1])))
    assert sensors.oriented_by[sensor] == 30
    if sensor == "nothing":
        assert "IMU" in motion.risks.unsure
        assert motion.risks.level in (Level.UNSURE, Level.ALERT, Level.NOTICE)
        assert max(drift) > 0.5, "in the camera frame turning the head moves the world: that is why it is unsure"
    else:
        assert motion.risks.unsure == ""
        assert max(drift) < 0.05


@pytest.mark.parametrize("wrong", [(0.0, 0.0, 0.0, 1.0), (0.7071, 0.0, 0.0, 0.7071), (0.5, 0.5, 0.5, 0.5)])
def test_a_wrong_camera_imu_rotation_is_found_by_gravity_at_the_start(task: Trajectory, wrong) -> None:
    sensors = Sensors(SensorConfig(camera_imu_rotation=wrong))
    for i in range(15):
        motion = task.step(feed(sensors, i / RATE, True, False), heads([[5.0, 0.0, 0.0]]), Trace())
        assert_finite(motion)
    right = Sensors(SensorConfig(camera_imu_rotation=FORWARD))
    assert all(feed(right, i / RATE, True, False).unsure == "" for i in range(15))
    assert "camera_imu_rotation" in motion.risks.unsure


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (RiskConfig, "horizon_s", 30.0),
        (RiskConfig, "horizon_s", 0.0),
        (RiskConfig, "horizon_s", float("nan")),
        (RiskConfig, "alert_s", 9.0),
        (RiskConfig, "alert_share", 0.0),
        (RiskConfig, "repeat_s", -1.0),
        (RiskConfig, "mode", "heads_up"),
        (TrackConfig, "max_unseen_s", 60.0),
        (SensorConfig, "orientation_max_gap_s", 0.0),
        (ForecastConfig, "nominal", 1.0),
    ],
)
def test_a_horizon_or_a_time_out_of_range_is_refused_by_name(config, name: str, value) -> None:
    with pytest.raises(ConfigError, match=name):
        config(**{name: value})


@pytest.mark.parametrize("rate", [5.0, 30.0, 120.0])
def test_any_camera_rate_in_range_gives_the_same_alert_at_about_the_same_time(tmp_path, rate: float) -> None:
    task = Trajectory(straight_model(tmp_path), TrackConfig(), ForecastConfig(), RiskConfig())
    times = []
    for i in range(int(3.5 * rate)):
        motion = step(task, i / rate, [7.0 - 1.4 * i / rate, 0.0, 0.0])
        times += [i / rate] if motion.risks.level == Level.ALERT else []
    contact = 6.0 / 1.4
    assert contact - times[0] == pytest.approx(RiskConfig().alert_s, abs=0.45)


def test_a_camera_too_slow_to_follow_people_is_unsure_about_all_of_them(task: Trajectory) -> None:
    for i in range(6):
        motion = step(task, 1.5 * i, [7.0 - 0.5 * i, 0.0, 0.0])
        assert all(r.level == Level.UNSURE for r in motion.risks.items)
        assert not motion.announcements


@pytest.mark.parametrize("rate", [0.0, -15.0, float("nan"), float("inf")])
def test_a_frame_rate_that_is_none_is_refused_by_the_reference(rate: float) -> None:
    with pytest.raises(ConfigError, match="rate"):
        HeadsUpTrack(rate)
