"""A pool of posed anny bodies: built once, cached in one .npz, then dressed and placed anew for every image.

Body axes: x the person's left, y the person's back, z up, metres; the rest face looks along -y. `rest` are the
vertices of the average body: the same coordinate means the same spot on every body, so they serve as texture
coordinates (an eyebrow is at the same `rest` on everybody).
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from headway.errors import MissingDependencyError, UsageError
from headway.models.render.template import Template, affine_fit, load_template, vertex_normals

Array = NDArray[Any]

BODY_TO_HEAD_AXES: Array = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Columns: the head's left, down and back (headway.geometry) in body axes at rest."""
POSITION_SCALE = 2.0 / 32767  # int16 steps of 0.06 mm
FORMAT = 2
BATCH = 8
MOODS = {  # groups of facial actions that move together, and their largest weights
    "neutral": {},
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "talk": {"jawOpen": 0.35, "mouthFunnel": 0.4, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "frown": {"browDownLeft": 0.9, "browDownRight": 0.9, "mouthFrownLeft": 0.6, "mouthFrownRight": 0.6},
    "surprise": {"browInnerUp": 0.9, "eyeWideLeft": 0.7, "eyeWideRight": 0.7, "jawOpen": 0.3},
    "blink": {"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.9},
}


@dataclass(frozen=True)
class BodyPool:
    """N bodies of V vertices. Bodies [0, train_count) are for training, the rest for validation.

    positions (N, V, 3) int16 in POSITION_SCALE metres; normals (N, V, 3) int8 / 127; head_rotation (N, 3, 3) rest head
    to posed head in body axes; head_affine, neck_affine (N, 3, 4) rest coordinates -> posed, body axes.
    """

    positions: NDArray[np.int16]
    normals: NDArray[np.int8]
    head_rotation: Array
    head_affine: Array
    neck_affine: Array
    template: Template
    train_count: int
    lowest: Array = field(init=False)

    def __post_init__(self) -> None:
        """lowest (N,): z of the lowest vertex, body axes, metres."""
        object.__setattr__(self, "lowest", self.positions[:, :, 2].min(axis=1) * POSITION_SCALE)

    def __len__(self) -> int:
        return len(self.positions)

    def vertices(self, body: int) -> Array:
        """(V, 3) float32 metres, body axes."""
        return self.positions[body].astype(np.float32) * np.float32(POSITION_SCALE)

    def vertex_normals(self, body: int) -> Array:
        """(V, 3) float32 unit normals, body axes."""
        return self.normals[body].astype(np.float32) / np.float32(127)

    def members(self, split: str) -> NDArray[np.int64]:
        """Indices of the bodies of `split`, train or val: the two share none."""
        if split not in ("train", "val"):
            raise UsageError(f"split '{split}': must be train or val")
        indices = np.arange(len(self))
        chosen = indices[: self.train_count] if split == "train" else indices[self.train_count :]
        if not len(chosen):
            raise UsageError(f"the body pool holds no {split} bodies: build a larger one")
        return chosen

    def save(self, path: Path) -> None:
        """Written beside the target first, so that a broken run leaves no half file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        arrays = {name: getattr(self, name) for name in POOL_ARRAYS}
        np.savez(partial, format=FORMAT, train_count=self.train_count, **{**arrays, **self.template.arrays()})
        os.replace(partial, path)


POOL_ARRAYS = ("positions", "normals", "head_rotation", "head_affine", "neck_affine")


def load_pool(path: Path) -> BodyPool:
    """Reads what `BodyPool.save` wrote; another file is a UsageError naming it."""
    try:
        with np.load(path, allow_pickle=False) as data:
            if int(data["format"]) != FORMAT:
                raise UsageError(f"{path}: body pool of another version; delete it, it is rebuilt")
            arrays = {name: data[name] for name in POOL_ARRAYS}
            return BodyPool(**arrays, template=Template.from_arrays(data), train_count=int(data["train_count"]))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is not a body pool: {error}") from error


def build_pool(train: int, val: int, progress: Any = None) -> BodyPool:
    """Poses train + val bodies. `progress(done, total)` is called after every batch."""
    model = load_model()
    template = load_template(model)
    total = train + val
    rng = np.random.default_rng([7, 0])
    shape = (total, len(template.rest), 3)
    positions, normals = np.zeros(shape, np.int16), np.zeros(shape, np.int8)
    rotation, head, neck = np.zeros((total, 3, 3)), np.zeros((total, 3, 4)), np.zeros((total, 3, 4))
    for first in range(0, total, BATCH):
        vertices, rotations = pose_batch(
            model, random_phenotypes(model, rng), random_poses(model, rng), random_faces(rng)
        )
        for k in range(min(BATCH, total - first)):
            i, body = first + k, vertices[k]
            positions[i] = np.rint(body / POSITION_SCALE)
            normals[i] = np.rint(vertex_normals(body, template.faces) * 127)
            rotation[i] = rotations[k]
            head[i] = affine_fit(template.rest[template.skull], body[template.skull])
            neck[i] = affine_fit(template.rest[template.neck], body[template.neck])
        if progress:
            progress(min(first + BATCH, total), total)
    return BodyPool(positions, normals, rotation, head, neck, template, train)


def load_model() -> Any:
    """The anny body model with every phenotype and facial action, float32, on the CPU."""
    try:
        import anny
        import torch
        import warp
    except ImportError as error:
        raise MissingDependencyError(
            f"rendering needs the package '{error.name}': pip install 'headway[render]'"
        ) from error
    warp.config.quiet = True  # type: ignore[attr-defined]
    return anny.Anny(phenotypes="all", facial_actions="all").to(dtype=torch.float32)


def pose_batch(model: Any, phenotypes: dict[str, Array], poses: Array, faces: dict[str, Array]) -> tuple[Array, Array]:
    """(B, bones, 4, 4) pose deltas in body axes -> posed vertices (B, V, 3) and head rotations (B, 3, 3)."""
    import torch

    def tensors(values: dict[str, Array]) -> dict[str, torch.Tensor]:
        return {k: torch.tensor(v, dtype=torch.float32) for k, v in values.items()}

    def forward(pose: Array) -> tuple[Array, Array]:
        with torch.no_grad():
            out = model(
                pose_parameters=torch.tensor(pose, dtype=torch.float32),
                phenotype_kwargs=tensors(phenotypes),
                facial_actions=tensors(faces) or None,
            )
        return out["vertices"].numpy(), out["bone_poses"].numpy()

    bone = model.bone_labels.index("head")
    _, rest_bones = forward(np.tile(np.eye(4), (*poses.shape[:2], 1, 1)))
    vertices, bones = forward(poses)
    return vertices, bones[:, bone, :3, :3] @ rest_bones[:, bone, :3, :3].swapaxes(-1, -2)


def random_phenotypes(model: Any, rng: np.random.Generator) -> dict[str, Array]:
    """One batch of people: mostly adults, some children, every mix of origins."""
    values = {name: rng.uniform(0, 1, BATCH) for name in model.phenotype_labels}
    child = rng.random(BATCH) < 0.15
    values["age"] = np.where(child, rng.uniform(0.25, 0.5, BATCH), rng.uniform(0.5, 1, BATCH))
    origin = rng.dirichlet((0.5, 0.5, 0.5), BATCH)
    for k, name in enumerate(("african", "asian", "caucasian")):
        values[name] = origin[:, k]
    return values


def random_faces(rng: np.random.Generator) -> dict[str, Array]:
    """One batch of expressions: one mood each, at a random strength."""
    names = sorted({name for mood in MOODS.values() for name in mood})
    values = {name: np.zeros(BATCH) for name in names}
    for k in range(BATCH):
        mood = list(MOODS)[rng.choice(len(MOODS), p=[0.42, 0.2, 0.16, 0.09, 0.08, 0.05])]
        strength = rng.uniform(0.3, 1)
        for name, most in MOODS[mood].items():
            values[name][k] = most * strength
    return values


def random_poses(model: Any, rng: np.random.Generator) -> Array:
    """One batch of postures as (BATCH, bones, 4, 4): standing, walking or sitting; any head turn a neck can do."""
    return np.stack([_random_pose(model, rng) for _ in range(BATCH)])


def _random_pose(model: Any, rng: np.random.Generator) -> Array:
    pose = np.tile(np.eye(4), (model.bone_count, 1, 1))

    def turn(bone: str, degrees: Any, order: str = "xyz") -> None:
        pose[model.bone_labels.index(bone), :3, :3] = Rotation.from_euler(order, degrees, degrees=True).as_matrix()

    yaw = rng.uniform(-65, 65) * rng.random() ** 0.5
    pitch, roll = np.clip(rng.normal(0, 18), -45, 45), np.clip(rng.normal(0, 9), -25, 25)
    for bone in ("neck02", "head"):  # each takes half of the turn
        turn(bone, np.array([yaw, pitch, roll]) / 2, "zxy")
    turn("spine01", rng.normal(0, 6, 3))
    turn("spine03", rng.normal(0, 4, 3))
    gaze = np.clip(rng.normal(0, 9, 2), -22, 22)
    kind = rng.choice(["stand", "walk", "sit"], p=[0.5, 0.3, 0.2])
    stride = rng.uniform(-30, 30)
    for side, sign in (("L", 1), ("R", -1)):
        turn(f"eye.{side}", [gaze[0] * 0.6, 0, gaze[1]])
        turn(
            f"upperarm01.{side}", rng.normal(0, 16, 3) + np.array([sign * stride * 0.6, sign * rng.uniform(-10, 45), 0])
        )
        turn(f"lowerarm01.{side}", rng.normal(0, 22, 3) + np.array([-rng.exponential(25), 0, 0]))
        if kind == "walk":
            turn(f"upperleg01.{side}", [-sign * stride, 0, 0])
            turn(f"lowerleg01.{side}", [max(0.0, sign * stride) * 1.1, 0, 0])
        elif kind == "sit":
            turn(f"upperleg01.{side}", [-80 + rng.normal(0, 8), 0, sign * rng.uniform(-4, 12)])
            turn(f"lowerleg01.{side}", [80 + rng.normal(0, 10), 0, 0])
        else:
            turn(f"upperleg01.{side}", rng.normal(0, 4, 3))
    return pose
