"""What every reader asks of a label file. Each failure is one line that names the file, the label and the field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import UsageError
from headway.geometry import Array, geodesic_deg, rotation_from_6d, rotation_to_6d

ROTATION_TOLERANCE_DEG = 1.0
"""A label whose nine numbers are further than this from a rotation is an error in the file, not rounding."""

LARGEST_DEG = (90.0, 180.0, 180.0)
"""Pitch, yaw and roll of any rotation fit into these; a value beyond is in the wrong unit or the wrong column."""

ROUNDING_DEG = 0.01


def load_json(path: Path) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, a number of 5,000 digits
        raise UsageError(f"{path} cannot be read: {error}") from None


def inside(folder: Path, name: Any) -> Path:
    """The path of an image that a label file names; it may not lead out of the folder."""
    if not isinstance(name, str) or not name:
        raise UsageError(f"{folder}: image name {name!r} is no file name")
    path = folder / name
    try:
        leads_out = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # too long, NUL, half a surrogate pair; links in a circle
        raise UsageError(f"{folder}: image name {name[:80]!r} is no file name: {error}") from None
    if leads_out:
        raise UsageError(f"{folder}: image name '{name}' leads out of the folder")
    return path


def field(label: Any, name: str, where: str) -> Any:
    """One field of a label."""
    if not isinstance(label, dict):
        raise UsageError(f"{where} is no object with named fields")
    if name not in label:
        raise UsageError(f"{where}: field '{name}' is missing")
    return label[name]


def identity(label: Any, name: str, where: str) -> int | str:
    """The field of a label that names something: a whole number or a text."""
    found = field(label, name, where)
    if not isinstance(found, (int, str)):
        raise UsageError(f"{where}: {name} {_short(found)} is no identifier")
    return found


def numbers(values: Any, count: int, name: str, where: str) -> Array:
    """(count,) finite float64 from a list in a file, nested or not."""
    try:
        array = np.asarray(values, float).ravel()
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {name} {_short(values)} is not {count} numbers") from None
    if len(array) != count:
        raise UsageError(f"{where}: {name} {_short(values)} is not {count} numbers")
    if not np.isfinite(array).all():
        raise UsageError(f"{where}: {name} {_short(values)} holds NaN or infinity")
    return array


def box_xyxy(values: Any, name: str, where: str, size: tuple[int, int] | None = None) -> Array:
    """[x, y, w, h] -> (4,) xyxy, cut at the image, which it must overlap, where `size` (width, height) is known."""
    x, y, w, h = numbers(values, 4, name, where)
    if w <= 0 or h <= 0:
        raise UsageError(f"{where}: {name} {_short(values)} has no area")
    box = np.array([x, y, x + w, y + h])
    if size is None:
        return box
    cut = box.clip(0, [*size, *size])
    if cut[2] - cut[0] <= 0 or cut[3] - cut[1] <= 0:
        raise UsageError(f"{where}: {name} {_short(values)} lies outside its image of {size[0]}x{size[1]}")
    return cut


def angles_deg(values: Any, name: str, where: str) -> Array:
    """(3,) pitch, yaw, roll in degrees, within what a rotation can have."""
    angles = numbers(values, 3, name, where)
    beyond = np.abs(angles) > np.array(LARGEST_DEG) + ROUNDING_DEG
    if beyond.any():
        which = int(np.argmax(beyond))
        part = ("pitch", "yaw", "roll")[which]
        raise UsageError(f"{where}: {name} has {part} {angles[which]:g}, outside ±{LARGEST_DEG[which]:g} degrees")
    return angles


def share(value: Any, name: str, where: str) -> float:
    """A number within 0..1."""
    found = float(numbers([value], 1, name, where)[0])
    if not 0.0 <= found <= 1.0:
        raise UsageError(f"{where}: {name} {found:g} is outside 0..1")
    return found


def unique(ids: Iterable[Any], what: str, path: Path) -> None:
    """Refuses a list in which one id stands twice."""
    twice = [i for i, n in Counter(ids).items() if n > 1]
    if twice:
        raise UsageError(f"{path}: two {what} share one id ({_short(twice[0])})")


def proper_rotations(rotation: Array, path: Path) -> Array:
    """(M, 3, 3) as in the file -> exact rotations; refuses what is further from one than rounding."""
    clean = rotation_from_6d(rotation_to_6d(rotation))
    close = geodesic_deg(clean, rotation) < ROTATION_TOLERANCE_DEG
    proper = np.abs(rotation - clean).reshape(-1, 9).max(-1, initial=0.0) < np.radians(ROTATION_TOLERANCE_DEG)
    if not (close & proper).all():
        raise UsageError(f"{path}: the rotation of label {int(np.argmin(close & proper))} is not a rotation matrix")
    return clean


def _short(values: Any) -> str:
    text = repr(values)
    return text if len(text) <= 60 else text[:57] + "..."
