"""Training frames from a world: an expert drives, is pushed off the lane, and shows how to come back. No torch here: a
simulator may live in an environment without it.

Each episode is one route on one seed below TRAINING_SEEDS: evaluation drives on others. What is recorded is the
expert's steering for the state the car is in, whoever steered: the expert, a push, or (DAgger) the learner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.closed_loop import drive as drive_in_loop
from headway.evaluate.held_out import Pushed
from headway.evaluate.tub import Drive
from headway.stages.gate import Gate
from headway.stages.limits import EMERGENCY_DECELERATION
from headway.types import Odometry, Steering
from headway.worlds import Observation, World
from headway.worlds.pushes import Pushes
from headway.worlds.roadworld import TRAINING_SEEDS

ROUTE_TURNS = {"roadworld": ("random", "one-turn", "random", "two-turn", "random", "straight")}
"""world -> routes that its episodes take in turn: mostly winding ones, since straight frames all look alike. Of other
worlds all routes, in turn."""
KEEP_EVERY = 2  # of the world's 10 Hz frames: neighbours are alike
START_OFFSET_M, START_ASKEW = 1.3, 0.15  # largest sideways and angular error at the start
LONGEST_STEPS = 400
BRAKE_S, SLACK_MPS = 1.0, 0.3
DAGGER_SHARE = 0.7  # of the steps that the learner steers in a DAgger episode

Policy = Callable[[NDArray[np.uint8]], float]


@dataclass(frozen=True)
class Episode:
    """One drive: its frames with the expert's controls."""

    seed: int
    drive: Drive


def routes_of(world: World) -> tuple[str, ...]:
    """What its episodes drive, in turn by their seeds."""
    return ROUTE_TURNS.get(world.name, world.routes)


def record(world: World, seed: int, learner: Policy | None = None) -> Episode:
    """Drives one seeded episode; with `learner` (image -> steering) that one steers most of the time.

    Where the world says `starts_beside`, its reset takes a start beside and askew of the lane.
    """
    if seed >= TRAINING_SEEDS:
        raise ValueError(f"seed {seed} belongs to evaluation")
    rng = np.random.default_rng([seed, 77])
    start = (float(rng.uniform(-START_OFFSET_M, START_OFFSET_M)), float(rng.uniform(-START_ASKEW, START_ASKEW)))
    routes = routes_of(world)
    beside = {"start": start} if getattr(world, "starts_beside", False) else {}
    seen = world.reset(routes[seed % len(routes)], seed, **beside)
    gate = Gate(world.vehicle)
    images, steering, throttle, brake = [], [], [], []
    pushes = Pushes(rng)
    for i in range(LONGEST_STEPS):
        wanted, gas = world.expert()
        if i % KEEP_EVERY == 0:
            images.append(seen.image)
            steering.append(wanted)
            throttle.append(gas)
            brake.append(braking(seen.speed_mps, gas * world.vehicle.max_speed_mps))
        pushes.begin_step()
        own = learner(seen.image) if learner is not None and rng.random() < DAGGER_SHARE else wanted
        steered = own + pushes.steering()
        odometry = Odometry(seen.stamp_ns, np.array([seen.speed_mps, 0.0, 0.0]), seen.yaw_rate)
        seen = world.step(gate(seen.stamp_ns, Steering(steered, gas, (-1.0, 1.0), 1.0), odometry, None))
        if seen.done:
            break
    wheel, gas_pedal, brake_pedal = (np.array(column, np.float32) for column in (steering, throttle, brake))
    return Episode(seed, Drive(np.stack(images), wheel, gas_pedal, brake_pedal))


class Witness:
    """A driver that keeps what it is shown."""

    def __init__(self) -> None:
        self.images: list[NDArray[np.uint8]] = []
        self.speed: list[float] = []

    def reset(self) -> None:
        """See Driver.reset."""

    def __call__(self, image: NDArray[np.uint8], seen: Observation) -> Steering:
        """See Driver."""
        self.images.append(image)
        self.speed.append(seen.speed_mps)
        return Steering(0.0, 0.0, (-1.0, 1.0), 0.0)


def witnessed(world: World, routes: Sequence[str], seeds: range) -> Drive:
    """Frames of pushed drives of the expert as the evaluation drives them (evaluate/held_out.py), one a seed, the
    routes in turn: to calibrate on. Throttle and brake are zero."""
    images, steering, speed = [], [], []
    for i, seed in enumerate(seeds):
        if seed >= TRAINING_SEEDS:
            raise ValueError(f"seed {seed} belongs to evaluation")
        witness = Witness()
        pushed = Pushed(world, witness, seed)
        drive_in_loop(world, pushed, routes[i % len(routes)], seed)
        images += witness.images[::KEEP_EVERY]
        steering += pushed.wanted[::KEEP_EVERY]
        speed += witness.speed[::KEEP_EVERY]
    wanted = np.array(steering, np.float32)
    return Drive(np.stack(images), wanted, np.zeros_like(wanted), speed=np.array(speed, np.float32))


def braking(speed_mps: float, wanted_mps: float) -> float:
    """Brake 0..1: the share of the gate's strongest deceleration that brings the speed down to the wanted one within
    BRAKE_S; a little too fast is a matter of the throttle."""
    return float(np.clip((speed_mps - wanted_mps - SLACK_MPS) / (BRAKE_S * EMERGENCY_DECELERATION), 0.0, 1.0))


def collect(
    world: World,
    seeds: range,
    progress: Callable[[int, int], None] = lambda done, total: None,
    learner: Policy | None = None,
) -> list[Episode]:
    """One episode a seed."""
    episodes = []
    for i, seed in enumerate(seeds):
        episodes.append(record(world, seed, learner))
        progress(i + 1, len(seeds))
    return episodes


def balanced(drive: Drive, rng: np.random.Generator, straight: float = 0.05, keep: float = 0.5) -> Drive:
    """Drops frames with |steering| < `straight` to the share `keep`, so that bends are not drowned."""
    kept = (np.abs(drive.steering) >= straight) | (rng.random(len(drive)) < keep)
    return drive.at(np.flatnonzero(kept))
