"""What the columns of a head-pose network's candidates mean: rows in, boxes, scores and rotations out. Pure numpy.

Two kinds of network are known by the columns that their manifest names: headway's own (box, score, rotation, log_sigma)
and the published DirectMHP (centre, size, objectness, class, euler), imported with `headway import directmhp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headway.errors import ModelError
from headway.geometry import Array, rotation_from_6d, rotation_from_euler
from headway.runtime.manifest import TensorSpec

SMALLEST_SIGMA_DEG = 0.5
"""No pose label is better than this, so no head is surer."""

EULER_SPAN_DEG = (180.0, 360.0, 180.0)
"""DirectMHP: pitch, yaw and roll are (sigmoid - 0.5) times this."""

DEFAULT_SIGMA_DEG = 23.0
"""Expected error of a reference model whose manifest says none: the norm of DirectMHP-S' published mean errors in
pitch, yaw and roll on AGORA-HPE (12.98, 14.98, 11.72). The network itself says nothing of how sure it is."""


class Columns(Protocol):
    """How the rows (n, C) of one kind of network are read.

    ray_relative: whether rotations are relative to the viewing ray (identity = facing the lens wherever in the image)
    or already in the camera's axes.
    """

    @property
    def ray_relative(self) -> bool:
        """See above."""
        ...

    def scores(self, rows: Array) -> Array:
        """(n, C) -> (n,) scores 0..1, falling."""
        ...

    def boxes(self, rows: Array) -> Array:
        """(n, C) -> (n, 4) xyxy, pixels of the network's input."""
        ...

    def poses(self, rows: Array) -> tuple[Array, Array]:
        """(n, C) -> rotation (n, 3, 3) and sigma_deg (n,)."""
        ...


@dataclass(frozen=True)
class HeadwayColumns:
    """Box xyxy, score, nine numbers of a rotation (row-major), ln of the expected error in radians."""

    box: slice
    score: slice
    rotation: slice
    log_sigma: slice
    ray_relative: bool = True

    def scores(self, rows: Array) -> Array:
        """See Columns.scores."""
        return rows[:, self.score][:, 0]

    def boxes(self, rows: Array) -> Array:
        """See Columns.boxes."""
        return rows[:, self.box]

    def poses(self, rows: Array) -> tuple[Array, Array]:
        """See Columns.poses. The nine numbers are made a rotation again: a half-precision engine leaves none."""
        nine = rows[:, self.rotation].astype(float).reshape(-1, 3, 3)
        rotation = rotation_from_6d(np.concatenate([nine[:, :, 0], nine[:, :, 1]], axis=1))
        sigma_deg = np.degrees(np.exp(rows[:, self.log_sigma][:, 0].astype(float)))
        return rotation, np.minimum(np.maximum(sigma_deg, SMALLEST_SIGMA_DEG), 180.0)


@dataclass(frozen=True)
class DirectMhpColumns:
    """Box centre and size, then five sigmoids: objectness, class, pitch, yaw, roll. Score = objectness x class.

    Its labels are camera rotations, so its angles are in the camera's axes.
    """

    centre: slice
    size: slice
    objectness: slice
    category: slice
    euler: slice
    sigma_deg: float = DEFAULT_SIGMA_DEG
    ray_relative: bool = False

    def scores(self, rows: Array) -> Array:
        """See Columns.scores."""
        return rows[:, self.objectness][:, 0] * rows[:, self.category][:, 0]

    def boxes(self, rows: Array) -> Array:
        """See Columns.boxes."""
        centre, half = rows[:, self.centre], rows[:, self.size] / 2
        return np.concatenate([centre - half, centre + half], axis=1)

    def angles_deg(self, rows: Array) -> Array:
        """(n, C) -> (n, 3) pitch, yaw, roll in degrees, published convention."""
        return (rows[:, self.euler].astype(float) - 0.5) * EULER_SPAN_DEG

    def poses(self, rows: Array) -> tuple[Array, Array]:
        """See Columns.poses."""
        pitch, yaw, roll = self.angles_deg(rows).T
        return rotation_from_euler(pitch, yaw, roll), np.full(len(rows), self.sigma_deg)


def columns_of(output: TensorSpec, config: Mapping[str, Any]) -> Columns:
    """The reader for a manifest's output; raises ModelError naming the column that is missing."""
    if "objectness" in output.columns:
        return DirectMhpColumns(
            centre=output.column("centre"),
            size=output.column("size"),
            objectness=output.column("objectness"),
            category=output.column("class"),
            euler=output.column("euler"),
            sigma_deg=_sigma(config),
        )
    return HeadwayColumns(
        box=output.column("box"),
        score=output.column("score"),
        rotation=output.column("rotation"),
        log_sigma=output.column("log_sigma"),
    )


def _sigma(config: Mapping[str, Any]) -> float:
    value = config.get("sigma_deg", DEFAULT_SIGMA_DEG)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not SMALLEST_SIGMA_DEG <= value <= 180.0:
        raise ModelError(f"config.sigma_deg is {value!r}: degrees within {SMALLEST_SIGMA_DEG}..180 are wanted")
    return float(value)
