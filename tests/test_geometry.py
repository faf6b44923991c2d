import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation, Slerp

from headway import geometry as g
from headway.types import Camera

seeds = st.integers(0, 2**32 - 1)
angles = st.floats(-179.0, 179.0)


def random_rotations(seed: int, n: int = 16) -> np.ndarray:
    return Rotation.random(n, random_state=seed).as_matrix()


@given(seeds)
def test_quaternions_agree_with_scipy(seed):
    rotations = random_rotations(seed)
    ours, theirs = g.quaternion_from_rotation(rotations), Rotation.from_matrix(rotations).as_quat()
    theirs = np.where(theirs[:, 3:] < 0, -theirs, theirs)
    np.testing.assert_allclose(np.abs((ours * theirs).sum(-1)), 1.0, atol=1e-12)
    np.testing.assert_allclose(g.rotation_from_quaternion(3.0 * ours), rotations, atol=1e-12)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, -1, 1)])
def test_half_turns_survive_the_quaternion(axis):
    rotation = Rotation.from_rotvec(np.pi * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    back = g.rotation_from_quaternion(g.quaternion_from_rotation(rotation))
    np.testing.assert_allclose(back, rotation, atol=1e-12)


@given(seeds)
def test_six_numbers_round_trip(seed):
    rotations = random_rotations(seed)
    np.testing.assert_allclose(g.rotation_from_6d(g.rotation_to_6d(rotations)), rotations, atol=1e-12)


NEARLY_PARALLEL = np.array([[2.0**-24, 419.0, 419.0, 0.0, 419.0, 419.0]] * 5)
"""Found by the nightly run: what the projection leaves is hardly more than rounding, and was taken for a direction."""


@given(arrays(float, (5, 6), elements=st.floats(-1e3, 1e3)))
@example(NEARLY_PARALLEL)
def test_any_six_numbers_give_a_rotation(six):
    rotations = g.rotation_from_6d(six)
    identity = rotations @ np.swapaxes(rotations, -1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-6)


@given(st.floats(-89.0, 89.0), angles, angles)
def test_published_angles_agree_with_scipy_and_come_back(pitch, yaw, roll):
    rotation = g.rotation_from_euler(pitch, yaw, roll)
    oracle = Rotation.from_euler("ZYX", [roll, yaw, -pitch], degrees=True).as_matrix()
    np.testing.assert_allclose(rotation, oracle, atol=1e-12)
    again = g.rotation_from_euler(*g.euler_from_rotation(rotation))
    assert g.geodesic_deg(rotation, again) < 1e-5
    if abs(abs(yaw) - 90.0) > 1e-3:
        np.testing.assert_allclose(g.euler_from_rotation(rotation), (pitch, yaw, roll), atol=1e-5)


@pytest.mark.parametrize("yaw", [90.0, -90.0])
def test_profile_views_keep_their_rotation_though_the_angles_are_singular(yaw):
    rotation = g.rotation_from_euler(20.0, yaw, 10.0)
    assert g.geodesic_deg(rotation, g.rotation_from_euler(*g.euler_from_rotation(rotation))) < 1e-5


def test_published_signs_look_up_left_and_tilt_clockwise():
    assert g.gaze(g.rotation_from_euler(30.0, 0.0, 0.0))[1] < 0, "pitch + looks up: y points down"
    assert g.gaze(g.rotation_from_euler(0.0, 30.0, 0.0))[0] < 0, "yaw + looks to the image's left"
    assert g.rotation_from_euler(0.0, 0.0, 30.0)[1, 0] > 0, "roll + turns x towards y: clockwise on the screen"
    np.testing.assert_allclose(g.gaze(np.eye(3)), [0, 0, -1])


def test_published_signs_match_a_published_network(shared_data):
    import json

    faces = json.loads((shared_data("real_heads") / "labels.json").read_text())
    ours = np.array([g.euler_from_rotation(np.array(face["R_ray"])) for face in faces])
    yaw, pitch, roll = np.array([face["fsanet_yaw_pitch_roll_raw"] for face in faces]).T
    for mine, theirs in zip(ours.T, (pitch, yaw, roll), strict=True):
        assert np.corrcoef(mine, theirs)[0, 1] > 0.7


@given(seeds, seeds)
def test_geodesic_error_agrees_with_scipy(a, b):
    first, second = random_rotations(a), random_rotations(b)
    oracle = np.degrees((Rotation.from_matrix(first).inv() * Rotation.from_matrix(second)).magnitude())
    np.testing.assert_allclose(g.geodesic_deg(first, second), oracle, atol=1e-6)


@given(seeds, st.floats(0.0, 1.0))
def test_slerp_agrees_with_scipy(seed, t):
    pair = Rotation.random(2, random_state=seed)
    q0, q1 = pair.as_quat()
    ours = g.rotation_from_quaternion(g.slerp(q0, -q1, t))
    assert g.geodesic_deg(ours, Slerp([0, 1], pair)(t).as_matrix()) < 1e-4


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.2, 50))
def test_projection_and_viewing_ray_are_inverse(x, y, z):
    camera = Camera(640, 480, 500.0, 510.0, 320.0, 240.0)
    point = np.array([x, y, z])
    ray = g.viewing_ray(g.project(point, camera), camera)
    np.testing.assert_allclose(ray * np.linalg.norm(point), point, atol=1e-6)


def test_viewing_ray_undoes_lens_distortion():
    import cv2

    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, (-0.2, 0.05, 0.001, -0.001, 0.0))
    point = np.array([0.4, -0.3, 2.0])
    pixel, _ = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    ray = g.viewing_ray(pixel.reshape(2), camera)
    np.testing.assert_allclose(ray, point / np.linalg.norm(point), atol=1e-5)


@pytest.mark.parametrize(
    ("distortion", "reach_deg"),
    [
        ((-0.28, 0.09, 0.0, 0.0), 56),
        ((-0.3, 0.1, 0.0, 0.0, -0.015), 59),
        ((0.5, -0.2, 1e-4, 1e-4, 0.01, 0.9, -0.1, 0.02), 49),
        ((0.1, -0.05, 1e-3, 1e-3, 0.01, 0.2, -0.03, 0.01, 1e-3, 0.0, 1e-3, 0.0, 0.01, -0.01), 57),
    ],
)
def test_distortion_is_undone_up_to_the_rim_of_a_wide_lens(distortion, reach_deg):
    import cv2

    camera = Camera(1280, 720, 640.0, 640.0, 640.0, 360.0, distortion)
    turn, reach = np.meshgrid(np.linspace(0, 2 * np.pi, 24), np.tan(np.radians(np.linspace(1, reach_deg, 20))))
    points = np.stack([reach * np.cos(turn), reach * np.sin(turn), np.ones_like(turn)], -1).reshape(-1, 3)
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(distortion))
    np.testing.assert_allclose(g.on_image_plane(pixels[:, 0], camera), points, atol=1e-3)


@given(arrays(float, (4, 3), elements=st.floats(-3, 3)))
def test_ray_basis_is_a_rotation_along_the_ray(rays):
    rays = rays + np.array([0.0, 0.0, 4.0])
    basis = g.ray_basis(rays)
    np.testing.assert_allclose(np.linalg.det(basis), 1.0, atol=1e-9)
    np.testing.assert_allclose(basis[..., 2], rays / np.linalg.norm(rays, axis=-1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(basis[..., 1, 0], 0.0, atol=1e-12)


@given(seeds)
def test_semi_local_frame_round_trips_and_keeps_the_origin(seed):
    orientation = random_rotations(seed, 1)[0]
    points = np.random.default_rng(seed).normal(size=(7, 3))
    there = g.to_semi_local(points, orientation)
    np.testing.assert_allclose(np.linalg.norm(there, axis=1), np.linalg.norm(points, axis=1))
    np.testing.assert_allclose(g.from_semi_local(there, orientation), points, atol=1e-12)


def test_a_level_camera_maps_forward_left_and_up():
    optical = np.array([[0, 0, 1.0], [-1.0, 0, 0], [0, -1.0, 0]])
    np.testing.assert_allclose(g.to_semi_local(optical, g.OPTICAL_TO_BODY), np.eye(3))
