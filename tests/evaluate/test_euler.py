"""The two orders of Euler angles in published data sets."""

import numpy as np
from scipy.spatial.transform import Rotation

from headway.evaluate.euler import XYZ, ZYX, angle_errors
from headway.geometry import geodesic_deg


def test_both_orders_are_scipys_and_come_back() -> None:
    angles = np.random.default_rng(0).uniform([-85, -175, -85], [85, 175, 85], (300, 3))
    pitch, yaw, roll = angles.T
    zyx = Rotation.from_euler("ZYX", np.c_[roll, yaw, -pitch], degrees=True).as_matrix()
    xyz = Rotation.from_euler("XYZ", np.c_[-pitch, yaw, roll], degrees=True).as_matrix()
    np.testing.assert_allclose(ZYX.rotation(angles), zyx, atol=1e-12)
    np.testing.assert_allclose(XYZ.rotation(angles), xyz, atol=1e-12)
    assert angle_errors(ZYX.angles(zyx), angles).max() < 1e-6
    assert angle_errors(XYZ.angles(xyz), angles).max() < 1e-6


def test_the_orders_agree_in_sign_and_differ_where_two_angles_are_large() -> None:
    small = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(XYZ.rotation(small), ZYX.rotation(small), atol=1e-12)
    large = np.array([[30.0, 60.0, 0.0]])
    assert geodesic_deg(XYZ.rotation(large), ZYX.rotation(large))[0] > 20
