"""Triangles of the street: carriageway, pavements, houses, trees, lamps, parked cars. What they look like is in
street.frag; a vertex is position (3), normal (3), colour (3), material, u, v."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.models.render.road import KERB_HEIGHT, LEFT_KERB, LEFT_WALL, RIGHT_KERB, RIGHT_WALL, Road

Rng = np.random.Generator
Array = NDArray[Any]

PLAIN, ASPHALT, PAVING, FACADE, LEAVES = (float(k) for k in range(5))  # as numbered in street.frag
WALLS: Array = np.array(
    [[0.72, 0.62, 0.5], [0.6, 0.35, 0.27], [0.78, 0.75, 0.7], [0.55, 0.55, 0.57], [0.74, 0.66, 0.42], [0.5, 0.42, 0.36]]
)
SEEN = (-12.0, 105.0)  # s between which anything is built
GREEN: Array = np.array([0.2, 0.33, 0.12])  # of leaves
MESH_LAYOUT, MESH_ATTRIBUTES = "3f 3f 4f 2f", ("position", "normal", "paint", "uv")


class Mesh:
    """Collects triangles; `array` is (3 N, 12) float32, one row a vertex."""

    def __init__(self) -> None:
        self._parts: list[Array] = []

    def grid(self, points: Array, colour: Any, material: float, uv: Array | None = None) -> None:
        """points (R, C, 3) of a surface, uv (R, C, 2); normals from the surface itself."""
        du, dv = np.gradient(points, axis=1), np.gradient(points, axis=0)
        normal = np.cross(du, dv)
        normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        shape = points.shape[:2]
        uv = np.zeros((*shape, 2)) if uv is None else uv
        paint = np.broadcast_to([*colour, material], (*shape, 4))
        vertex = np.concatenate([points, normal, paint, uv], axis=-1)
        a, b, c, d = vertex[:-1, :-1], vertex[:-1, 1:], vertex[1:, :-1], vertex[1:, 1:]
        self._parts.append(np.stack([a, b, c, b, d, c], axis=2).reshape(-1, 12))

    def tube(self, foot: Array, top: Array, radius: tuple[float, float], colour: Any) -> None:
        """A cone frustum between two points (3,)."""
        angle = np.linspace(0, 2 * np.pi, 13)
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(13)], axis=-1)
        self.grid(np.stack([foot + ring * radius[0], top + ring * radius[1]]), colour, PLAIN)

    def box(self, centre: Array, size: Array, heading: float, colour: Any) -> None:
        """Six faces; size is (length, width, height), turned by `heading` radians about z."""
        cos, sin = np.cos(heading), np.sin(heading)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
        for axis in range(3):
            for sign in (-1, 1):
                face = np.zeros((2, 2, 3))
                face[..., axis] = sign
                face[..., (axis + 1) % 3] = [[-1, 1], [-1, 1]]
                face[..., (axis + 2) % 3] = [[-1, -1], [1, 1]]
                self.grid(face * size / 2 @ turn.T + centre, colour, PLAIN)

    def blob(self, rng: Rng, centre: Array, radius: Array, colour: Any) -> None:
        """A lumpy ball of leaves."""
        u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 15), np.linspace(0, np.pi, 9))
        ball = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], axis=-1)
        lumps = rng.uniform(0.8, 1.2, (9, 15, 1))
        lumps[:, -1] = lumps[:, 0]
        self.grid(centre + ball * radius * lumps, colour, LEAVES)

    @property
    def array(self) -> NDArray[np.float32]:
        """All triangles."""
        return np.concatenate(self._parts).astype(np.float32)


def build_street(rng: Rng, road: Road, leaves: Array = GREEN) -> NDArray[np.float32]:
    """The whole street as triangles (3 N, 12); leaves (3,) RGB 0..1, of its trees."""
    mesh = Mesh()
    _ground(mesh, road)
    _houses(mesh, rng, road, RIGHT_WALL, -1)
    _houses(mesh, rng, road, LEFT_WALL, 1)
    _end(mesh, rng, road)
    for d, first in ((RIGHT_KERB - 0.35, 7.0), (LEFT_KERB + 0.35, 3.0)):
        for s in np.arange(first, SEEN[1], 13.0):
            _tree(mesh, rng, np.append(road.point(s + rng.uniform(-1.5, 1.5), d), KERB_HEIGHT), leaves)
            _lamp(mesh, np.append(road.point(s + 6.5, d), KERB_HEIGHT))
    for s in (-3.0, 27.0, 33.5, 51.0):
        _car(mesh, rng, road, s + rng.uniform(-1, 1), LEFT_KERB - 0.95)
    return mesh.array


def _strip(
    mesh: Mesh, road: Road, near: tuple[float, float], far: tuple[float, float], colour: Any, kind: float
) -> None:
    """Along the whole road between two (d, z) edges; u, v = s, d."""
    s = np.arange(SEEN[0], SEEN[1] + 0.1, 0.75)
    rows, uv = [], []
    for d, z in (near, far):
        rows.append(np.column_stack([road.point(s, d), np.full(len(s), z)]))
        uv.append(np.column_stack([s, np.full(len(s), d)]))
    mesh.grid(np.stack(rows), colour, kind, np.stack(uv))


def _ground(mesh: Mesh, road: Road) -> None:
    grey, stone = (0.33, 0.33, 0.35), (0.56, 0.54, 0.52)
    _strip(mesh, road, (RIGHT_KERB, 0), (LEFT_KERB, 0), grey, ASPHALT)
    for kerb, wall in ((RIGHT_KERB, RIGHT_WALL), (LEFT_KERB, LEFT_WALL)):
        _strip(mesh, road, (kerb, 0), (kerb, KERB_HEIGHT), (0.68, 0.67, 0.65), PLAIN)
        edge = kerb + np.sign(wall) * 0.14
        _strip(mesh, road, (kerb, KERB_HEIGHT), (edge, KERB_HEIGHT), (0.66, 0.65, 0.63), PLAIN)
        _strip(mesh, road, (edge, KERB_HEIGHT), (wall + np.sign(wall), KERB_HEIGHT), stone, PAVING)


def _houses(mesh: Mesh, rng: Rng, road: Road, d: float, side: int) -> None:
    s = SEEN[0]
    while s < SEEN[1]:
        length, height = rng.uniform(7, 15), rng.uniform(6.5, 14)
        wall = WALLS[rng.integers(len(WALLS))] * rng.uniform(0.8, 1.1)
        along = np.arange(s, s + length + 0.01, length / np.ceil(length / 2))
        setback = d + side * rng.uniform(0, 0.6)
        offset = rng.uniform(0, 100)  # so that every house has its own windows
        for back in (0.0, 5.0):  # the front, and the gable ends that show over lower neighbours
            line = road.point(along, setback + side * back)
            points = np.stack([np.column_stack([line, np.full(len(line), z)]) for z in (0.0, height)])
            uv = np.stack([np.column_stack([along - s + offset * 20, np.full(len(along), z)]) for z in (0.0, height)])
            mesh.grid(points, wall, FACADE if back == 0 else PLAIN, uv)
        for end in (along[0], along[-1]):
            line = road.point(np.array([end, end]), setback + side * np.array([0.0, 5.0]))
            mesh.grid(np.stack([np.column_stack([line, np.full(2, z)]) for z in (0.0, height)]), wall * 0.9, PLAIN)
        s += length + (rng.uniform(0.8, 2.5) if rng.random() < 0.25 else 0.0)


def _end(mesh: Mesh, rng: Rng, road: Road) -> None:
    """A row of houses across the far end, so that the street does not end in the sky."""
    for k, d in enumerate(np.arange(-40, 40, 10.0)):
        line = road.point(np.full(2, SEEN[1] - 1), np.array([d, d + 10.0]))
        height = rng.uniform(7, 15)
        uv = np.array([[[k * 400, z], [k * 400 + 10, z]] for z in (0.0, height)])
        points = np.stack([np.column_stack([line, np.full(2, z)]) for z in (0.0, height)])
        mesh.grid(points, WALLS[rng.integers(len(WALLS))], FACADE, uv)


def _tree(mesh: Mesh, rng: Rng, foot: Array, leaves: Array) -> None:
    height = rng.uniform(2.6, 3.6)
    mesh.tube(foot, foot + np.array([0, 0, height]), (0.13, 0.08), (0.27, 0.2, 0.14))
    colour = leaves * rng.uniform(0.7, 1.3) + rng.normal(0, 0.02, 3)
    for _ in range(4):
        at = foot + np.array([*rng.uniform(-0.6, 0.6, 2), height + rng.uniform(0.0, 1.3)])
        mesh.blob(rng, at, rng.uniform(0.8, 1.3, 3), np.clip(colour * rng.uniform(0.85, 1.15), 0, 1))


def _lamp(mesh: Mesh, foot: Array) -> None:
    mesh.tube(foot, foot + np.array([0, 0, 4.6]), (0.07, 0.045), (0.2, 0.22, 0.22))
    mesh.blob(np.random.default_rng(0), foot + np.array([0, 0, 4.7]), np.array([0.16, 0.16, 0.2]), (0.85, 0.83, 0.75))


def _car(mesh: Mesh, rng: Rng, road: Road, s: float, d: float) -> None:
    heading = float(road.heading(s))
    paint = [(0.55, 0.08, 0.08), (0.1, 0.16, 0.32), (0.75, 0.75, 0.76), (0.12, 0.12, 0.13), (0.16, 0.3, 0.22)]
    at = road.point(s, d)
    colour = paint[rng.integers(len(paint))]
    mesh.box(np.append(at, 0.55), np.array([4.2, 1.7, 0.62]), heading, colour)
    mesh.box(np.append(road.point(s - 0.2, d), 1.1), np.array([2.3, 1.5, 0.5]), heading, (0.1, 0.12, 0.14))
    mesh.box(np.append(road.point(s - 0.2, d), 1.38), np.array([2.1, 1.45, 0.07]), heading, colour)
    across = np.array([-np.sin(heading), np.cos(heading), 0.0])
    angle = np.linspace(0, 2 * np.pi, 15)
    for along in (-1.3, 1.3):
        for side in (-0.8, 0.8):
            hub = np.append(road.point(s + along, d + side), 0.31)
            ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
            ring = 0.31 * (np.cos(angle)[:, None] * ahead + np.sin(angle)[:, None] * np.array([0, 0, 1.0]))
            out = across * np.sign(side) * 0.08
            mesh.grid(np.stack([hub - out + ring, hub + out + ring]), (0.05, 0.05, 0.05), PLAIN)
            mesh.grid(
                np.stack([hub + out + ring, hub + out + ring * 0.5, hub + out + ring * 0.01]), (0.2, 0.2, 0.2), PLAIN
            )
