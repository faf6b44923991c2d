"""Where the camera and the people of one image are: random intrinsics, elevation, ground, head sizes and turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from headway.models.render.bodies import BodyPool
from headway.types import Camera

Rng = np.random.Generator
Array = NDArray[np.floating]

HEAD_CENTRE = np.array([0.0, -0.035, 0.648, 1.0])
"""Centre of the head in rest coordinates, homogeneous."""
HEAD_HEIGHT = 0.235  # metres, chin to crown of the average body
UPRIGHT: Array = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""World (x right, y away, z up) -> camera optical frame, for a level camera."""
NEAREST = 0.3  # metres from the lens to a head's centre: nearer ones are left out
MODES = {"scattered": 0.45, "ground": 0.30, "closeup": 0.22, "empty": 0.03}


@dataclass(frozen=True)
class Placement:
    """One person: body-to-camera rotation (3, 3) and translation (3,) metres; size: head height in pixels, about."""

    body: int
    rotation: Array
    translation: Array
    size: float


@dataclass(frozen=True)
class Crowd:
    """A camera, its people nearest first (the depth test then saves work), and where the ground is: row of the horizon,
    camera height in metres."""

    camera: Camera
    people: list[Placement]
    horizon: float
    ground: float
    mode: str


def random_crowd(rng: Rng, pool: BodyPool, members: NDArray[np.int64], width: int, height: int) -> Crowd:
    """Everything geometric about one image. `members` are the pool's bodies that may appear."""
    mode = str(rng.choice(list(MODES), p=list(MODES.values())))
    field_of_view = rng.uniform(25, 60) if mode == "closeup" else rng.uniform(30, 85)
    focal = width / 2 / np.tan(np.radians(field_of_view) / 2)
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    if mode == "ground":
        elevation = rng.normal(0, 8) + rng.choice([0, 20], p=[0.8, 0.2])
    else:
        elevation = np.clip(rng.normal(0, 14), -45, 60) if rng.random() < 0.75 else rng.uniform(-35, 65)
    tilt = rng.normal(0, 5)
    to_camera = Rotation.from_euler("z", tilt, degrees=True).as_matrix()
    to_camera = to_camera @ Rotation.from_euler("x", elevation, degrees=True).as_matrix() @ UPRIGHT
    horizon = height / 2 - focal * np.tan(np.radians(np.clip(elevation, -75, 75)))
    ground = float(rng.uniform(0.9, 2.2) if rng.random() < 0.7 else rng.uniform(2.2, 5.0))
    if mode == "ground":
        spots = _standing_spots(rng, camera, to_camera, ground)
    else:
        spots = _scattered_spots(rng, camera, mode)
    people = []
    for spot, on_feet in spots:
        person = _place(rng, pool, members, camera, to_camera, spot, ground if on_feet else None)
        if person is not None:
            people.append(person)
    return Crowd(camera, people, horizon, ground, mode)


def _scattered_spots(rng: Rng, camera: Camera, mode: str) -> list[tuple[Array, bool]]:
    """Head centres in the camera frame, chosen by pixel and size, so that every size and place in the image occurs."""
    if mode == "empty":
        return []
    count = int(rng.choice([1, 2, 3, 4, 5, 6, 8], p=[0.14, 0.17, 0.19, 0.17, 0.13, 0.11, 0.09]))
    base = np.exp(rng.uniform(np.log(13), np.log(150 if count < 4 else 90)))
    chosen: list[tuple[float, float, float]] = []
    if mode == "closeup":  # one large head, up to more than the whole frame, and perhaps others behind
        size = np.exp(rng.uniform(np.log(110), np.log(430))) * camera.height / 384
        reach = 0.5 - 0.25 * min(1.0, size / camera.height)
        u, v = camera.width * (0.5 + rng.uniform(-reach, reach)), camera.height * (0.5 + rng.uniform(-reach, reach))
        chosen.append((u, v, size))
        count, base = int(rng.choice([1, 2, 3, 4], p=[0.55, 0.2, 0.15, 0.1])), base * 0.7
    base *= camera.height / 384
    while len(chosen) < count:
        for _ in range(15):
            size = float(np.clip(base * np.exp(rng.normal(0, 0.35)), 10, 0.6 * camera.height))
            u = rng.uniform(-0.02, 1.02) * camera.width
            v = rng.uniform(-0.02, 0.9 if rng.random() < 0.8 else 0.45) * camera.height
            gap = 0.62 if rng.random() < 0.85 else 0.36
            if all(np.hypot(u - a, v - b) > gap * (size + c) for a, b, c in chosen):
                chosen.append((u, v, size))
                break
        else:
            count -= 1
    spots = []
    for u, v, size in chosen:
        depth = camera.fy * HEAD_HEIGHT / size
        spots.append((np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0]) * depth, False))
    return sorted(spots, key=lambda s: s[0][2])


def _standing_spots(rng: Rng, camera: Camera, to_camera: Array, ground: float) -> list[tuple[Array, bool]]:
    """Points on the ground in view, as (3,) camera frame: people whose feet all stand on one plane."""
    spots: list[Array] = []
    nearest = rng.uniform(1.0, 6.0)
    for _ in range(int(rng.choice([3, 4, 6, 8, 11]))):
        depth = nearest * np.exp(rng.exponential(0.8))
        side = rng.uniform(-0.5, 0.5) * camera.width / camera.fx * depth
        at = np.array([side, depth, -ground])
        if all(np.hypot(*(at - other)[:2]) > 0.45 for other in spots):
            spots.append(at)
    return [(to_camera @ at, True) for at in sorted(spots, key=lambda s: s[1])]


def _place(
    rng: Rng,
    pool: BodyPool,
    members: NDArray[np.int64],
    camera: Camera,
    to_camera: Array,
    spot: Array,
    ground: float | None,
) -> Placement | None:
    """Puts a random body's head centre at `spot`, or its feet where `ground` is given; None where it is too near."""
    body = int(rng.choice(members))
    rotation = to_camera @ Rotation.from_euler("z", rng.uniform(-180, 180), degrees=True).as_matrix()
    head = pool.head_affine[body] @ HEAD_CENTRE
    if ground is None:
        translation = spot - rotation @ head
    else:
        feet = np.array([0.0, 0.0, pool.lowest[body]])
        translation = spot - rotation @ feet
    centre = rotation @ head + translation
    size = camera.fy * HEAD_HEIGHT / max(centre[2], 1e-6)
    if centre[2] < NEAREST * (1 if size < 0.6 * camera.height else 0.8) or size < 8:
        return None
    return Placement(body, rotation, translation, float(size))
