"""The tracks of one camera as columns of arrays, so that thirty people cost little more than one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.arrays import finite
from headway.stages.existence import running_mean
from headway.stages.lift import Sightings

Array = NDArray[np.floating]
Index = NDArray[np.integer]

HISTORY = 40
HISTORY_STEP_S = 0.1
"""Spacing of stored positions: 40 of them cover the 2.8 s that the predictor looks back, whatever the frame rate."""


@dataclass
class TrackTable:
    """All tracks as columns, n rows. Stamps in nanoseconds, 0 = none."""

    ids: NDArray[np.int64]
    state: Array  # (n, 4) local frame
    covariance: Array  # (n, 4, 4)
    bias: Array  # (n, 2, 2)
    height: Array  # (n,)
    born_ns: NDArray[np.int64]
    seen_ns: NDArray[np.int64]
    head: Array  # (n, 2)
    head_ns: NDArray[np.int64]
    rows: NDArray[np.int64]
    log_odds: Array  # (n,) mean over the sightings, newer ones count more
    sightings: Array  # (n,) in that mean, old ones counted less
    history: Array  # (n, HISTORY, 2) local frame, newest last
    history_ns: NDArray[np.int64]

    @classmethod
    def empty(cls) -> TrackTable:
        """No tracks."""
        return cls(*(np.zeros((0, *shape), kind) for shape, kind in _COLUMNS))

    def __len__(self) -> int:
        return len(self.ids)

    def columns(self) -> list[Array]:
        """All columns in the order of declaration."""
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def keep(self, wanted: NDArray[np.bool_] | Index) -> None:
        """Drops the rows that are not wanted (a mask, or row numbers)."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name)[wanted])

    def add(
        self, ids: NDArray[np.int64], seen: Array, height: Array, noise: Array, speed: float, stamp_ns: int
    ) -> None:
        """Starts tracks: seen (m, 2), height (m,), noise (m, 2, 2), speed = standard deviation of the velocity."""
        n = len(ids)
        covariance = np.zeros((n, 4, 4))
        covariance[:, :2, :2] = noise
        covariance[:, 2, 2] = covariance[:, 3, 3] = speed**2
        stamps = np.full(n, stamp_ns)
        fresh = [
            ids,
            np.column_stack([seen, np.zeros((n, 2))]),
            covariance,
            np.zeros((n, 2, 2)),
            height,
            stamps,
            stamps,
            np.full((n, 2), np.nan),
            np.zeros(n, np.int64),
            np.full(n, -1),
            np.zeros(n),
            np.zeros(n),
            np.full((n, HISTORY, 2), np.nan),
            np.zeros((n, HISTORY), np.int64),
        ]
        for name, old, new in zip(self.__dataclass_fields__, self.columns(), fresh, strict=True):
            setattr(self, name, np.concatenate([old, new]))

    def mark(self, rows: Index, sightings: Sightings, columns: Index, stamp_ns: int) -> None:
        """Notes what was seen of `rows` in this frame: the sightings in `columns`."""
        silent_s = (stamp_ns - self.seen_ns.take(rows)) * 1e-9
        self.log_odds[rows], self.sightings[rows] = running_mean(
            self.log_odds.take(rows), self.sightings.take(rows), sightings.log_odds.take(columns), silent_s
        )
        self.bias[rows], self.rows[rows], self.seen_ns[rows] = (
            sightings.bias.take(columns, 0),
            sightings.index.take(columns),
            stamp_ns,
        )
        direction = sightings.direction.take(columns, 0)
        if not finite(direction):
            known = np.isfinite(direction).all(axis=1)
            rows, direction = rows[known], direction[known]
        self.head[rows], self.head_ns[rows] = direction, stamp_ns

    def remember(self, stamp_ns: int) -> None:
        """Writes where everybody seen in this frame is into their history; nobody hidden gets an invented position.

        The newest entry is overwritten until it is HISTORY_STEP_S younger than the one before it.
        """
        seen = (self.rows >= 0).nonzero()[0]
        if not len(seen):
            return
        before, newest = self.history_ns[:, -2:].take(seen, 0).T
        full = seen[(newest > 0) & (newest - before >= 0.95e9 * HISTORY_STEP_S)]
        if len(full):
            self.history[full, :-1], self.history_ns[full, :-1] = self.history[full, 1:], self.history_ns[full, 1:]
        self.history[seen, -1], self.history_ns[seen, -1] = self.state.take(seen, 0)[:, :2], stamp_ns

    def forget_history(self) -> None:
        """Drops the stored positions of all tracks, not the tracks."""
        self.history[:], self.history_ns[:] = np.nan, 0


_COLUMNS: tuple[tuple[tuple[int, ...], type], ...] = (
    ((), np.int64),
    ((4,), float),
    ((4, 4), float),
    ((2, 2), float),
    ((), float),
    ((), np.int64),
    ((), np.int64),
    ((2,), float),
    ((), np.int64),
    ((), np.int64),
    ((), float),
    ((), float),
    ((HISTORY, 2), float),
    ((HISTORY,), np.int64),
)
