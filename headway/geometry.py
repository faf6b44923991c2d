"""Rotations, projection and frames. Pure numpy; scipy's Rotation is the oracle in the tests.

Head rotation R (head-to-camera, camera optical frame: x right, y down, z forward): the columns are the head's own axes.

        camera sees:      head axes at identity (the head faces the camera):
             z (away)       x: person's left  = image right
            /               y: person's down  = image down
           o---- x          z: person's back  = away from the camera
           |                so the gaze is  -R[:, 2]
           y

The network's labels are relative to the viewing *ray* (identity = facing the lens wherever in the image): see
`ray_basis`. Everything after decoding uses the camera axes.

Published Euler angles (300W-LP, AFLW2000, DirectMHP) exist only at the edges: R = Rz(roll) Ry(yaw) Rx(-pitch), so
that pitch + looks up, yaw + looks to the image's left, roll + turns clockwise in the image. Singular at yaw ±90°.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.arrays import every, some
from headway.types import Camera

Array = NDArray[np.floating]

OPTICAL_TO_BODY: Array = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation from a camera optical frame (x right, y down, z forward) to a body frame (x forward, y left, z up)."""


def rotation_from_6d(six: Array) -> Array:
    """Gram-Schmidt: (..., 6) two 3-vectors, the first two columns before orthogonalisation -> (..., 3, 3).

    Degenerate input (a zero or parallel pair) gives a rotation all the same, never NaN.
    """
    six = np.asarray(six, float)
    a, b = six[..., :3], six[..., 3:]
    x = _unit(a, _X)
    least = 1e-9 * np.maximum(1.0, _length(b))  # what is left of two parallel vectors is rounding, at their scale
    b = b - np.add.reduce(x * b, -1, keepdims=True) * x
    length = _length(b)
    if every(length > least):
        y = b / length
    else:
        spare = np.eye(3)[np.argmin(np.abs(x), axis=-1)]
        spare = _unit(spare - (x * spare).sum(-1, keepdims=True) * x, spare)
        y = np.where(length > least, b / np.maximum(length, least), spare)
    rotation = np.empty((*x.shape, 3))
    rotation[..., 0], rotation[..., 1], rotation[..., 2] = x, y, _cross(x, y)
    return rotation


def rotation_to_6d(rotation: Array) -> Array:
    """(..., 3, 3) -> (..., 6): the first two columns."""
    rotation = np.asarray(rotation, float)
    return np.concatenate([rotation[..., :, 0], rotation[..., :, 1]], axis=-1)


def _length(v: Array) -> Array:
    """(..., n) -> (..., 1); numpy's own norm costs three times as much on a handful of vectors."""
    return np.sqrt(np.add.reduce(v * v, -1, keepdims=True))


def _cross(a: Array, b: Array) -> Array:
    """(..., 3) x (..., 3): the very numbers of np.cross at a sixth of its cost on a handful of vectors."""
    return a[..., _NEXT] * b[..., _LAST] - a[..., _LAST] * b[..., _NEXT]


_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
_X: Array = np.array([1.0, 0.0, 0.0])


def _unit(v: Array, fallback: Array) -> Array:
    norm = _length(v)
    good = norm > 1e-9
    if every(good):
        return v / norm
    return np.where(good, v / np.where(good, norm, 1.0), fallback)


def quaternion_from_rotation(rotation: Array) -> Array:
    """(..., 3, 3) -> (..., 4) unit quaternion x, y, z, w (ROS order), w >= 0."""
    m = np.asarray(rotation, float)
    # Four times the outer product of the quaternion with itself: the row with the largest diagonal is best conditioned.
    rows = (m.reshape(-1, 9) @ _OUTER + _OUTER_ONES).reshape(-1, 4, 4)
    q = rows[np.arange(len(rows)), rows[:, _FOUR, _FOUR].argmax(axis=-1)]
    q = (q / _length(q)).reshape(*m.shape[:-2], 4)
    return np.where(q[..., 3:] < 0, -q, q)


_FOUR = np.arange(4)
_OUTER_ONES = np.eye(4).ravel()
_OUTER: Array = np.zeros((9, 16))
"""(9 rotation entries, 16 entries of 4 q qT less the identity); every column is a sum of entries with signs."""
for _row, _column, _entries in (
    (0, 0, "+00-11-22"),
    (1, 1, "-00+11-22"),
    (2, 2, "-00-11+22"),
    (3, 3, "+00+11+22"),
    (0, 1, "+01+10"),
    (0, 2, "+02+20"),
    (1, 2, "+12+21"),
    (0, 3, "+21-12"),
    (1, 3, "+02-20"),
    (2, 3, "+10-01"),
):
    for _sign, _i, _j in zip(_entries[::3], _entries[1::3], _entries[2::3], strict=True):
        _OUTER[3 * int(_i) + int(_j), [4 * _row + _column, 4 * _column + _row]] = float(f"{_sign}1")


def are_rotations(q: Array) -> NDArray[np.bool_]:
    """(..., 4) -> (...): True for a quaternion of about unit length; NaN, infinity and huge numbers are none."""
    length = np.linalg.norm(q.clip(-2.0, 2.0), axis=-1)  # what is clipped is too long as it stands
    found: NDArray[np.bool_] = (length > 0.5) & (length < 2.0)
    return found


def rotation_from_quaternion(quaternion: Array) -> Array:
    """(..., 4) x, y, z, w, any non-zero length -> (..., 3, 3)."""
    q = np.asarray(quaternion, float)
    q = q / _length(q)
    outer = (q[..., :, None] * q[..., None, :]).reshape(-1, 16)
    return (outer @ _FROM_OUTER + _NINE_ONES).reshape(*q.shape[:-1], 3, 3)


_NINE_ONES = np.eye(3).ravel()
_FROM_OUTER: Array = np.zeros((16, 9))
"""(16 entries of q qT, 9 rotation entries less the identity): each entry of R is twice a sum of two products of q."""
for _row, _column, _terms in (
    (0, 0, "-yy-zz"),
    (0, 1, "+xy-zw"),
    (0, 2, "+xz+yw"),
    (1, 0, "+xy+zw"),
    (1, 1, "-xx-zz"),
    (1, 2, "+yz-xw"),
    (2, 0, "+xz-yw"),
    (2, 1, "+yz+xw"),
    (2, 2, "-xx-yy"),
):
    for _sign, _first, _second in zip(_terms[::3], _terms[1::3], _terms[2::3], strict=True):
        _FROM_OUTER[4 * "xyzw".index(_first) + "xyzw".index(_second), 3 * _row + _column] = float(f"{_sign}2")


def slerp(q0: Array, q1: Array, t: float) -> Array:
    """Shortest-arc interpolation between two unit quaternions (4,), t in 0..1."""
    q0, q1 = np.asarray(q0, float), np.asarray(q1, float)
    dot = float(q0 @ q1)
    if dot < 0:
        q1, dot = -q1, -dot
    angle = np.arccos(min(dot, 1.0))
    if angle < 1e-6:
        q = q0 + t * (q1 - q0)
    else:
        q = (np.sin((1 - t) * angle) * q0 + np.sin(t * angle) * q1) / np.sin(angle)
    return q / np.linalg.norm(q)


def rotation_from_euler(pitch_deg: Array, yaw_deg: Array, roll_deg: Array) -> Array:
    """Published angles in degrees, each (...,) -> (..., 3, 3); see the module docstring for signs and order."""
    p, y, r = (np.radians(np.asarray(a, float)) for a in (pitch_deg, yaw_deg, roll_deg))
    return _about("z", r) @ _about("y", y) @ _about("x", -p)


def euler_from_rotation(rotation: Array) -> tuple[Array, Array, Array]:
    """(..., 3, 3) -> published pitch, yaw, roll in degrees: of the two solutions the one with |pitch| <= 90°.

    So yaw spans ±180°: the published data sets write a head seen from behind as |yaw| > 90°, not as a flipped pitch.
    """
    degrees = np.degrees(euler_radians(rotation))
    return degrees[..., 0], degrees[..., 1], degrees[..., 2]


def euler_radians(rotation: Array) -> Array:
    """The same as (..., 3) pitch, yaw, roll in radians."""
    m = np.asarray(rotation, float)
    cos_yaw = np.hypot(m[..., 0, 0], m[..., 1, 0])
    # The second solution of the same rotation has yaw' = 180° - yaw and pitch, roll turned by 180°.
    sign = np.where(m[..., 2, 2] < 0, -1.0, 1.0)
    found = np.empty(m.shape[:-1])
    found[..., 0] = -np.arctan2(sign * m[..., 2, 1], sign * m[..., 2, 2])
    found[..., 1] = np.arctan2(-m[..., 2, 0], sign * cos_yaw)
    found[..., 2] = np.arctan2(sign * m[..., 1, 0], sign * m[..., 0, 0])
    # At yaw ±90° pitch and roll turn about one axis: all of it is given to pitch.
    singular = cos_yaw < 1e-9
    if some(singular):
        found[..., 0] = np.where(singular, -np.arctan2(-m[..., 1, 2], m[..., 1, 1]), found[..., 0])
        found[..., 2] = np.where(singular, 0.0, found[..., 2])
    return found


def _about(axis: str, angle: Array) -> Array:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "x": [[i, o, o], [o, c, -s], [o, s, c]],
        "y": [[c, o, s], [o, i, o], [-s, o, c]],
        "z": [[c, -s, o], [s, c, o], [o, o, i]],
    }[axis]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def geodesic_deg(a: Array, b: Array) -> Array:
    """Angle in degrees between rotations (..., 3, 3) and (..., 3, 3), 0..180."""
    relative = np.swapaxes(np.asarray(a, float), -1, -2) @ np.asarray(b, float)
    sine = 0.5 * np.linalg.norm(
        np.stack(
            [
                relative[..., 2, 1] - relative[..., 1, 2],
                relative[..., 0, 2] - relative[..., 2, 0],
                relative[..., 1, 0] - relative[..., 0, 1],
            ],
            -1,
        ),
        axis=-1,
    )
    cosine = 0.5 * (np.trace(relative, axis1=-2, axis2=-1) - 1)
    return np.degrees(np.arctan2(sine, cosine))


def gaze(rotation: Array) -> Array:
    """(..., 3, 3) head-to-camera -> (..., 3) unit direction the head looks to, camera optical frame."""
    return -np.asarray(rotation, float)[..., :, 2]


def project(points: Array, camera: Camera) -> Array:
    """(..., 3) metres, camera optical frame -> (..., 2) pixels, without distortion. Points must have z > 0."""
    points = np.asarray(points, float)
    z = points[..., 2:]
    return points[..., :2] / z * [camera.fx, camera.fy] + [camera.cx, camera.cy]


def on_image_plane(pixels: Array, camera: Camera) -> Array:
    """(..., 2) pixels -> (..., 3) points at z = 1, camera optical frame; lens distortion is undone where given."""
    pixels = np.asarray(pixels, float)
    points = np.ones((*pixels.shape[:-1], 3))
    if camera.distortion:
        import cv2

        # OpenCV 4 calls the form that takes criteria by another name.
        undistort: Any = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
        flat, lens = pixels.reshape(-1, 1, 2), np.array(camera.distortion)
        points[..., :2] = undistort(flat, camera.matrix, lens, R=None, P=None, criteria=_UNDISTORTED).reshape(
            pixels.shape
        )
    else:
        points[..., 0] = (pixels[..., 0] - camera.cx) / camera.fx
        points[..., 1] = (pixels[..., 1] - camera.cy) / camera.fy
    return points


_UNDISTORTED = (3, 100, 1e-3)
"""Steps at most, and pixels from where to go on no further (3: whichever comes first). The five steps that OpenCV takes
unasked leave the rim of a wide lens off by up to 46 pixels."""


def viewing_ray(pixels: Array, camera: Camera) -> Array:
    """(..., 2) pixels -> (..., 3) unit viewing rays, camera optical frame; lens distortion is undone where given."""
    points = on_image_plane(pixels, camera)
    return points / _length(points)


def ray_basis(ray: Array) -> Array:
    """(..., 3) viewing ray, of any length -> (..., 3, 3) rotation whose z column lies along it, x horizontal in the
    image, y = z × x.

    R_camera = ray_basis(ray) @ R_ray turns a ray-relative head rotation into the camera axes.
    """
    z = np.asarray(ray, float)
    z = z / _length(z)
    across = np.zeros_like(z)  # (0, 1, 0) x z
    across[..., 0], across[..., 2] = z[..., 2], -z[..., 0]
    x = _unit(across, _X)
    basis = np.empty((*z.shape, 3))
    basis[..., 0], basis[..., 1], basis[..., 2] = x, _cross(z, x), z
    return basis


def to_semi_local(points: Array, orientation: Array) -> Array:
    """(..., 3) camera optical frame, metres -> semi-local frame: rotation only, the origin stays at the camera.

    `orientation` is (3, 3), camera optical frame -> world-aligned axes, at the image's stamp.
    """
    return np.asarray(points, float) @ np.asarray(orientation, float).T


def from_semi_local(points: Array, orientation: Array) -> Array:
    """Inverse of `to_semi_local`."""
    return np.asarray(points, float) @ np.asarray(orientation, float)
