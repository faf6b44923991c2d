"""Labelled heads, in one form whatever data set they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headway.errors import UsageError
from headway.evaluate.euler import ZYX, EulerOrder
from headway.geometry import Array
from headway.types import Camera

RENDERED_FILE = "annotations.json"
FACES_FILE = "labels.json"


@dataclass(frozen=True)
class HeadLabels:
    """Labels of M heads in a set of images.

    images: paths; index (M,) int: row in `images`; boxes (M, 4) float64 xyxy, pixels of the image: the whole head where
    `whole_head`, else a face's landmarks; rotation (M, 3, 3) ray-relative; visibility (M,) 0..1.

    angles (M, 3): pitch, yaw, roll in degrees as the data set publishes them, in `order`; None: those of `rotation`.
    cameras: intrinsics of each image, () where none are known. excluded: labels left out by the data set's own rule.
    """

    images: tuple[Path, ...]
    index: np.ndarray
    boxes: Array
    rotation: Array
    visibility: Array
    whole_head: bool = True
    angles: Array | None = None
    order: EulerOrder = ZYX
    cameras: tuple[Camera | None, ...] = ()
    excluded: int = 0

    def __len__(self) -> int:
        return len(self.index)

    @property
    def published_angles(self) -> Array:
        """(M, 3) pitch, yaw, roll in degrees, in `order`."""
        return self.order.angles(self.rotation) if self.angles is None else self.angles

    def camera(self, image: int) -> Camera | None:
        """Intrinsics of one image."""
        return self.cameras[image] if self.cameras else None


def _readers() -> dict[str, Callable[[Path], HeadLabels]]:
    from headway.evaluate.head_readers.biwi import read_biwi
    from headway.evaluate.head_readers.coco import read_published, read_rendered
    from headway.evaluate.head_readers.faces import read_faces
    from headway.evaluate.head_readers.mat import read_mat_folder

    return {
        "rendered": read_rendered,
        "faces": read_faces,
        "agora-hpe": read_published,
        "cmu-hpe": read_published,
        "300w-lp": read_mat_folder,
        "aflw2000": read_mat_folder,
        "biwi": read_biwi,
    }


FORMATS = ("auto", "rendered", "faces", "agora-hpe", "cmu-hpe", "300w-lp", "aflw2000", "biwi")


def read_labels(folder: Path, form: str = "auto") -> HeadLabels:
    """Reads a folder in one of FORMATS; "auto" tells them apart by their files.

    Raises UsageError naming file and field where a label is not what its format says.
    """
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is none of {', '.join(FORMATS)}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    labels = _readers()[_form_of(folder) if form == "auto" else form](folder)
    if not labels.images:
        raise UsageError(f"{folder}: its labels name no image")
    return labels


def _form_of(folder: Path) -> str:
    if (folder / RENDERED_FILE).is_file():
        return "rendered"
    if (folder / FACES_FILE).is_file():
        return "faces"
    if any((folder / "annotations").glob("coco_style*.json")):
        return "agora-hpe"
    if any(folder.glob(f"*/{RENDERED_FILE}")):
        return "rendered"
    if next(folder.rglob("frame_*_pose.txt"), None):
        return "biwi"
    if next(folder.rglob("*.mat"), None):
        return "aflw2000"
    raise UsageError(
        f"{folder} holds neither {RENDERED_FILE} nor {FACES_FILE}, nor the files of any other known format: "
        "not a folder of labelled heads"
    )
