"""Heads against ground truth that was read by eye: photographs of people, and head views of the `openpeople` sheets.

The labels lie in by_eye.json beside this file, with who made them and how; the pictures stay where they are. Boxes are
whole heads, yaw is one of eight sectors (photographs) or the sheet's angle (views): enough to say whether heads are
found where they are and whether the network looks the right way, not enough for degrees.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import MissingDependencyError, UsageError
from headway.evaluate.euler import ZYX, angle_errors
from headway.evaluate.head_match import MATCH_IOU, SECOND_BOX_IOU
from headway.evaluate.head_pose import read_image
from headway.evaluate.head_readers.checks import field, inside, load_json, numbers
from headway.geometry import Array
from headway.paths import data_dir
from headway.runtime.model import open_model
from headway.stages.heads import TASK, HeadConfig, HeadStage, model_threshold
from headway.stages.nms import iou_matrix
from headway.types import Frame, Heads

BUNDLED = Path(__file__).with_name("by_eye.json")
SMALLEST_PX = 32.0
SECTORS = (0, 45, 90, 135, 180, -135, -90, -45)
NEIGHBOUR_DEG = 45.0
IGNORED_SHARE = 0.5
"""A box of which at least this share lies in an area marked `ignore` counts neither way."""


@dataclass(frozen=True)
class Picture:
    """One picture with H heads. boxes (H, 4) xyxy in pixels of what is shown; yaw_deg (H,), published sign; ignore
    (A, 4) areas that count neither way; crop: part of the file that is shown, None for all of it."""

    path: Path
    boxes: Array
    yaw_deg: Array
    ignore: Array
    view: str = ""
    crop: tuple[int, int, int, int] | None = None

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 BGR."""
        image = read_image(self.path)
        if self.crop is None:
            return image
        x0, y0, x1, y1 = self.crop
        return np.ascontiguousarray(image[y0:y1, x0:x1])


def read_people(path: Path = BUNDLED, folder: Path | None = None) -> list[Picture]:
    """The photographs. folder: where they lie, default `people` in the data folder."""
    folder = folder or _people_folder()
    pictures = []
    for row, entry in enumerate(_section(path, "people")):
        where = f"{path}: people {row}"
        heads = [_head(h, f"{where}: head {k}") for k, h in enumerate(field(entry, "heads", where))]
        areas = [_box(area, "ignore", where) for area in entry.get("ignore", [])]
        boxes, yaw = np.array([h[0] for h in heads]).reshape(-1, 4), np.array([h[1] for h in heads], float)
        name = inside(folder, field(entry, "file", where))
        pictures.append(Picture(name, boxes, yaw, np.array(areas).reshape(-1, 4)))
    return pictures


def read_views(path: Path = BUNDLED, folder: Path | None = None) -> list[Picture]:
    """The head views of the sheets, each cut out as a picture of its own. folder: default, the package's own."""
    folder = folder or _sheets_folder()
    pictures = []
    for row, entry in enumerate(_section(path, "openpeople")):
        where = f"{path}: openpeople {row}"
        x0, y0, x1, y1 = (int(v) for v in _box(field(entry, "crop", where), "crop", where))
        box = _box(field(entry, "box", where), "box", where) - [x0, y0, x0, y0]
        if (box[:2] < 0).any() or (box[2:] > [x1 - x0, y1 - y0]).any():
            raise UsageError(f"{where}: box leaves its crop")
        yaw = numbers([field(entry, "yaw_deg", where)], 1, "yaw_deg", where)
        name = inside(folder, field(entry, "file", where))
        view = str(field(entry, "view", where))
        pictures.append(Picture(name, box[None], yaw, np.zeros((0, 4)), view, (x0, y0, x1, y1)))
    return pictures


def evaluate_by_eye(path: Path = BUNDLED, model: str = TASK) -> dict[str, Any]:
    """Both parts of a label file, at the model's own threshold; a part whose pictures are not there is None."""
    opened = open_model(model, TASK)
    try:
        stage = HeadStage(opened, HeadConfig())
        report: dict[str, Any] = {"model": opened.name, "model_hash": opened.manifest.hash}
        report["score_threshold"] = model_threshold(opened)
        report["missing"] = []
        for name, read, score in (("people", read_people, score_people), ("views", read_views, score_views)):
            try:
                pictures = read(path)
            except MissingDependencyError as error:
                report[name] = None
                report["missing"].append(str(error))
                continue
            report[name] = score(pictures, [stage(Frame(stamp_ns=1, image=p.read())) for p in pictures])
    finally:
        opened.close()
    return report


def score_people(pictures: Sequence[Picture], answers: Sequence[Heads]) -> dict[str, Any]:
    """Recall and precision at IoU 0.5 for heads of 32 px and more, and how often the yaw sector is right."""
    wanted = found = false = right = near = 0
    per_picture = []
    for picture, heads in zip(pictures, answers, strict=True):
        large = _size(picture.boxes) >= SMALLEST_PX
        rows = _assign(heads.boxes, picture.boxes)
        hit = rows >= 0
        free = np.setdiff1d(np.arange(len(heads)), rows[hit])
        counts = (_size(heads.boxes[free]) >= SMALLEST_PX) & ~_ignored(heads.boxes[free], picture.ignore)
        off = _yaw_off(heads, rows, picture.yaw_deg)
        here = {"heads": int(large.sum()), "found": int((hit & large).sum()), "false": int(counts.sum())}
        per_picture.append({"file": picture.path.name, **here})
        wanted, found, false = wanted + here["heads"], found + here["found"], false + here["false"]
        right += int((off[hit & large] <= NEIGHBOUR_DEG / 2).sum())
        near += int((off[hit & large] <= 1.5 * NEIGHBOUR_DEG).sum())
    return {
        "images": len(pictures),
        "heads": wanted,
        "found": found,
        "recall": _share(found, wanted),
        "precision": _share(found, found + false),
        "yaw_sector_right": _share(right, found),
        "yaw_sector_right_or_neighbour": _share(near, found),
        "pictures": per_picture,
    }


def score_views(pictures: Sequence[Picture], answers: Sequence[Heads]) -> dict[str, Any]:
    """Found at IoU 0.5, yaw error, side of the profile views, and second boxes on a head."""
    rows: list[dict[str, Any]] = []
    for picture, heads in zip(pictures, answers, strict=True):
        row = int(_assign(heads.boxes, picture.boxes)[0])
        yaw = float(ZYX.angles(heads.rotation[row])[0, 1]) if row >= 0 else None
        truth = float(picture.yaw_deg[0])
        error = None if yaw is None else float(angle_errors(np.array([yaw]), np.array([truth]))[0])
        profile = 45.0 <= abs(truth) <= 135.0
        rows.append(
            {
                "file": picture.path.parts[-3] if len(picture.path.parts) >= 3 else picture.path.name,
                "view": picture.view,
                "found": row >= 0,
                "yaw_deg": yaw,
                "yaw_truth_deg": truth,
                "yaw_error_deg": error,
                "side_right": None if not profile else yaw is not None and yaw * truth > 0,
                "second_boxes": _second(heads.boxes, picture.boxes[0], row),
            }
        )
    errors = [r["yaw_error_deg"] for r in rows if r["yaw_error_deg"] is not None]
    sides = [r["side_right"] for r in rows if r["side_right"] is not None]
    return {
        "views": len(rows),
        "found": sum(bool(r["found"]) for r in rows),
        "yaw_median_deg": float(np.median(errors)) if errors else None,
        "profiles": len(sides),
        "sides_right": sum(bool(s) for s in sides),
        "second_boxes": sum(int(r["second_boxes"]) for r in rows),
        "rows": rows,
    }


def _assign(predicted: Array, truth: Array) -> np.ndarray:
    """(H,) row of the predicted box that found each head, -1 for none: best score first, each box once."""
    rows = np.full(len(truth), -1)
    overlap = iou_matrix(predicted, truth)
    for row in range(len(predicted)):
        best = int(np.argmax(overlap[row])) if len(truth) else -1
        if best >= 0 and overlap[row, best] >= MATCH_IOU:
            rows[best] = row
            overlap[:, best] = -1.0
    return rows


def _second(predicted: Array, head: Array, row: int) -> int:
    """Boxes beside the one that found the head which sit on it too: by overlap, or by a centre well inside it."""
    centre, half = (head[:2] + head[2:]) / 2, (head[2:] - head[:2]) / 2
    middle = (predicted[:, :2] + predicted[:, 2:]) / 2
    on_it = (iou_matrix(predicted, head[None])[:, 0] >= SECOND_BOX_IOU) | (np.abs(middle - centre) < 0.8 * half).all(
        axis=1
    )
    if row >= 0:
        on_it[row] = False
    return int(on_it.sum()) if row >= 0 else max(int(on_it.sum()) - 1, 0)


def _yaw_off(heads: Heads, rows: np.ndarray, truth: Array) -> Array:
    """(H,) wrapped yaw errors, infinite for heads that were not found."""
    off = np.full(len(truth), np.inf)
    hit = rows >= 0
    off[hit] = angle_errors(ZYX.angles(heads.rotation[rows[hit]])[:, 1], truth[hit])
    return off


def _ignored(boxes: Array, areas: Array) -> np.ndarray:
    """(N,) whether most of a box lies in an area that counts neither way."""
    if not len(areas) or not len(boxes):
        return np.zeros(len(boxes), bool)
    corner = np.minimum(boxes[:, None, 2:], areas[None, :, 2:]) - np.maximum(boxes[:, None, :2], areas[None, :, :2])
    own = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    return (np.maximum(corner, 0.0).prod(-1) / own[:, None] >= IGNORED_SHARE).any(axis=1)


def _size(boxes: Array) -> Array:
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0).prod(1))


def _head(raw: Any, where: str) -> tuple[Array, float]:
    sector = field(raw, "yaw_sector_deg", where)
    if sector not in SECTORS:
        raise UsageError(f"{where}: yaw_sector_deg {sector!r} is none of {', '.join(map(str, SECTORS))}")
    return _box(field(raw, "box", where), "box", where), float(sector)


def _box(values: Any, name: str, where: str) -> Array:
    box = numbers(values, 4, name, where)
    if not (box[2:] > box[:2]).all():
        raise UsageError(f"{where}: {name} {box.tolist()} has no area")
    if (box < 0).any():
        raise UsageError(f"{where}: {name} {box.tolist()} lies outside its image")
    return box


def _section(path: Path, name: str) -> list[Mapping[str, Any]]:
    raw = load_json(path)
    part = raw.get(name, []) if isinstance(raw, dict) else None
    if not isinstance(part, list):
        raise UsageError(f"{path} is no label file by eye: an object with lists 'people' and 'openpeople' is wanted")
    files = [(e.get("file"), e.get("view")) for e in part if isinstance(e, dict)]
    twice = next((f for f in files if files.count(f) > 1), None)
    if twice:
        raise UsageError(f"{path}: {name} holds '{twice[0]}' twice")
    return part


def _people_folder() -> Path:
    root = data_dir()
    if root is None or not (root / "people").is_dir():
        raise MissingDependencyError("no data: the folder people is not there (set HEADWAY_DATA)")
    return root / "people"


def _sheets_folder() -> Path:
    spec = importlib.util.find_spec("openpeople")
    if spec is None or not spec.origin:
        raise MissingDependencyError("openpeople is not installed: pip install openpeople")
    return Path(spec.origin).parent / "data" / "curated"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
