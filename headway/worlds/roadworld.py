"""`roadworld`: procedural roads, a bicycle model with steering lag, and an expert that looks ahead.

A car in the right lane of a two-lane road: LANE_WIDTH_M wide, wheelbase 2.7 m, up to 8 m/s. Seeds are routes, looks
and starts: training takes seeds below TRAINING_SEEDS, evaluation those above, so it drives on unseen roads.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from headway.stages.limits import GateConfig
from headway.types import DriveCommand
from headway.worlds import Observation
from headway.worlds.route import ROUTES, SPACING_M, Route, make_route
from headway.worlds.scenery import LANE_WIDTH_M, Scenery

TRAINING_SEEDS = 10_000
STEP_S = 0.1
SUBSTEPS = 5
STEERING_LAG_S = 0.2
SPEED_LAG_S = 0.4
CAMERA_AHEAD_M = 1.5  # of the rear axle, which is the reference point
LOST_M = 6.0  # further from the lane centre the run is beyond help
END_M = 3.0  # the route counts as finished this far before its end
LOOK_AHEAD_M, LOOK_AHEAD_S = 3.5, 0.55
CORNER_ACCELERATION = 2.2  # m/s² the expert allows sideways
BRAKING = 0.8  # m/s² the expert plans with before a bend
START_NS = 1_700_000_000_000_000_000
VEHICLE = GateConfig(
    max_speed_mps=8.0, unknown_speed_mps=3.0, caution_speed_mps=2.5, wheelbase_m=2.7, max_steering_deg=32.0
)


def turned(x: float, y: float, yaw: float) -> tuple[float, float]:
    """A vector as one sees it who is turned by `yaw`: ahead, left."""
    return math.cos(yaw) * x + math.sin(yaw) * y, math.cos(yaw) * y - math.sin(yaw) * x


def pursuit(ahead: float, left: float) -> float:
    """Steering -1..1 onto the arc through a point, metres from the rear axle."""
    curvature = 2.0 * left / max(ahead * ahead + left * left, 1.0)
    steering = math.atan(curvature * VEHICLE.wheelbase_m) / math.radians(VEHICLE.max_steering_deg)
    return min(max(steering, -1.0), 1.0)


def steering_beside(steering: float, speed_mps: float, aside_m: float, askew: float) -> float:
    """What the expert, who steers `steering`, would steer from `aside_m` further left and turned left by `askew` rad,
    at `speed_mps`. Exact where the lane's bend is even up to the point that it pursues."""
    far = LOOK_AHEAD_M + LOOK_AHEAD_S * speed_mps
    curvature = math.tan(steering * math.radians(VEHICLE.max_steering_deg)) / VEHICLE.wheelbase_m
    left = min(max(curvature * far * far / 2.0, -0.9 * far), 0.9 * far)
    ahead = math.sqrt(far * far - left * left)
    return pursuit(*turned(ahead, left - aside_m, askew))


class Roadworld:
    """See the module. `start` of `reset` puts the car beside and askew of the lane, for training of recoveries."""

    name = "roadworld"
    starts_beside = True
    routes: tuple[str, ...] = ROUTES
    step_s = STEP_S
    vehicle = VEHICLE

    def reset(self, route: str, seed: int, start: tuple[float, float] | None = None) -> Observation:
        """See World.reset. `start`: lateral offset m and heading error rad; None draws small ones from the seed."""
        rng = np.random.default_rng([seed, ROUTES.index(route) if route in ROUTES else 0])
        self.route: Route = make_route(route, rng)
        self._scenery = Scenery(self.route, rng)
        drawn = (float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.04, 0.04)))
        lateral, askew = drawn if start is None else start
        self._x, self._y, self._yaw = 0.0, lateral, askew
        self._speed, self._wheel = 3.0, 0.0
        self._index, self._steps, self._yaw_rate = 0, 0, 0.0
        return self._observe()

    def step(self, command: DriveCommand) -> Observation:
        """See World.step."""
        wanted = math.radians(self.vehicle.max_steering_deg) * command.steering
        dt = STEP_S / SUBSTEPS
        for _ in range(SUBSTEPS):
            self._wheel += (wanted - self._wheel) * (1.0 - math.exp(-dt / STEERING_LAG_S))
            self._speed += (command.speed_mps - self._speed) * (1.0 - math.exp(-dt / SPEED_LAG_S))
            self._yaw_rate = self._speed * math.tan(self._wheel) / self.vehicle.wheelbase_m
            middle = self._yaw + 0.5 * dt * self._yaw_rate
            self._x += self._speed * math.cos(middle) * dt
            self._y += self._speed * math.sin(middle) * dt
            self._yaw += self._yaw_rate * dt
        self._steps += 1
        return self._observe()

    def lane(self) -> NDArray[np.floating]:
        """See World.lane."""
        return self.route.points[: round((self.route.length - END_M) / SPACING_M) + 1]

    def expert(self) -> tuple[float, float]:
        """Pure pursuit of a point ahead on the lane centre; speed that the bends ahead allow."""
        route = self.route
        ahead = LOOK_AHEAD_M + LOOK_AHEAD_S * self._speed
        target = route.points[min(self._index + round(ahead / SPACING_M), len(route.points) - 1)]
        steering = pursuit(*turned(target[0] - self._x, target[1] - self._y, self._yaw))
        bends = np.abs(route.curvature[self._index : self._index + round(30.0 / SPACING_M)])
        allowed = np.sqrt(CORNER_ACCELERATION / np.maximum(bends, 1e-4))
        allowed = np.sqrt(allowed**2 + 2.0 * BRAKING * np.arange(len(bends)) * SPACING_M)
        speed = min(float(allowed.min()), self.vehicle.max_speed_mps)
        return steering, speed / self.vehicle.max_speed_mps

    def close(self) -> None:
        """Nothing to free."""

    def _observe(self) -> Observation:
        self._index, lateral = self.route.locate(self._x, self._y, self._index)
        finished = self._index * SPACING_M >= self.route.length - END_M
        camera = (
            self._x + CAMERA_AHEAD_M * math.cos(self._yaw),
            self._y + CAMERA_AHEAD_M * math.sin(self._yaw),
        )
        return Observation(
            image=self._scenery.view(*camera, self._yaw),
            stamp_ns=START_NS + int(self._steps * STEP_S * 1e9),
            pose=(self._x, self._y, self._yaw),
            speed_mps=self._speed,
            yaw_rate=self._yaw_rate,
            lateral_m=lateral,
            progress=min(self._index * SPACING_M / (self.route.length - END_M), 1.0),
            off_road=abs(lateral) > LANE_WIDTH_M / 2,
            done=finished or abs(lateral) > LOST_M,
        )
