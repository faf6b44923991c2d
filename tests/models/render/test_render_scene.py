"""The moving camera and the walking people of `headway render scene`, without drawing them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.errors import UsageError
from headway.geometry import geodesic_deg
from headway.models.render import stories
from headway.models.render.carrier import CURVATURE_AT_FULL_LOCK, GRAVITY, vehicle, walker
from headway.models.render.road import KERB_HEIGHT, Road
from headway.models.render.scene import render_scene
from headway.models.render.walkers import Script, Walker

ROAD = Road()
CARRIERS = {"vehicle": vehicle(ROAD, 10.0), "walker": walker(ROAD, 10.0)}


@pytest.mark.parametrize("name", CARRIERS)
def test_the_gyroscope_integrates_to_the_orientation(name):
    carrier, step = CARRIERS[name], 1 / 500
    orientation = carrier.rotation(2.0)
    for k in range(500):
        spin, _ = carrier.inertial(2.0 + (k + 0.5) * step)
        orientation = orientation @ Rotation.from_rotvec(spin * step).as_matrix()
    assert geodesic_deg(orientation, carrier.rotation(3.0)) < 0.1


@pytest.mark.parametrize("name", CARRIERS)
def test_the_accelerometer_feels_gravity_and_the_change_of_speed(name):
    carrier = CARRIERS[name]
    times = np.arange(1.0, 9.0, 0.01)
    force = np.array([carrier.rotation(t) @ carrier.inertial(t)[1] - [0, 0, GRAVITY] for t in times])
    gained = force.sum(axis=0) * 0.01
    dt = 0.01
    before, after = ((carrier.position(t + dt) - carrier.position(t - dt)) / (2 * dt) for t in (times[0], times[-1]))
    np.testing.assert_allclose(gained, after - before, atol=0.08)


@pytest.mark.parametrize("name", CARRIERS)
def test_odometry_adds_up_to_the_way(name):
    carrier, step = CARRIERS[name], 0.01
    x, y, heading = carrier.base(0.0)
    for k in range(1000):
        forward, left, rate = carrier.base_twist((k + 0.5) * step)
        middle = heading + rate * step / 2
        x += (forward * np.cos(middle) - left * np.sin(middle)) * step
        y += (forward * np.sin(middle) + left * np.cos(middle)) * step
        heading += rate * step
    np.testing.assert_allclose([x, y, heading], carrier.base(10.0), atol=0.02)


def test_positive_steering_turns_the_vehicle_to_the_left():
    carrier = CARRIERS["vehicle"]
    times = np.linspace(0, 10, 60)
    steering = np.array([carrier.steering(t) for t in times])
    rate = np.array([carrier.base_twist(t)[2] for t in times])
    speed = np.array([carrier.base_twist(t)[0] for t in times])
    np.testing.assert_allclose(steering * CURVATURE_AT_FULL_LOCK * speed, rate, atol=1e-6)
    assert 0.05 < np.abs(steering).max() <= 1


def test_the_vehicle_does_not_slip_sideways():
    carrier = CARRIERS["vehicle"]
    assert max(abs(carrier.base_twist(t)[1]) for t in np.linspace(0, 10, 50)) < 1e-3


def test_road_coordinates_start_at_the_origin_and_d_points_left():
    np.testing.assert_allclose(ROAD.point(0.0, 0.0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(ROAD.point(0.0, 1.0), [0, 1], atol=1e-3)
    assert np.linalg.norm(ROAD.point(20.0, 0.0) - ROAD.point(19.0, 0.0)) == pytest.approx(1, abs=1e-3)


def test_the_standing_foot_does_not_slide():
    """Over one half cycle the body moves one step: hip swing and stride belong together."""
    person = Walker(Script([(0, 0, 0), (10, 13, 0)]), Road(bend=0.0), np.random.default_rng(0))
    bones = [f"{b}.{s}" for s in "LR" for b in ("upperleg01", "lowerleg01", "foot", "upperarm01", "lowerarm01")]
    bones += ["spine01", "neck02", "head"]
    times = np.linspace(2, 8, 240)
    hip = np.array(
        [Rotation.from_matrix(person.pose(t, bones, np.zeros(3))[0, :3, :3]).as_euler("xyz")[0] for t in times]
    )
    crossings = times[1:][(hip[1:] > hip.mean()) & (hip[:-1] <= hip.mean())]
    stride = np.diff(crossings).mean() * 1.3
    assert stride == pytest.approx(4 * 0.86 * np.sin(np.radians(23)), rel=0.05)


def test_people_stand_on_the_pavement_or_on_the_road():
    for script in (*stories.VEHICLE, *stories.WALKER):
        person = Walker(script, ROAD, np.random.default_rng(1))
        for t in np.linspace(0, 10, 21):
            assert -1e-6 <= person.ground(t)[2] <= KERB_HEIGHT + 1e-6
            assert np.linalg.norm(person.velocity(t)) < 2.5


def test_each_scene_holds_a_close_conflict():
    for name, scripts in (("vehicle", stories.VEHICLE), ("walker", stories.WALKER)):
        carrier = CARRIERS[name]
        people = [Walker(script, ROAD, np.random.default_rng(1)) for script in scripts]
        gaps = [
            np.linalg.norm(p.ground(t)[:2] - carrier.position(t)[:2]) for p in people for t in np.arange(0, 10, 0.1)
        ]
        assert 0.5 < min(gaps) < 1.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"view": "drone"}, "view 'drone'"),
        ({"out": "street.bag"}, "street.bag: a bag is written as one .mcap"),
        ({"out": "file/street.mcap"}, "file cannot be made a folder"),
        ({"seconds": 0.0}, "seconds = 0.0"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_drawn(change, words, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    order = {"view": "vehicle", "seed": 1, "seconds": 1.0, "rate": 15.0, "out": "x.mcap", **change}
    with pytest.raises(UsageError, match=words):
        render_scene(**{**order, "out": tmp_path / order["out"]})
