"""The formats of labelled heads that can be read, and how they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from headway.errors import UsageError
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_readers.biwi import read_biwi
from headway.evaluate.head_readers.coco import RENDERED_FILE, read_published, read_rendered
from headway.evaluate.head_readers.faces import FACES_FILE, read_faces
from headway.evaluate.head_readers.mat import read_mat_folder

READERS: Mapping[str, Callable[[Path], HeadLabels]] = {
    "rendered": read_rendered,
    "faces": read_faces,
    "agora-hpe": read_published,
    "cmu-hpe": read_published,
    "300w-lp": read_mat_folder,
    "aflw2000": read_mat_folder,
    "biwi": read_biwi,
}
FORMATS = ("auto", *READERS)


def read_labels(folder: Path, form: str = "auto") -> HeadLabels:
    """Reads a folder in one of FORMATS; "auto" tells them apart by their files.

    Raises UsageError naming file and field where a label is not what its format says.
    """
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is none of {', '.join(FORMATS)}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    labels = READERS[_form_of(folder) if form == "auto" else form](folder)
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
