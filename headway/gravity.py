"""Is "up" where the camera's mounting says it is? Looked at when the orientation comes in first.

A wrong `camera_imu_rotation` turns everybody's path into another direction, and nothing later would notice: a camera
that is mounted as stated is about level on average over its first seconds. A mounting that is wrong about the vertical
only (a camera taken to look forward that looks aside) is not seen by gravity; no check here can find that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headway.geometry import rotation_from_quaternion

Array = NDArray[np.floating]

WINDOW_S = 2.0
FEWEST = 5
"""Views of a window before it says anything: one glance at the ground is no mounting."""
MOST_PITCH_DEG, MOST_ROLL_DEG = 50.0, 35.0
"""On average over the window. People look down at their feet, hardly ever lay their head on the shoulder that far."""
MOST_APART_DEG = 25.0
"""Between the accelerometer's up and the orientation's: walking shakes, its mean over a window does not."""
_GRAVITY_MPS2 = (6.0, 14.0)
"""A mean specific force outside this is no gravity: the accelerometer is not filled in, or not in these units."""


class GravityCheck:
    """Judges windows of WINDOW_S until one is good; then it is done. `fault`: what is wrong, "" while nothing is."""

    def __init__(self) -> None:
        self.fault = ""
        self._done = False
        self._start_ns: int | None = None
        self._up = _Mean()
        self._force = _Mean()

    def feel(self, quaternion: Array, force: Array) -> None:
        """One IMU message: orientation (4,) x y z w IMU -> world, specific force (3,) m/s² in the IMU's axes."""
        if not self._done and force.shape == (3,) and np.isfinite(force).all():
            self._force.add(rotation_from_quaternion(quaternion) @ force)

    def look(self, stamp_ns: int, orientation: Array) -> str:
        """One view: orientation (3, 3) camera optical frame -> world, z up. Returns `fault`."""
        if self._done:
            return self.fault
        if self._start_ns is None or stamp_ns < self._start_ns:
            self._begin(stamp_ns)
        assert self._start_ns is not None
        self._up.add(orientation[2])  # the world's up in the camera's axes
        if self._up.count >= FEWEST:
            self.fault = self._verdict()
            if (stamp_ns - self._start_ns) * 1e-9 >= WINDOW_S:
                self._done = not self.fault
                self._begin(stamp_ns)
        return self.fault

    def _begin(self, stamp_ns: int) -> None:
        self._start_ns, self._up, self._force = stamp_ns, _Mean(), _Mean()

    def _verdict(self) -> str:
        x, y, z = self._up.value
        # Optical axes: up is -y where the camera is level.
        pitch = np.degrees(np.arctan2(abs(z), np.hypot(x, y)))
        roll = np.degrees(abs(np.arctan2(x, -y)))
        if pitch > MOST_PITCH_DEG or roll > MOST_ROLL_DEG:
            how = f"pitched by {pitch:.0f}" if pitch > MOST_PITCH_DEG else f"rolled by {roll:.0f}"
            return f"gravity check: the camera would be {how} degrees on average: camera_imu_rotation is probably wrong"
        if self._force.count >= FEWEST:
            force = self._force.value
            size = float(np.linalg.norm(force))
            apart = np.degrees(np.arccos(np.clip(force[2] / max(size, 1e-9), -1, 1)))
            if _GRAVITY_MPS2[0] < size < _GRAVITY_MPS2[1] and apart > MOST_APART_DEG:
                return (
                    f"gravity check: the IMU's orientation and its accelerometer disagree by {apart:.0f} degrees on up"
                )
        return ""


class _Mean:
    """Of vectors (3,), in room that does not grow: IMU messages come for as long as no view asks."""

    def __init__(self) -> None:
        self.count, self._sum = 0, np.zeros(3)

    def add(self, vector: Array) -> None:
        """One more."""
        self.count, self._sum = self.count + 1, self._sum + vector

    @property
    def value(self) -> Array:
        """(3,); at least one must have been added."""
        return self._sum / self.count
