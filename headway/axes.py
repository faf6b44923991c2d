"""Semi-local axes from the sensors there are: the IMU's orientation first, the odometry's where the IMU is silent.

Both know "up", each has a "north" of its own. So that tracks do not jump where one takes over from the other, the one
that came second is turned about the vertical until both agree on the moments that both know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.geometry import rotation_from_quaternion
from headway.history import History
from headway.orientation import OrientationBuffer
from headway.types import Odometry

Array = NDArray[np.floating]

IMU, ODOMETRY, NOTHING = "imu", "odometry", ""
ODOMETRY_KEPT = 256
"""Messages: more than a second of a fast base, five of one at 50 Hz. A frame that waited longer gets the oldest."""


@dataclass(frozen=True)
class Motion:
    """One odometry message. quaternion (4,) x y z w base -> odometry's world; velocity (3,) m/s in the base's axes."""

    stamp_ns: int
    quaternion: Array
    velocity: Array
    yaw_rate: float


class Axes:
    """Orientation of the camera and velocity of its carrier, both in the same world-aligned axes.

    camera_imu, camera_base: (3, 3) camera optical frame -> IMU's and odometry's child frame; None where unknown.
    Without `camera_base` the odometry gives no orientation, and its world is taken to be the IMU's.
    """

    def __init__(
        self, camera_imu: Array | None, camera_base: Array | None, imu_gap_s: float, base_gap_s: float
    ) -> None:
        self._imu = OrientationBuffer(camera_imu, imu_gap_s)
        self._base = OrientationBuffer(camera_base, base_gap_s)
        self._camera_base = camera_base
        self._turn: dict[str, Array] = {}  # source -> rotation about the vertical, its world -> semi-local axes
        self._motions: History[Motion] = History(ODOMETRY_KEPT)

    def push_imu(self, stamp_ns: int, quaternion: Array) -> None:
        """An IMU orientation (4,) x y z w, IMU -> world."""
        self._imu.push(stamp_ns, quaternion)

    def push_odometry(self, motion: Motion) -> None:
        """An odometry message."""
        self._motions.push(motion.stamp_ns, motion)
        self._base.push(motion.stamp_ns, motion.quaternion)

    def at(self, stamp_ns: int) -> tuple[Array | None, str]:
        """(3, 3) camera optical frame -> semi-local axes at `stamp_ns`, or None, and which sensor said so."""
        imu, base = self._imu.at(stamp_ns), self._base.at(stamp_ns)
        if imu is None and base is None:
            return None, NOTHING
        if imu is not None and base is not None:
            if IMU not in self._turn and ODOMETRY in self._turn:
                self._turn[IMU] = about_vertical(self._turn[ODOMETRY] @ base @ imu.T)
            # Odometry drifts: the agreement is kept up to date for the moment when the IMU falls silent.
            self._turn[ODOMETRY] = about_vertical(self._turn.setdefault(IMU, np.eye(3)) @ imu @ base.T)
        if imu is not None:
            return self._turn.setdefault(IMU, np.eye(3)) @ imu, IMU
        assert base is not None
        return self._turn.setdefault(ODOMETRY, np.eye(3)) @ base, ODOMETRY

    def odometry(self, stamp_ns: int) -> Odometry | None:
        """The odometry that held at `stamp_ns`, with its velocity in semi-local axes.

        It is the newest that is not later, whatever has come since: a frame that waited, or one that is replayed, gets
        the same. Where the orientation at its own stamp is not known, the one at `stamp_ns` is taken.
        """
        motion = self._motions.until(stamp_ns)
        if motion is None:
            return None
        velocity = rotation_from_quaternion(motion.quaternion) @ motion.velocity
        if self._camera_base is not None:
            orientation = self.at(motion.stamp_ns)[0]
            orientation = self.at(stamp_ns)[0] if orientation is None else orientation
            if orientation is not None:
                velocity = orientation @ self._camera_base.T @ motion.velocity
        return Odometry(motion.stamp_ns, velocity, motion.yaw_rate)


def about_vertical(rotation: Array) -> Array:
    """(3, 3) -> the rotation about z that is nearest to it."""
    angle = np.arctan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
