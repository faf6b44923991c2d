"""The two orders in which published data sets write pitch, yaw and roll, and the rotations they stand for.

Both agree in sign (pitch + looks up, yaw + looks to the image's left, roll + clockwise) and for small angles; they
differ by up to the product of the angles: 10 degrees at yaw 40, pitch 15.

- ZYX, R = Rz(roll) Ry(yaw) Rx(-pitch): AGORA-HPE, CMU-HPE, DirectMHP, and headway's own messages and reports.
- XYZ, R = Rx(-pitch) Ry(yaw) Rz(roll): 300W-LP, AFLW2000 and networks that learned from them (FSA-Net). It follows
  from the morphable model's rotation matrix, and FSA-Net on the 18 real_heads faces bears it out: its roll is 1.4
  degrees off in this order and 3.0 in the other. The angles that are published for BIWI have it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headway.geometry import Array, euler_from_rotation, rotation_from_euler


@dataclass(frozen=True)
class EulerOrder:
    """One convention. to_rotation: (N,) pitch, yaw, roll in degrees -> (N, 3, 3); from_rotation: the way back."""

    name: str
    to_rotation: Callable[[Array, Array, Array], Array]
    from_rotation: Callable[[Array], tuple[Array, Array, Array]]

    def angles(self, rotation: Array) -> Array:
        """(N, 3, 3) -> (N, 3) pitch, yaw, roll in degrees."""
        return np.stack(self.from_rotation(np.asarray(rotation, float).reshape(-1, 3, 3)), axis=1)

    def rotation(self, angles: Array) -> Array:
        """(N, 3) pitch, yaw, roll in degrees -> (N, 3, 3)."""
        pitch, yaw, roll = np.asarray(angles, float).reshape(-1, 3).T
        return self.to_rotation(pitch, yaw, roll)


def _rotation_xyz(pitch: Array, yaw: Array, roll: Array) -> Array:
    # Rx Ry Rz is the transpose of Rz Ry Rx of the negated angles.
    return np.swapaxes(rotation_from_euler(-pitch, -yaw, -roll), -1, -2)


def _angles_xyz(rotation: Array) -> tuple[Array, Array, Array]:
    pitch, yaw, roll = euler_from_rotation(np.swapaxes(rotation, -1, -2))
    return -pitch, -yaw, -roll


ZYX = EulerOrder("zyx", rotation_from_euler, euler_from_rotation)
XYZ = EulerOrder("xyz", _rotation_xyz, _angles_xyz)


def angle_errors(guess: Array, truth: Array) -> Array:
    """(N, 3) absolute differences of angles in degrees, wrapped to 180."""
    return np.abs((np.asarray(guess, float) - np.asarray(truth, float) + 180.0) % 360.0 - 180.0)
