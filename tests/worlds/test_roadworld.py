"""The closed-loop world's promises: geometry that is true, runs that repeat, an expert that stays in its lane."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from headway.errors import UsageError
from headway.evaluate.closed_loop import (
    FIRST_SEED,
    ExpertDriver,
    HeadwayDriver,
    drive,
    measures,
    paired,
    table_of,
)
from headway.evaluate.fleet import Fleet, compare
from headway.evaluate.stress import DELAY_STEPS, FROM_STEP, STRESSES, make_stress
from headway.runtime.model import open_model
from headway.types import DriveCommand, DriveState, Steering
from headway.worlds import Observation, open_world
from headway.worlds.roadworld import STEERING_LAG_S, VEHICLE, Roadworld
from headway.worlds.route import ROUTES, SPACING_M, from_segments, make_route
from headway.worlds.scenery import CAMERA_HEIGHT_M, CAMERA_PITCH, FOCAL, HEIGHT, LANE_WIDTH_M, WIDTH


def command(steering: float, speed: float) -> DriveCommand:
    return DriveCommand(steering, 0.5, 0.0, (-1.0, 1.0), 1.0, DriveState.DRIVE, speed)


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_is_smooth_and_turns_as_its_name_says(name):
    for seed in range(8):
        route = make_route(name, np.random.default_rng(seed))
        steps = np.linalg.norm(np.diff(route.points, axis=0), axis=1)
        assert steps == pytest.approx(SPACING_M, abs=1e-9)
        assert np.abs(np.diff(route.curvature)).max() < 0.01
        total = np.degrees(np.abs(np.diff(route.heading)).sum())
        if name != "random":
            assert total == pytest.approx({"straight": 0, "one-turn": 90, "two-turn": 180}[name], abs=2)


def test_a_circle_of_known_radius_closes():
    route = from_segments([(2 * np.pi * 20, 1 / 20)])
    assert np.linalg.norm(route.points[-1] - route.points[0]) < 1.0
    assert route.offset(20.0)[40] == pytest.approx([0.0, 20.0], abs=0.2)


def test_where_a_point_lies_beside_the_route_is_found():
    route = make_route("two-turn", np.random.default_rng(3))
    for i in (50, 200, 350):
        x, y = route.offset(1.2)[i]
        index, lateral = route.locate(float(x), float(y))
        assert abs(index - i) <= 2
        assert lateral == pytest.approx(1.2, abs=0.02)


def test_the_same_seed_gives_the_same_run_to_the_bit_and_another_seed_another():
    def images(seed):
        world = Roadworld()
        first = world.reset("one-turn", seed).image
        return np.stack([first, *(world.step(command(0.05, 4.0)).image for _ in range(3))])

    assert (images(20_001) == images(20_001)).all()
    assert (images(20_001) != images(20_002)).any()


def test_lane_lines_are_drawn_where_a_pinhole_camera_sees_them():
    world = Roadworld()
    world.reset("straight", 20_005, start=(0.0, 0.0))
    scenery = world._scenery
    image = scenery.view(10.0, 0.0, 0.0).astype(int)
    ahead = 6.0
    depression = np.arctan2(CAMERA_HEIGHT_M, ahead)
    row = round(HEIGHT / 2 + FOCAL * np.tan(depression - CAMERA_PITCH))
    # Along the optical axis a point is ahead * cos(pitch) + height * sin(pitch) away.
    depth = ahead * np.cos(CAMERA_PITCH) + CAMERA_HEIGHT_M * np.sin(CAMERA_PITCH)
    column = round(WIDTH / 2 + FOCAL * (LANE_WIDTH_M / 2) / depth)
    brightness = image[row].sum(-1)
    right = np.arange(WIDTH) > WIDTH / 2
    assert abs(int(np.argmax(np.where(right, brightness, 0))) - column) <= 2


def test_positive_steering_turns_left_and_the_wheel_lags():
    world = Roadworld()
    world.reset("straight", 20_001, start=(0.0, 0.0))
    yaw = [world.step(command(0.5, 4.0)).pose[2] for _ in range(20)]
    assert yaw[-1] > 0.3
    rate = np.diff([0.0, *yaw])
    assert rate[0] < 0.35 * rate[-1]
    assert STEERING_LAG_S > 0
    wheel = np.radians(0.5 * VEHICLE.max_steering_deg)
    assert rate[-1] / world.step_s == pytest.approx(world._speed * np.tan(wheel) / VEHICLE.wheelbase_m, rel=0.05)


@pytest.mark.parametrize("route", ["one-turn", "two-turn"])
def test_the_expert_finishes_in_its_lane(route):
    world = Roadworld()
    run = drive(world, ExpertDriver(world), route, 20_003)
    numbers = measures(run)
    assert run.completed
    assert numbers["off_road_s"] == 0.0
    assert numbers["deviation_p95_m"] < 0.6
    assert numbers["frechet_m"] == pytest.approx(np.abs(run.lateral).max(), abs=0.1)


class Still:
    """A driver that never steers."""

    def reset(self):
        pass

    def __call__(self, image, seen):
        return Steering(0.0, 0.6, (-0.1, 0.1), 1.0)


def test_a_driver_that_never_steers_leaves_the_lane_in_a_turn_and_is_measured_so():
    world = Roadworld()
    drivers = {"still": Still(), "expert": ExpertDriver(world)}
    results, failed = compare(Fleet(world, drivers), ["one-turn"], 2)
    table = table_of(results)["one-turn"]
    assert failed == 0
    assert table["still"]["completed"] == 0.0
    assert table["still"]["off_road_m"] > 1.0
    assert table["still"]["frechet_m"] > 10 * table["expert"]["frechet_m"]
    difference = paired(results, "still", "expert")
    assert difference["low"] > 0.0
    assert difference["pairs"] == 2


class Dying:
    """A user's world that dies in mid-run on every second seed."""

    name, routes, step_s, vehicle = "dying", ("only",), 0.1, VEHICLE

    def reset(self, route, seed):
        self.seed, self.i = seed, 0
        return self.seen()

    def seen(self):
        image = np.zeros((120, 160, 3), np.uint8)
        x = 0.5 * self.i
        return Observation(image, 10**18 + self.i * 10**8, (x, 0.0, 0.0), 5.0, 0.0, 0.0, x / 10, False, x >= 10)

    def step(self, drive_command):
        self.i += 1
        if self.seed % 2 and self.i > 5:
            raise RuntimeError("simulator crashed")
        return self.seen()

    def lane(self):
        return np.stack([np.linspace(0, 10, 41), np.zeros(41)], 1)

    def expert(self):
        return 0.0, 0.5

    def close(self):
        pass


def test_a_world_of_ones_own_joins_by_name_and_a_run_in_which_it_dies_counts_as_failed():
    module = ModuleType("my_simulator")
    module.Dying = Dying
    sys.modules["my_simulator"] = module
    try:
        world = open_world("my_simulator:Dying")
    finally:
        del sys.modules["my_simulator"]
    results, failed = compare(Fleet(world, {"still": Still()}), ["only"], 4)
    table = table_of(results)["only"]["still"]
    assert failed == 2
    assert (table["runs"], table["failed"]) == (4, 2)
    assert table["completed"] == 1.0
    assert "simulator crashed" in next(r.failed for r in results["only"]["still"] if r.failed)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nowhere:World", "nowhere"),
        ("mars", "roadworld"),
        ("math:pi2", "pi2"),
        ("math:pi", "math:pi: TypeError"),
        ("time:sleep", "time:sleep: TypeError"),
        (":World", ":World: ValueError"),
    ],
)
def test_a_world_that_is_none_is_named(name, text):
    with pytest.raises(UsageError, match=text):
        open_world(name)


@pytest.mark.parametrize("name", STRESSES)
def test_a_stress_changes_the_image_from_its_step_on_and_not_its_kind(name):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (FROM_STEP + 3, 120, 160, 3), np.uint8)
    disturb = make_stress(name)
    changed = [disturb(image, i) for i, image in enumerate(images)]
    assert all(c.shape == images[0].shape and c.dtype == np.uint8 for c in changed)
    assert (changed[-1] != images[-1]).any()
    if name == "delay":
        assert (changed[-1] == images[-1 - DELAY_STEPS]).all()
    else:
        assert (changed[0] == images[0]).all()


@pytest.mark.parametrize("route", ["straight", "one-turn"])
def test_the_shipped_model_finishes_an_unseen_road_in_its_lane(route):
    run = drive(Roadworld(), HeadwayDriver(open_model("driving-roadworld", "driving")), route, FIRST_SEED)
    numbers = measures(run)
    assert run.completed
    assert numbers["off_road_s"] == 0.0
    assert numbers["deviation_m"] < 0.5
