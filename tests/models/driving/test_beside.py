"""Views from beside the lane: what the camera would see there, and what the expert would do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate.tub import Drive
from headway.models.driving.beside import from_beside, view_from
from headway.models.driving.config import TrainConfig
from headway.models.driving.data import augment
from headway.worlds.roadworld import Roadworld, steering_beside

STEPS = [(0.8, 0.0), (-0.8, 0.0), (0.0, 0.08), (0.5, -0.08)]


def put(world: Roadworld, index: int, aside_m: float, askew: float, speed_mps: float) -> None:
    """Places the car beside the lane point `index`."""
    (x, y), heading = world.route.points[index], world.route.heading[index]
    world._index = index
    world._x, world._y = x - math.sin(heading) * aside_m, y + math.cos(heading) * aside_m
    world._yaw, world._speed = heading + askew, speed_mps


@pytest.fixture(scope="module")
def world() -> Roadworld:
    road = Roadworld()
    road.reset("one-turn", 11, start=(0.0, 0.0))
    road._scenery.look = replace(road._scenery.look, noise=0.0)
    return road


@pytest.mark.parametrize(("aside_m", "askew"), STEPS)
def test_view_is_what_the_camera_sees_there(world: Roadworld, aside_m: float, askew: float) -> None:
    put(world, 60, 0.0, 0.0, 5.0)
    here = world._observe().image
    put(world, 60, aside_m, askew, 5.0)
    there = world._observe().image.astype(float)
    seen = (slice(52, 90), slice(55, 120))  # ground that both saw
    off = np.abs(view_from(here, aside_m, askew).astype(float) - there)[seen].mean()
    assert off < 0.5 * np.abs(here.astype(float) - there)[seen].mean()


@pytest.mark.parametrize("index", [40, 300])  # a straight, the middle of the bend
@pytest.mark.parametrize(("aside_m", "askew"), STEPS)
def test_steering_is_what_the_expert_would_do_there(world: Roadworld, index: int, aside_m: float, askew: float) -> None:
    index = min(index, int(np.argmax(np.abs(world.route.curvature))) + 10) if index > 100 else index
    put(world, index, 0.0, 0.0, 4.0)
    here, _ = world.expert()
    put(world, index, aside_m, askew, 4.0)
    there, _ = world.expert()
    assert steering_beside(here, 4.0, aside_m, askew) == pytest.approx(there, abs=0.03)


@given(st.floats(-0.9, 0.9), st.floats(0.0, 8.0))
def test_no_step_changes_nothing(steering: float, speed_mps: float) -> None:
    far = 3.5 + 0.55 * speed_mps
    if abs(math.tan(math.radians(32) * steering) / 2.7) * far < 1.8:  # a bend that the pursuit can reach
        assert steering_beside(steering, speed_mps, 0.0, 0.0) == pytest.approx(steering, abs=1e-9)


@given(st.floats(-0.3, 0.3), st.floats(1.0, 8.0), st.floats(0.1, 2.0))
def test_further_left_steers_further_right(steering: float, speed_mps: float, aside_m: float) -> None:
    assert steering_beside(steering, speed_mps, aside_m, 0.0) < steering
    assert steering_beside(steering, speed_mps, -aside_m, 0.0) > steering


def test_share_of_frames_gets_a_step_and_fills_tell_nothing() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    config = TrainConfig(beside_share=0.25)
    answers = [from_beside(image, 0.1, 0.8, rng, config) for _ in range(400)]
    stepped = np.array([steering != 0.1 for _, steering in answers])
    filled = np.array(
        [(seen[119, :3] == seen[119, 1]).all() or (seen[119, -3:] == seen[119, -2]).all() for seen, _ in answers]
    )
    assert 0.18 < stepped.mean() < 0.32
    assert filled[~stepped].mean() > 0.4


def test_only_drawn_frames_get_a_step() -> None:
    count = 60
    steering = np.full(count, 0.1, np.float32)
    throttle = np.full(count, 0.8, np.float32)
    drawn = np.arange(count) < count // 2
    drive = Drive(np.full((count, 120, 160, 3), 90, np.uint8), steering, throttle, np.zeros_like(steering), drawn)
    config = TrainConfig(mirror=False, beside_share=1.0)
    changed, _ = augment(drive, np.random.default_rng(1), config)
    assert (changed.steering[drawn] != steering[drawn]).all()
    assert (changed.steering[~drawn] == steering[~drawn]).all()
