"""People who walk along a scripted track: where they are, how their limbs swing, where their heads turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from headway.models.render.road import KERB_HEIGHT, LEFT_KERB, RIGHT_KERB, Road

Array = NDArray[Any]

HIP_SWING_DEG = 23.0
LEG = 0.86  # metres, hip to heel of the average adult: sets the stride that fits HIP_SWING_DEG
STRIDE = 4 * LEG * float(np.sin(np.radians(HIP_SWING_DEG)))  # metres a full cycle, two steps
ARM_DOWN_DEG = 36.0  # from anny's A pose to hanging arms
LOOK_LIMIT_DEG = 68.0
FACING_DT = 0.3  # seconds over which the walking direction is taken
STANDING = 0.12  # m/s: slower is standing


@dataclass(frozen=True)
class Script:
    """One person's part. track: (seconds, s, d) way points; facing_deg: direction while standing, relative to the
    road (0 along it, 90 to the left); glances: (start, end) seconds in which they look into the camera."""

    track: Sequence[tuple[float, float, float]]
    facing_deg: float = 0.0
    glances: Sequence[tuple[float, float]] = ()
    age: float = 0.7


@dataclass
class Walker:
    """A script on a road, with everything that makes this person differ from the next, drawn from `rng`."""

    script: Script
    road: Road
    rng: np.random.Generator
    _s: Any = field(init=False)
    _d: Any = field(init=False)

    def __post_init__(self) -> None:
        way = np.array(self.script.track, float)
        if len(way) == 1:
            way = np.vstack([way, way + np.array([1000.0, 0, 0])])
        self._s, self._d = (PchipInterpolator(way[:, 0], way[:, k]) for k in (1, 2))
        self._span = (way[0, 0], way[-1, 0])
        rng = self.rng
        self._phase = rng.uniform(0, 2 * np.pi)
        self._yaw = (rng.uniform(8, 32), rng.uniform(3.5, 7.0), rng.uniform(0, 2 * np.pi))
        self._pitch = (rng.normal(4, 4), rng.uniform(1, 5), rng.uniform(4, 8), rng.uniform(0, 2 * np.pi))
        self._arms = rng.normal(0, 4, (2, 2))
        self._stoop = rng.normal(2, 2)

    def _along(self, curve: Any, t: float) -> float:
        """The curve, continued straight before its first and after its last way point."""
        inside = float(np.clip(t, *self._span))
        return float(curve(inside) + (t - inside) * curve.derivative()(inside))

    def ground(self, t: float) -> Array:
        """(3,) world position of the feet at t seconds."""
        s, d = self._along(self._s, t), self._along(self._d, t)
        raised = 0.5 * (np.tanh((RIGHT_KERB - d) / 0.12) + np.tanh((d - LEFT_KERB) / 0.12) + 2)
        return np.append(self.road.point(s, d), KERB_HEIGHT * raised)

    def velocity(self, t: float) -> Array:
        """(3,) m/s, world axes."""
        return (self.ground(t + FACING_DT / 2) - self.ground(t - FACING_DT / 2)) / FACING_DT

    def facing(self, t: float) -> float:
        """Direction of the body in radians, world; walking people face where they go."""
        v = self.velocity(t)[:2]
        standing = float(self.road.heading(self._along(self._s, t))) + np.radians(self.script.facing_deg)
        walking = np.arctan2(v[1], v[0])
        share = np.clip(np.hypot(*v) / STANDING - 1, 0, 1)
        return float(standing + share * ((walking - standing + np.pi) % (2 * np.pi) - np.pi))

    def _walked(self, t: float) -> float:
        """Metres walked since t = 0: the gait follows the way, so feet do not slide."""
        times = np.linspace(0, t, max(2, int(abs(t) * 10) + 2))
        way = np.array([self.ground(x)[:2] for x in times])
        return float(np.sign(t) * np.linalg.norm(np.diff(way, axis=0), axis=1).sum())

    def pose(self, t: float, bones: Sequence[str], camera: Array) -> Array:
        """(bones, 4, 4) deltas in body axes at t seconds; `camera` (3,) world is where a glance goes."""
        pose = np.tile(np.eye(4), (len(bones), 1, 1))

        def turn(bone: str, order: str, degrees: Any) -> None:
            matrix = Rotation.from_euler(order, degrees, degrees=True).as_matrix()
            pose[bones.index(bone), :3, :3] = matrix

        speed = float(np.hypot(*self.velocity(t)[:2]))
        gait = min(1.0, speed / 0.9)
        phase = 2 * np.pi * self._walked(t) / STRIDE + self._phase
        for k, (side, sign) in enumerate((("L", 1.0), ("R", -1.0))):
            angle = phase + (0 if side == "L" else np.pi)
            hip = -HIP_SWING_DEG * gait * np.cos(angle)
            knee = gait * (8 + 50 * max(0.0, -np.sin(angle + 0.35))) + 2
            turn(f"upperleg01.{side}", "xyz", [hip - 0.25 * knee, 0, 0])
            turn(f"lowerleg01.{side}", "x", knee)
            turn(f"foot.{side}", "x", -0.35 * knee * gait)
            swing = 20 * gait * np.cos(angle) + self._arms[k, 0]
            turn(f"upperarm01.{side}", "yx", [sign * (ARM_DOWN_DEG + self._arms[k, 1]), swing])
            turn(f"lowerarm01.{side}", "x", -10 - 12 * gait * (1 - np.cos(angle)))
        turn("spine01", "zx", [5 * gait * np.cos(phase), self._stoop])
        yaw, pitch = self._head(t, camera)
        for bone in ("neck02", "head"):  # each takes half of the turn
            turn(bone, "xz", [pitch / 2, yaw / 2])
        return pose

    def _head(self, t: float, camera: Array) -> tuple[float, float]:
        """Yaw (+ to the person's left) and pitch (+ down) of the head on the body in degrees."""
        size, period, shift = self._yaw
        yaw = size * np.sin(2 * np.pi * t / period + shift)
        mean, sway, slow, start = self._pitch
        pitch = mean + sway * np.sin(2 * np.pi * t / slow + start)
        to_camera = camera - self.ground(t) - [0, 0, 1.6]
        aim = np.degrees((np.arctan2(to_camera[1], to_camera[0]) - self.facing(t) + np.pi) % (2 * np.pi) - np.pi)
        down = np.degrees(np.arctan2(-to_camera[2], np.hypot(*to_camera[:2])))
        for begin, end in self.script.glances:
            share = _smooth((t - begin) / 0.5) * _smooth((end - t) / 0.5)
            yaw += share * (np.clip(aim, -LOOK_LIMIT_DEG, LOOK_LIMIT_DEG) - yaw)
            pitch += share * (np.clip(down, -30, 30) - pitch)
        return float(yaw), float(pitch)


def _smooth(x: float) -> float:
    x = float(np.clip(x, 0, 1))
    return x * x * (3 - 2 * x)


def body_to_world(facing: float) -> Array:
    """(3, 3) body axes (x left, y back, z up) -> world, for a body that faces `facing` radians."""
    return Rotation.from_euler("z", facing + np.pi / 2).as_matrix()
