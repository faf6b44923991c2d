"""The street's centre line: a gently winding lane. Road coordinates (s, d): metres along, metres to the left of it.

World axes: x forward at s = 0, y left, z up; the lane that is driven in has d = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Array = NDArray[Any]

RIGHT_KERB, LEFT_KERB = -1.7, 4.9  # d of the two kerbs, metres
MIDDLE_LINE = 1.6
RIGHT_WALL, LEFT_WALL = -5.2, 8.4  # d of the house fronts
KERB_HEIGHT = 0.12
BEGIN, END, STEP = -30.0, 130.0, 0.25


@dataclass(frozen=True)
class Road:
    """curvature(s) = bend * sin(2 pi (s - shift) / length), 1/m, + to the left."""

    bend: float = 0.035
    length: float = 44.0
    shift: float = 0.0
    _line: CubicSpline = field(init=False, repr=False)

    def __post_init__(self) -> None:
        s = np.arange(BEGIN, END, STEP)
        heading = self.heading(s)
        direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        xy = np.cumsum((direction[1:] + direction[:-1]) / 2 * STEP, axis=0)
        xy = np.concatenate([np.zeros((1, 2)), xy])
        # A spline, because accelerations are read off the path: a polyline would rattle.
        line = CubicSpline(s, xy - xy[round(-BEGIN / STEP)])
        object.__setattr__(self, "_line", line)

    def curvature(self, s: Any) -> Array:
        """1/m at s."""
        return self.bend * np.sin(2 * np.pi * (np.asarray(s, float) - self.shift) / self.length)

    def heading(self, s: Any) -> Array:
        """Direction of the lane at s in radians, 0 = +x, + to the left: the integral of the curvature from 0."""
        turn = 2 * np.pi / self.length
        return self.bend / turn * (np.cos(turn * self.shift) - np.cos(turn * (np.asarray(s, float) - self.shift)))

    def point(self, s: Any, d: Any) -> Array:
        """(..., 2) world x, y of road coordinates."""
        heading = self.heading(s)
        return self._line(s) + np.stack([-np.sin(heading) * d, np.cos(heading) * d], axis=-1)
