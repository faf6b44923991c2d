"""One labelled picture: crowd, looks and light drawn on a canvas, put before a background, photographed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.models.render.backgrounds import draw_shapes, random_background
from headway.models.render.bodies import BodyPool
from headway.models.render.canvas import ID_STEPS, MAX_PEOPLE, Canvas, lens_uniforms
from headway.models.render.crowd import Crowd, Placement, random_crowd
from headway.models.render.labels import HeadLabel, head_label, visibility
from headway.models.render.look import Look, random_look
from headway.models.render.streetview import StreetView
from headway.types import Camera

Rng = np.random.Generator
Array = NDArray[Any]
SPLIT_CODES = {"train": 1, "val": 2}  # first word of every seed: the two splits share no look and no background
MIN_VISIBILITY = 0.02  # a head hidden more than this has no annotation at all


@dataclass(frozen=True)
class Picture:
    """image (H, W, 3) uint8 BGR with its labels and intrinsics."""

    image: NDArray[np.uint8]
    labels: list[HeadLabel]
    camera: Camera


class Photographer:
    """Makes picture number `index` of a seed, the same whatever was drawn before it; with `streets`, on a street."""

    def __init__(
        self, pool: BodyPool, split: str, seed: int, size: int, supersample: float = 1.5, streets: bool = False
    ) -> None:
        self.pool, self.split, self.seed, self.size = pool, split, seed, size
        self.members = pool.members(split)
        self.supersample = supersample
        self.canvas = Canvas(pool.template, size, size, supersample)
        self.streets = StreetView(self.canvas, SPLIT_CODES[split], seed) if streets else None

    def picture(self, index: int) -> Picture:
        """Deterministic in (split, seed, index)."""
        rng = np.random.default_rng([SPLIT_CODES[self.split], self.seed, index])
        crowd = random_crowd(rng, self.pool, self.members, self.size, self.size)
        light = random_light(rng)
        street = self.streets.draw(index, crowd, light) if self.streets else None
        self.canvas.begin()
        labels: list[tuple[int, HeadLabel]] = []
        for number, person in enumerate(crowd.people[:MAX_PEOPLE], start=1):
            uniforms = {**light, **lens_uniforms(crowd.camera), "person": number / ID_STEPS}
            self._draw(person, random_look(rng), uniforms)
            label = _label(self.pool, person, crowd.camera)
            if label is not None:
                labels.append((number, label))
        colour, person_ids, head = self.canvas.read()
        image, hidden = compose(rng, colour, crowd, street)
        if hidden is not None:
            big = cv2.resize(hidden.astype(np.uint8), self.canvas.size, interpolation=cv2.INTER_NEAREST)
            hidden = big > 0
        seen = [
            replace(label, visibility=visibility(label, number, person_ids, head, hidden, self.supersample))
            for number, label in labels
        ]
        return Picture(develop(rng, image), [s for s in seen if s.visibility > MIN_VISIBILITY], crowd.camera)

    def _draw(self, person: Placement, look: Look, uniforms: dict[str, Any]) -> None:
        pool, body = self.pool, person.body
        draw_body(
            self.canvas,
            (pool.vertices(body), pool.vertex_normals(body)),
            (pool.head_affine[body], pool.neck_affine[body]),
            {**uniforms, "to_camera": rigid(person.rotation, person.translation)},
            look,
            person.size,
        )


def random_light(rng: Rng) -> dict[str, Any]:
    """Uniforms of light.glsl: mostly from above and from the camera's side, from soft to hard."""
    direction = rng.normal(0, 1, 3)
    direction[1] = -abs(direction[1]) if rng.random() < 0.85 else direction[1]
    direction[2] = -abs(direction[2]) * 0.8 if rng.random() < 0.85 else direction[2]
    ambient = rng.uniform(0.25, 0.8)
    return {
        "light_direction": direction / np.linalg.norm(direction),
        "light_colour": (1 + rng.normal(0, 0.08, 3)) * (1.15 - ambient) * rng.uniform(0.7, 1.25),
        "ambient_sky": ambient * (1 + rng.normal(0, 0.06, 3)),
        "ambient_ground": ambient * rng.uniform(0.4, 1) * (1 + rng.normal(0, 0.06, 3)),
        "gloss": rng.uniform(0, 0.35),
        "haze": (0.0, 0.0, 0.0, 0.0),
    }


def draw_body(
    canvas: Canvas,
    surface: tuple[Array, Array],
    affines: tuple[Array, Array],
    uniforms: dict[str, Any],
    look: Look,
    head_pixels: float,
) -> None:
    """Body, clothes, hair shells and additions of one person.

    surface: posed vertices and normals (V, 3), body axes; affines: of head and neck (3, 4), see BodyPool; uniforms:
    light, lens, person and to_camera; head_pixels: height of the head, which decides how many shells are worth it.
    """
    shells = 0
    if look.hair_thickness > 0:
        shells = 2 if head_pixels < 22 else 4 if head_pixels < 60 else 7
    canvas.draw_body(*surface, {**uniforms, **look.uniforms}, shells)
    for addition in look.additions:
        to_body = np.eye(4)
        to_body[:3] = affines[1 if addition.on_neck else 0]
        canvas.draw_extra({**uniforms, **addition.uniforms, "to_body": to_body})


def rigid(rotation: Array, translation: Array) -> Array:
    """(4, 4) from (3, 3) and (3,)."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def _label(pool: BodyPool, person: Placement, camera: Camera) -> HeadLabel | None:
    skull = pool.vertices(person.body)[pool.template.skull] @ person.rotation.T + person.translation
    return head_label(skull, pool.head_rotation[person.body], person.rotation, camera)


def compose(
    rng: Rng, colour: NDArray[np.uint8], crowd: Crowd, street: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """People before a background, sometimes behind flat occluders: (H, W, 3) RGB 0..255 and what is covered."""
    width, height = crowd.camera.width, crowd.camera.height
    background = street
    if background is None:
        background = random_background(rng, width, height, crowd.camera.fy, crowd.horizon, crowd.ground)
    small: Array = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    cover: Array = small[..., 3:] / 255
    if rng.random() < 0.4:
        cover = cv2.GaussianBlur(cover, (3, 3), 0)[..., None]
    image: Array = np.ascontiguousarray(small[..., :3] + background * (1 - cover))
    if rng.random() > 0.3:
        return image, None
    covered = image.copy()
    draw_shapes(rng, covered, int(rng.integers(1, 4)), 0.9)
    return covered, np.abs(covered - image).max(axis=2) > 1


def develop(rng: Rng, image: Array) -> NDArray[np.uint8]:
    """Lens and sensor: mild blur, motion blur, exposure, noise. RGB 0..255 float -> BGR uint8."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.08:
        length, angle = int(rng.integers(3, 9)), rng.uniform(0, np.pi)
        kernel = np.zeros((length, length), np.float32)
        middle, reach = (length - 1) / 2, np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
        ends = [tuple(int(v) for v in np.rint(middle + sign * reach)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if rng.random() < 0.5:
        image = 255 * (np.clip(image, 0, 255) / 255) ** np.float32(rng.uniform(0.75, 1.3))
    if rng.random() < 0.5:
        noise = rng.standard_normal((*image.shape[:2], 3 if rng.random() < 0.5 else 1), np.float32)
        image = image + noise * np.float32(rng.uniform(0.5, 9))
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8)[..., ::-1])
