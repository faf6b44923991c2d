"""The text files of a sequence of `kitti_tracking`: labelled pedestrians, the car's motion, the calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError

Array = NDArray[np.floating]
T = TypeVar("T")

_PARTS = {"P0": (3, 4), "R_rect": (3, 3), "Tr_velo_cam": (3, 4), "Tr_imu_velo": (3, 4)}


@dataclass(frozen=True)
class Labelled:
    """Pedestrians of a sequence. ids (P,); place (F, P, 3) m, rectified camera, bottom of the box; height (F, P) m."""

    ids: NDArray[np.int64]
    place: Array
    height: Array


def labelled(label: Path, frames: int) -> Labelled:
    """Reads the pedestrians of a label file; UsageError as in all readers here: it names the file."""

    def parse(text: str) -> Labelled:
        rows = [line.split() for line in text.splitlines() if " Pedestrian " in line]
        ids, column = np.unique(np.array([int(r[1]) for r in rows], np.int64), return_inverse=True)
        place, height = np.full((frames, len(ids), 3), np.nan), np.full((frames, len(ids)), np.nan)
        for row, person in zip(rows, column, strict=True):
            if int(row[0]) < frames:
                place[int(row[0]), person] = _finite(row[13:16], (3,))
                height[int(row[0]), person] = _finite(row[10:11], (1,))[0]
        return Labelled(ids, place, height)

    return _parsed(label, parse)


def read_motion(path: Path) -> Array:
    """(F, 30) the oxts rows of a sequence."""

    def parse(text: str) -> Array:
        rows = [line.split() for line in text.splitlines() if line.strip()]
        if not rows:
            raise ValueError("no row")
        return np.array([_finite(row, (30,)) for row in rows])

    return _parsed(path, parse)


def read_calibration(path: Path) -> dict[str, Array]:
    """The matrices of _PARTS by their names."""

    def parse(text: str) -> dict[str, Array]:
        rows = {row[0].rstrip(":"): row[1:] for line in text.splitlines() if (row := line.split())}
        return {name: _finite(rows[name], shape) for name, shape in _PARTS.items()}

    return _parsed(path, parse)


def _finite(words: list[str], shape: tuple[int, ...]) -> Array:
    values = np.array([float(word) for word in words])
    if not np.isfinite(values).all():
        raise ValueError("a number that is not finite")
    return values.reshape(shape)


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError) as error:
        kind = path.parent.name
        raise UsageError(f"{path} is no {kind} file of kitti_tracking: {type(error).__name__} {error}") from error
