"""What is the same for every body: triangles, rest coordinates as texture coordinates, and the regions of the skin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CHIN_Z = 0.53  # metres above the body's origin on the average body: lower head vertices belong to the neck
NECK_BAND = (0.40, 0.50)
EYE, MOUTH = 1.0, 2.0  # codes in region[:, 1]
HAND = 3.2  # region[:, 2]: 0 trunk, 1..2 upper arm from shoulder to elbow, 2..3 lower arm, HAND


@dataclass(frozen=True)
class Template:
    """rest (V, 3) metres; region (V, 3) = head 0/1, EYE/MOUTH code, arm position; faces (F, 3) all that is drawn;
    scalp_faces (S, 3) where hair grows; skull, neck: vertex indices (the labelled box is that of `skull`); eyes,
    nose: vertex indices of both eyes' fronts and of the nose tip."""

    rest: Array
    region: Array
    faces: NDArray[np.int32]
    scalp_faces: NDArray[np.int32]
    skull: NDArray[np.int32]
    neck: NDArray[np.int32]
    eyes: NDArray[np.int32]
    nose: NDArray[np.int32]

    def arrays(self) -> dict[str, Array]:
        """For np.savez; the inverse of `from_arrays`."""
        return {f"template_{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, data: Mapping[str, Array]) -> Template:
        """Reads the names that `arrays` writes."""
        return cls(**{f.name: data[f"template_{f.name}"] for f in fields(cls)})


def load_template(model: Any) -> Template:
    """Reads triangles and segmentation from an anny model and locates the regions on its average body."""
    import torch
    from anny.face_segmentation import get_face_segmentation_mask

    def part(*labels: str) -> NDArray[np.bool_]:
        return get_face_segmentation_mask(model, labels).numpy()

    def touched(faces: NDArray[Any]) -> NDArray[np.bool_]:
        mask = np.zeros(len(rest), bool)
        mask[np.unique(all_faces[faces])] = True
        return mask

    average = {name: torch.full((1,), 0.5) for name in model.phenotype_labels}
    identity = torch.eye(4).repeat(1, model.bone_count, 1, 1)
    with torch.no_grad():
        out = model(pose_parameters=identity, phenotype_kwargs=average)
    rest, bones = out["vertices"][0].numpy(), out["bone_poses"][0].numpy()
    all_faces = np.asarray(model.faces).astype(np.int32)

    eye_front = touched(part("eye_front.L", "eye_front.R"))
    eye = touched(part("eye_front.L", "eye_front.R", "eye_back.L", "eye_back.R"))
    mouth = touched(part("mouth_cavity", "tongue")) & ~touched(part("head"))
    head = touched(part("head", "mouth_cavity", "tongue")) | eye
    region = np.stack([head, eye * EYE + mouth * MOUTH, _arm_position(model, rest, bones)], axis=1).astype(np.float32)

    faces = all_faces[~part("eye_cavity.L", "eye_cavity.R", "eye_back.L", "eye_back.R")]
    skull = touched(part("head")) & ~eye & (rest[:, 2] > CHIN_Z)
    neck = ~head & (region[:, 2] == 0) & (rest[:, 2] > NECK_BAND[0]) & (rest[:, 2] < NECK_BAND[1])
    centre = rest[faces].mean(axis=1)
    grows = (centre[:, 2] > 0.655) | ((centre[:, 1] > -0.02) & (centre[:, 2] > 0.55))
    scalp = (head & ~eye & ~mouth)[faces].all(axis=1) & grows
    tip = np.flatnonzero(skull)[np.argsort(rest[skull][:, 1])[:3]]
    return Template(
        rest=rest.astype(np.float32),
        region=region,
        faces=faces,
        scalp_faces=faces[scalp],
        skull=np.flatnonzero(skull).astype(np.int32),
        neck=np.flatnonzero(neck).astype(np.int32),
        eyes=np.flatnonzero(eye_front).astype(np.int32),
        nose=tip.astype(np.int32),
    )


def _arm_position(model: Any, rest: Array, bones: Array) -> Array:
    """(V,) see HAND: how far down the arm a vertex lies, from the bone that moves it most."""
    weights, indices = np.asarray(model.vertex_bone_weights), np.asarray(model.vertex_bone_indices)
    owner = indices[np.arange(len(indices)), weights.argmax(axis=1)]
    names = model.bone_labels
    arm = np.zeros(len(rest))
    for side in "LR":
        for start, end, offset in (("upperarm01", "lowerarm01", 1.0), ("lowerarm01", "wrist", 2.0)):
            a = bones[names.index(f"{start}.{side}"), :3, 3]
            along = bones[names.index(f"{end}.{side}"), :3, 3] - a
            for bone, name in enumerate(names):
                if name.startswith(start[:8]) and name.endswith(side):
                    mine = owner == bone
                    arm[mine] = offset + np.clip((rest[mine] - a) @ along / (along @ along), 0, 1)
    hands = [i for i, n in enumerate(names) if n.startswith(("wrist", "finger", "metacarpal"))]
    arm[np.isin(owner, hands)] = HAND
    return arm


def vertex_normals(vertices: Array, faces: NDArray[np.int32]) -> Array:
    """(V, 3) unit normals, each the area-weighted mean of its triangles."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    normal = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            normal[:, axis] += np.bincount(faces[:, corner], face_normal[:, axis], len(vertices))
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def affine_fit(source: Array, target: Array) -> Array:
    """(M, 3), (M, 3) -> (3, 4) least-squares affine map from source to target."""
    homogeneous = np.c_[source, np.ones(len(source))]
    return np.linalg.lstsq(homogeneous, target, rcond=None)[0].T
