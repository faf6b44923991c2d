"""What carries the camera: a small vehicle on the lane, or a walking person's head on the pavement.

A carrier gives, for any time, the camera's pose; speed, yaw rate and what an IMU would measure follow from it.
Camera body axes: x forward, y left, z up; the IMU sits at the camera and shares these axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from headway.models.render.road import KERB_HEIGHT, Road

Array = NDArray[Any]

GRAVITY = 9.80665
DT = 2e-3  # seconds, for derivatives of the pose
CURVATURE_AT_FULL_LOCK = 0.25  # 1/m: the scripted vehicle turns on a radius of 4 m at steering 1


@dataclass(frozen=True)
class Carrier:
    """position(t) (3,) and rotation(t) (3, 3) of the camera body in the world; base(t): x, y, heading of the carrier
    itself (vehicle or chest); steering(t) -1..1, + left."""

    position: Callable[[float], Array]
    rotation: Callable[[float], Array]
    base: Callable[[float], Array]
    steering: Callable[[float], float]

    def base_twist(self, t: float) -> Array:
        """(3,) forward and leftward speed in m/s, yaw rate in rad/s, in the carrier's own axes."""
        a, b = self.base(t - DT), self.base(t + DT)
        heading = self.base(t)[2]
        vx, vy, rate = (b - a) / (2 * DT)
        cos, sin = np.cos(heading), np.sin(heading)
        return np.array([cos * vx + sin * vy, cos * vy - sin * vx, rate])

    def inertial(self, t: float) -> tuple[Array, Array]:
        """Angular velocity (3,) rad/s and specific force (3,) m/s² (gravity included: +g on z when at rest)."""
        now, before, after = self.rotation(t), self.rotation(t - DT), self.rotation(t + DT)
        spin = Rotation.from_matrix(before.T @ after).as_rotvec() / (2 * DT)
        p = self.position
        acceleration = (p(t + 5 * DT) - 2 * p(t) + p(t - 5 * DT)) / (5 * DT) ** 2
        return spin, now.T @ (acceleration + np.array([0, 0, GRAVITY]))


def vehicle(road: Road, seconds: float) -> Carrier:
    """Camera 1.2 m high on a small vehicle at about 2 m/s, which brakes for the person who crosses at about 4.5 s."""

    def speed(t: Any) -> Array:
        return 2.0 - 1.75 * np.exp(-(((t - 5.0) / 1.4) ** 2))

    times = np.arange(-1.0, seconds + 1.0, 0.01)
    travelled = CubicSpline(times, speed(times)).antiderivative()

    def along(t: float) -> float:
        return float(travelled(t) - travelled(0.0))

    def base(t: float) -> Array:
        s = along(t)
        aside, slope = 0.06 * np.sin(0.35 * s), 0.021 * np.cos(0.35 * s)  # a driver is never quite in the middle
        turn = np.arctan2(slope, 1 - road.curvature(s) * aside)
        return np.append(road.point(s, aside), road.heading(s) + turn)

    def position(t: float) -> Array:
        x, y, heading = base(t)
        shake = 0.004 * np.sin(2 * np.pi * 1.7 * t) + 0.002 * np.sin(2 * np.pi * 3.1 * t + 1)
        return np.array([x + 0.25 * np.cos(heading), y + 0.25 * np.sin(heading), 1.2 + shake])

    def rotation(t: float) -> Array:
        roll, pitch = 0.5 * np.sin(2 * np.pi * 0.7 * t), 1.0 + 0.4 * np.sin(2 * np.pi * 1.1 * t)
        return Rotation.from_euler("ZYX", [np.degrees(base(t)[2]), -pitch, roll], degrees=True).as_matrix()

    def steering(t: float) -> float:
        forward, _, rate = Carrier(position, rotation, base, lambda t: 0.0).base_twist(t)
        return float(rate / forward / CURVATURE_AT_FULL_LOCK)

    return Carrier(position, rotation, base, steering)


def walker(road: Road, seconds: float) -> Carrier:
    """A head at 1.6 m, 1.3 m/s along the right pavement, bouncing with every step and looking about."""
    step_rate = 1.85  # steps a second

    def base(t: float) -> Array:
        s = 1.3 * t
        d = -3.1 + 0.15 * np.sin(0.5 * t)
        return np.append(road.point(s, d), road.heading(s) + 0.05 * np.cos(0.5 * t))

    def position(t: float) -> Array:
        x, y, heading = base(t)
        sway = 0.02 * np.sin(np.pi * step_rate * t)
        bounce = 0.022 * np.cos(2 * np.pi * step_rate * t)
        return np.array([x - sway * np.sin(heading), y + sway * np.cos(heading), KERB_HEIGHT + 1.6 + bounce])

    def rotation(t: float) -> Array:
        look = 9 + 15 * np.sin(2 * np.pi * t / 6.3) + 5 * np.sin(2 * np.pi * t / 2.9 + 1)
        pitch = -3 + 2.5 * np.sin(2 * np.pi * t / 4.1) + 0.7 * np.cos(2 * np.pi * step_rate * t + 0.6)
        roll = 0.9 * np.sin(np.pi * step_rate * t)
        yaw = np.degrees(base(t)[2]) + look
        return Rotation.from_euler("ZYX", [yaw, -pitch, roll], degrees=True).as_matrix()

    return Carrier(position, rotation, base, lambda t: 0.0)
