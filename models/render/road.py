"""The street's centre line: a gently winding lane. Road coordinates (s, d): metres along, metres to the left of it.

World axes: x forward at s = 0, y left, z up; the lane that is driven in has d = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RIGHT_KERB, LEFT_KERB = -1.7, 4.9  # d of the two kerbs, metres
MIDDLE_LINE = 1.6
RIGHT_WALL, LEFT_WALL = -5.2, 8.4  # d of the house fronts
KERB_HEIGHT = 0.12
BEGIN, END, STEP = -30.0, 130.0, 0.05


@dataclass(frozen=True)
class Road:
    """curvature(s) = bend * sin(2 pi (s - shift) / length), 1/m, + to the left."""

    bend: float = 0.035
    length: float = 44.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        s = np.arange(BEGIN, END, STEP)
        heading = np.cumsum(self.curvature(s)) * STEP
        xy = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) * STEP
        start = round(-BEGIN / STEP)
        turn = heading[start]
        cos, sin = np.cos(turn), np.sin(turn)
        xy = (xy - xy[start]) @ np.array([[cos, -sin], [sin, cos]])
        object.__setattr__(self, "_table", (s, heading - turn, xy))

    def curvature(self, s: Any) -> Array:
        """1/m at s."""
        return self.bend * np.sin(2 * np.pi * (np.asarray(s, float) - self.shift) / self.length)

    def heading(self, s: Any) -> Array:
        """Direction of the lane at s in radians, 0 = +x, + to the left."""
        table = getattr(self, "_table")  # noqa: B009  set in __post_init__ of a frozen class
        return np.interp(s, table[0], table[1])

    def point(self, s: Any, d: Any) -> Array:
        """(..., 2) world x, y of road coordinates."""
        table_s, _, xy = getattr(self, "_table")  # noqa: B009
        heading = self.heading(s)
        x, y = np.interp(s, table_s, xy[:, 0]), np.interp(s, table_s, xy[:, 1])
        return np.stack([x - np.sin(heading) * d, y + np.cos(heading) * d], axis=-1)
