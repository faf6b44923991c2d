"""`headway render scene`: a street with walking people, seen by a moving camera, as a bag with ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.geometry import OPTICAL_TO_BODY
from headway.models.render import stories
from headway.models.render.bodies import load_model, pose_batch, random_faces, random_phenotypes
from headway.models.render.canvas import ID_STEPS, Canvas, lens_uniforms
from headway.models.render.carrier import Carrier, vehicle, walker
from headway.models.render.labels import HeadLabel, head_label, visibility
from headway.models.render.look import random_look
from headway.models.render.photograph import draw_body, rigid
from headway.models.render.road import LEFT_KERB, MIDDLE_LINE, RIGHT_KERB, Road
from headway.models.render.street import MESH_ATTRIBUTES, MESH_LAYOUT, build_street
from headway.models.render.template import affine_fit, load_template, vertex_normals
from headway.models.render.walkers import Walker, body_to_world
from headway.types import Camera

Array = NDArray[Any]

VIEWS = {"vehicle": (vehicle, stories.VEHICLE), "walker": (walker, stories.WALKER)}
CAMERA = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
SUPERSAMPLE = 2.0
SUN = np.array([-0.35, -0.55, 0.76])  # towards the sun, world axes
HEAD_HEIGHT = 1.6  # metres, of the shadow's end
NEAREST = 0.3  # metres before the lens: bodies nearer than this are left out


@dataclass(frozen=True)
class Person:
    """One visible person of a frame: index from 0, head centre (3,) and velocity (3,), world axes."""

    index: int
    head: Array
    velocity: Array
    label: HeadLabel | None


@dataclass(frozen=True)
class SceneFrame:
    """image (H, W, 3) uint8 BGR at `t` seconds; to_camera: world -> camera optical frame (4, 4)."""

    t: float
    image: NDArray[np.uint8]
    people: list[Person]
    to_camera: Array


@dataclass
class Scene:
    """A street, its people and the camera's carrier: everything that the seed decides, ready to be drawn."""

    view: str
    seed: int
    seconds: float
    camera: Camera = CAMERA
    carrier: Carrier = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([3, list(VIEWS).index(self.view), self.seed])
        make, scripts = VIEWS[self.view]
        self.road = Road(bend=0.035 * rng.uniform(0.85, 1.15), shift=rng.uniform(-2, 2))
        self.carrier = make(self.road, self.seconds)
        self.walkers = [Walker(script, self.road, np.random.default_rng(rng.integers(2**32))) for script in scripts]
        self.looks = [random_look(rng) for _ in scripts]
        self._triangles = build_street(rng, self.road)
        self._model = load_model()
        self._template = load_template(self._model)
        self._phenotypes = self._people(rng)
        self._faces = _first(random_faces, rng, len(scripts))
        self._canvas = Canvas(self._template, self.camera.width, self.camera.height, SUPERSAMPLE)
        self._street = self._canvas.mesh("street", self._triangles, MESH_LAYOUT, MESH_ATTRIBUTES)
        corners = np.array([[-1, -1], [3, -1], [-1, 3]], np.float32)
        self._sky = self._canvas.mesh("sky", corners, "2f", ("corner",))

    def _people(self, rng: np.random.Generator) -> dict[str, Array]:
        values = _first(lambda r: random_phenotypes(self._model, r), rng, len(self.walkers))
        values["age"] = np.array([w.script.age for w in self.walkers])
        values["weight"] = 0.3 + 0.4 * values["weight"]
        return values

    def frames(self, times: Array) -> Iterator[SceneFrame]:
        """Draws one frame for every time in seconds."""
        for t in times:
            yield self.frame(float(t))

    def frame(self, t: float) -> SceneFrame:
        """The scene at t seconds, drawn."""
        to_camera = self.world_to_camera(t)
        position = self.carrier.position(t)
        poses = np.stack([w.pose(t, self._model.bone_labels, position) for w in self.walkers])
        vertices, head_rotations = pose_batch(self._model, self._phenotypes, poses, self._faces)
        light = _light(to_camera[:3, :3])
        common = {**light, **lens_uniforms(self.camera), "seed": np.zeros(3)}
        self._canvas.begin()
        self._draw_street(t, {**common, "to_camera": to_camera})
        people = []
        for k, who in enumerate(self.walkers):
            body = vertices[k] - [0, 0, vertices[k, :, 2].min()]  # the lower foot stands on the ground
            pose = to_camera @ rigid(body_to_world(who.facing(t)), who.ground(t))
            drawn = self._draw_person(k, body, pose, common)
            centre = body[self._template.skull].mean(axis=0)
            head = body_to_world(who.facing(t)) @ centre + who.ground(t)
            label = None
            if drawn:
                skull = body[self._template.skull] @ pose[:3, :3].T + pose[:3, 3]
                label = head_label(skull, head_rotations[k], pose[:3, :3], self.camera)
            people.append(Person(k, head, who.velocity(t), label))
        colour, ids, heads = self._canvas.read()
        image: Array = cv2.resize(
            colour[..., 2::-1], (self.camera.width, self.camera.height), interpolation=cv2.INTER_AREA
        )
        return SceneFrame(t, image, [_seen(p, ids, heads) for p in people], to_camera)

    def world_to_camera(self, t: float) -> Array:
        """(4, 4) world -> camera optical frame."""
        optical = self.carrier.rotation(t) @ OPTICAL_TO_BODY
        return rigid(optical.T, -optical.T @ self.carrier.position(t))

    def _draw_street(self, t: float, uniforms: dict[str, Any]) -> None:
        feet = np.zeros((16, 4))
        for k, who in enumerate(self.walkers[:16]):
            feet[k] = [*who.ground(t)[:2], 0.3, 1]
        self._canvas.draw(self._sky, {**uniforms, "zenith": (0.33, 0.52, 0.8)})
        street = {"feet": feet, "shadow_to": -SUN[:2] / SUN[2] * HEAD_HEIGHT}
        lines = (RIGHT_KERB + 0.25, MIDDLE_LINE, LEFT_KERB - 0.25)
        self._canvas.draw(self._street, {**uniforms, **street, "lines": lines})

    def _draw_person(self, k: int, body: Array, pose: Array, common: dict[str, Any]) -> bool:
        template, look = self._template, self.looks[k]
        depth = float((pose[:3, :3] @ body.mean(axis=0) + pose[:3, 3])[2])
        if depth < NEAREST:
            return False
        surface = (body, vertex_normals(body, template.faces))
        head, neck = (affine_fit(template.rest[part], body[part]) for part in (template.skull, template.neck))
        uniforms = {**common, "to_camera": pose, "person": (k + 1) / ID_STEPS}
        draw_body(self._canvas, surface, (head, neck), uniforms, look, self.camera.fy * 0.235 / depth * SUPERSAMPLE)
        return True


def _first(
    make: Callable[[np.random.Generator], dict[str, Array]], rng: np.random.Generator, n: int
) -> dict[str, Array]:
    """The first n of as many random batches as that takes."""
    batches = [make(rng) for _ in range(-(-n // 8))]
    return {name: np.concatenate([b[name] for b in batches])[:n] for name in batches[0]}


def _light(to_camera: Array) -> dict[str, Any]:
    return {
        "light_direction": to_camera @ (SUN / np.linalg.norm(SUN)),
        "light_colour": (0.72, 0.69, 0.62),
        "ambient_sky": (0.52, 0.55, 0.6),
        "ambient_ground": (0.36, 0.34, 0.32),
        "gloss": 0.15,
        "haze": (0.78, 0.83, 0.88, 0.006),
    }


def _seen(person: Person, ids: Array, heads: Array) -> Person:
    if person.label is None:
        return person
    share = visibility(person.label, person.index + 1, ids, heads, None, SUPERSAMPLE)
    return replace(person, label=replace(person.label, visibility=share))


def render_scene(
    view: str, out: Path, seed: int, seconds: float, rate: float, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Renders `view` into the bag `out`; returns what was written."""
    from headway.models.render.recording import record

    if seconds <= 0 or rate <= 0:
        raise UsageError(f"seconds = {seconds}, rate = {rate}: both must be positive")
    if view not in VIEWS:
        raise UsageError(f"view '{view}': must be one of {', '.join(VIEWS)}")
    if out.suffix != ".mcap":  # said now, not after minutes of drawing
        raise UsageError(f"{out}: a bag is written as one .mcap file: name it so")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out.parent} cannot be made a folder: {error.strerror}") from error
    scene = Scene(view, seed, seconds)
    return record(scene, out, rate, progress)
