"""The pedestrians of a label file of `kitti_tracking`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Labelled:
    """Pedestrians of a sequence. ids (P,); place (F, P, 3) m, rectified camera, bottom of the box; height (F, P) m."""

    ids: NDArray[np.int64]
    place: Array
    height: Array


def labelled(label: Path, frames: int) -> Labelled:
    """Reads the pedestrians of a label file."""
    rows = [line.split() for line in label.read_text().splitlines() if " Pedestrian " in line]
    ids, column = np.unique(np.array([int(r[1]) for r in rows], np.int64), return_inverse=True)
    place, height = np.full((frames, len(ids), 3), np.nan), np.full((frames, len(ids)), np.nan)
    for row, person in zip(rows, column, strict=True):
        if int(row[0]) < frames:
            place[int(row[0]), person] = [float(v) for v in row[13:16]]
            height[int(row[0]), person] = float(row[10])
    return Labelled(ids, place, height)
