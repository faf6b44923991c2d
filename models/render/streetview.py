"""A street with nobody in it, to put behind the people of a picture: houses, trees, lamps, parked cars, a sky.

The camera is the picture's own: its lens, its height above the ground, its horizon. Light is that of the people. Trees
have every colour of leaves, in sun and in shade: their crowns are what a network of heads must not take for hair.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from headway.models.render.canvas import Canvas, Mesh, lens_uniforms
from headway.models.render.crowd import UPRIGHT, Crowd
from headway.models.render.road import LEFT_KERB, LEFT_WALL, MIDDLE_LINE, RIGHT_KERB, RIGHT_WALL, Road
from headway.models.render.street import MESH_ATTRIBUTES, MESH_LAYOUT, build_street

Rng = np.random.Generator
Array = NDArray[Any]

PICTURES_EACH = 10
"""Of one street; building it takes as long as drawing two."""
STREET, VIEW = 1, 2  # last words of the seeds: streets and views share no random numbers with people
FROM_WALL_M = 0.7
LEAVES_HUE, LEAVES_SATURATION, LEAVES_VALUE = (10, 72), (30, 200), (30, 190)  # of OpenCV's HSV: brown to dark green
CLEAR, GREY = np.array([0.25, 0.47, 0.8]), np.array([0.62, 0.64, 0.68])  # of the sky overhead


class StreetView:
    """Draws streets on the canvas of a photographer, the same for the same split, seed and picture."""

    def __init__(self, canvas: Canvas, split_code: int, seed: int) -> None:
        self._canvas, self._seed = canvas, (split_code, seed)
        self._built: tuple[int, Road, Mesh] | None = None
        corners = np.array([[-1, -1], [3, -1], [-1, 3]], np.float32)
        self._sky = canvas.mesh("sky", corners, "2f", ("corner",))

    def draw(self, index: int, crowd: Crowd, light: dict[str, Any]) -> NDArray[np.float32]:
        """(H, W, 3) float32 RGB 0..255, behind picture `index`; clears what the canvas holds."""
        road, street = self._street(index // PICTURES_EACH)
        rng = np.random.default_rng([*self._seed, index, VIEW])
        haze = (*(rng.uniform(0.6, 0.9) + rng.normal(0, 0.03, 3)), rng.uniform(0.0, 0.012))
        uniforms = {**light, **lens_uniforms(crowd.camera), "haze": haze, "seed": rng.uniform(-50, 50, 3)}
        sky, bright = rng.random(), rng.uniform(0.6, 1.2)
        uniforms |= {"zenith": bright * (sky * CLEAR + (1 - sky) * GREY), "to_camera": to_camera(rng, crowd, road)}
        nobody: dict[str, Any] = {"feet": np.zeros((16, 4)), "shadow_to": (1.0, 0.0)}
        lines = (RIGHT_KERB + 0.25, MIDDLE_LINE, LEFT_KERB - 0.25)
        self._canvas.begin()
        self._canvas.draw(self._sky, uniforms)
        self._canvas.draw(street, {**uniforms, **nobody, "lines": lines})
        size = (crowd.camera.width, crowd.camera.height)
        return cv2.resize(self._canvas.read()[0][..., :3], size, interpolation=cv2.INTER_AREA).astype(np.float32)

    def _street(self, number: int) -> tuple[Road, Mesh]:
        if self._built is None or self._built[0] != number:
            if self._built is not None:
                self._canvas.release(self._built[2])
            rng = np.random.default_rng([*self._seed, number, STREET])
            road = Road(bend=0.035 * rng.uniform(-1.2, 1.2), shift=rng.uniform(-20, 20))
            triangles = build_street(rng, road, leaves_colour(rng))
            self._built = number, road, self._canvas.mesh("street", triangles, MESH_LAYOUT, MESH_ATTRIBUTES)
        return self._built[1:]


def to_camera(rng: Rng, crowd: Crowd, road: Road) -> Array:
    """(4, 4) world -> camera: somewhere between the houses, mostly along the street, with the crowd's horizon."""
    s, d = rng.uniform(0.0, 70.0), rng.uniform(RIGHT_WALL + FROM_WALL_M, LEFT_WALL - FROM_WALL_M)
    along = float(road.heading(s)) + rng.choice([0.0, np.pi]) + np.radians(rng.normal(0.0, 30.0))
    elevation = np.arctan2(crowd.camera.height / 2 - crowd.horizon, crowd.camera.fy)
    # UPRIGHT's world has x to the right and y away, the street's has x ahead and y to the left.
    turn = Rotation.from_euler("z", np.pi / 2 - along).as_matrix()
    rotation = Rotation.from_euler("ZX", [np.radians(rng.normal(0, 5)), elevation]).as_matrix() @ UPRIGHT @ turn
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ [*road.point(s, d), crowd.ground]
    return matrix


def leaves_colour(rng: Rng) -> Array:
    """(3,) RGB 0..1 of one street's trees, from autumn to dark green."""
    hsv = [rng.integers(*limits) for limits in (LEAVES_HUE, LEAVES_SATURATION, LEAVES_VALUE)]
    return np.asarray(cv2.cvtColor(np.array([[hsv]], np.uint8), cv2.COLOR_HSV2RGB), float)[0, 0] / 255
