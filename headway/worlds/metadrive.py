"""`metadrive`: the MetaDrive simulator as a world: its physics, roads, lane coordinates and IDM policy; no traffic.

It lives in an environment of its own (tools/metadrive_env.sh). Signs, found by driving it: its steering is + to the
left like headway's, but its y axis, its heading and its lateral coordinate are + to the right, so these are negated.
The pose is that of the chassis' origin, between the axles, not of the rear axle.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.stages.limits import GateConfig
from headway.types import DriveCommand
from headway.worlds import Observation
from headway.worlds.metadrive_engine import SPAWN_M, build, image_of, open_simulator

# MetaDrive's letters: S straight of 40..80 m, C arc (radius 25..60 m, 45..135 degrees) and a straight of 40..80 m; 30 m
# of straight lead to the first. Lengths of the three overlap, from 110 to 350 m.
BLOCKS = {"straight": "SSS", "one-turn": "SC", "two-turn": "CC"}
STEP_S = 0.1  # five of MetaDrive's physics steps
PHYSICS_STEP_S = 0.02
SPACING_M = 0.25
END_M = 5.0  # the route counts as finished this far before its end
LOST_M = 6.0  # further from the lane centre the run is beyond help
SPEED_LAG_S = 0.4  # how soon the pedals want the commanded speed
WHEELS = 4  # all are driven and braked
START_NS = 1_700_000_000_000_000_000
# MetaDrive's default car: axles 1.052 m before and 1.417 m behind the origin, wheels turn 40 degrees.
VEHICLE = GateConfig(
    max_speed_mps=8.0, unknown_speed_mps=3.0, caution_speed_mps=2.5, wheelbase_m=2.469, max_steering_deg=40.0
)


class Metadrive:
    """See the module. One at a time in a process."""

    name = "metadrive"
    routes = tuple(BLOCKS)
    step_s = STEP_S
    vehicle = VEHICLE

    def __init__(self) -> None:
        self._simulator: Any = open_simulator()
        self._steps = 0

    def reset(self, route: str, seed: int) -> Observation:
        """See World.reset, but only the path repeats to the bit, for the same commands; the images do not.

        Of two runs of one seed a fifth of the pixels differ, by 0.3 of 255 in the mean, single ones at edges by 160.
        So a driver that looks at them may drive a slightly different path the second time.
        """
        if route not in BLOCKS:
            raise UsageError(f"route '{route}' is none of {', '.join(BLOCKS)}")
        from metadrive.policy.idm_policy import IDMPolicy

        image = build(self._simulator, BLOCKS[route], seed)
        self._car = self._simulator.vehicle
        self._follow_lane()
        self._policy = IDMPolicy(self._car, seed)
        self._index, self._steps = 0, 0
        return self._observe(image)

    def step(self, command: DriveCommand) -> Observation:
        """See World.step."""
        self._simulator.step([command.steering, self._pedals(command.speed_mps)])
        self._steps += 1
        return self._observe(image_of(self._simulator))

    def lane(self) -> NDArray[np.floating]:
        """See World.lane."""
        return self._points[: self._last + 1]

    def expert(self) -> tuple[float, float]:
        """The IDM policy's steering along the route's lane. Without traffic its speed is always the one it was given.

        The policy's own choice of lane is not asked: it takes whatever lane the car has strayed to.
        """
        return self._wanted, 1.0

    def close(self) -> None:
        """Ends the simulator."""
        self._simulator.close()

    def _follow_lane(self) -> None:
        """Samples the lane that the car starts in, through all roads of the route, and keeps each point's lane."""
        navigation = self._car.navigation
        graph, nodes = navigation.map.road_network.graph, navigation.checkpoints
        self._lanes, points = [], []
        number, start = self._car.lane.index[-1], SPAWN_M
        for road in pairwise(nodes):
            lane = graph[road[0]][road[1]][number]
            along = np.arange(start, lane.length, SPACING_M)
            points += [lane.position(s, 0.0) for s in along]
            self._lanes += [lane] * len(along)
            start = SPACING_M - (lane.length - along[-1])
        self._points = np.array(points, float) * (1.0, -1.0)
        self._last = len(points) - 1 - round(END_M / SPACING_M)

    def _pedals(self, wanted_mps: float) -> float:
        """MetaDrive's pedal -1 brake..1 throttle that brings the speed there with SPEED_LAG_S."""
        config = self._car.config
        force = (wanted_mps - self._car.speed) / SPEED_LAG_S * self._car.body.getMass() / WHEELS
        # The throttle is a share of a wheel's force, N; the brake one of its impulse in a physics step, N s.
        share = (
            force / config["max_engine_force"] if force > 0.0 else force * PHYSICS_STEP_S / config["max_brake_force"]
        )
        return float(np.clip(share, -1.0, 1.0))

    def _observe(self, image: NDArray[np.uint8]) -> Observation:
        car = self._car
        position = np.array([car.position[0], -car.position[1]])
        first = max(self._index - 40, 0)
        near = self._points[first : self._index + 41]  # the route may come near itself elsewhere
        self._index = first + int(np.argmin(((near - position) ** 2).sum(1)))
        lane = self._lanes[self._index]
        lateral = -float(lane.local_coordinates(car.position)[1])
        # Its regulators have a memory, so they are asked once a step.
        self._wanted = float(np.clip(self._policy.steering_control(lane), -1.0, 1.0))
        return Observation(
            image=image,
            stamp_ns=START_NS + round(self._steps * STEP_S * 1e9),
            pose=(float(position[0]), float(position[1]), -float(car.heading_theta)),
            speed_mps=float(car.speed),
            yaw_rate=float(car.body.getAngularVelocity()[2]),  # panda3d's own axes: z up, + left
            lateral_m=lateral,
            progress=min(self._index / self._last, 1.0),
            off_road=abs(lateral) > lane.width / 2,
            done=self._index >= self._last or abs(lateral) > LOST_M,
        )
