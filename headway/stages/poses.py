"""The pose of each followed head over time: a quaternion filter that weighs every sighting by its own sigma.

The state of a track is one rotation (head to semi-local axes, so that a turning camera does not turn the heads) and the
variance of its error per axis. Between two frames the variance grows as heads turn; a sighting pulls the rotation
towards itself along the shortest arc, by the share that the two variances give. A share of a network's error stays from
frame to frame (the same face, the same light): no number of sightings takes it away, so it is carried beside.

A sighting that is impossible (a network that sees a face where the back of the head is) is not believed once; two that
agree are: then the head has turned, and the filter starts there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headway.arrays import finite, some
from headway.geometry import Array, quaternion_from_rotation, rotation_from_quaternion
from headway.stages.head_columns import SMALLEST_SIGMA_DEG
from headway.stages.heads import SIGMA_TO_AXIS, looking_probability
from headway.types import Heads, Tracks

TURN_DEG = 20.0
"""How far a head turns about each axis in a second, standard deviation: most heads are nearly still most of the time. A
head that looks round at 150 degrees a second is followed 5 degrees behind at 15 Hz and sigma 10."""
TURN_VARIANCE = float(np.radians(TURN_DEG) ** 2)

COMMON_SHARE = 0.5
"""Share of a sighting's error variance that the next sighting of the same head repeats."""

GATE = 16.27
"""Squared Mahalanobis distance (3 degrees of freedom) beyond which a sighting is not believed: 0.1 % of right ones."""


class PoseFilter:
    """Adds head_rotation, head_sigma_deg and attention to tracks. Call once a frame, after the tracks."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._stamp_ns = 0
        self._quaternion = np.zeros((0, 4))  # x, y, z, w
        self._variance = np.zeros(0)  # rad^2 per axis, of what is independent from frame to frame
        self._common = np.zeros(0)  # rad^2 per axis, of what is not
        self._doubted = np.zeros((0, 4))  # the sighting that was not believed; NaN: none

    def __call__(self, tracks: Tracks, heads: Heads, axes: Array) -> Tracks:
        """Tracks with poses. axes: (3, 3) camera optical frame -> semi-local axes, of this frame.

        head_rotation is NaN for a track of which no head has been seen yet.
        """
        self._carry(tracks)
        index = np.asarray(tracks.head_index)
        seen = ((index >= 0) & (index < len(heads))).nonzero()[0]
        if len(seen):
            picked = index.take(seen)
            rotation = np.asarray(heads.rotation, float).take(picked, 0)
            sighting = quaternion_from_rotation(np.asarray(axes, float) @ rotation)
            sigma_deg = np.asarray(heads.sigma_deg, float).take(picked)
            sigma_deg = np.minimum(np.maximum(sigma_deg, SMALLEST_SIGMA_DEG), 180.0)
            # Heads may come from another node's message: one number that is none must not stay in the filter.
            if not (finite(sighting) and finite(sigma_deg)):
                good = np.isfinite(sighting).all(axis=1) & np.isfinite(sigma_deg)
                seen, sighting, sigma_deg = seen[good], sighting[good], sigma_deg[good]
            self._take_in(seen, sighting, (np.radians(sigma_deg) * SIGMA_TO_AXIS) ** 2)
        return self._report(tracks)

    def _carry(self, tracks: Tracks) -> None:
        """Sorts the state into the order of `tracks`; lets it age."""
        ids = tracks.ids.tolist()
        if ids != list(self._rows):
            self._sort(ids)
        self._variance += TURN_VARIANCE * (max(tracks.stamp_ns - self._stamp_ns, 0) * 1e-9)
        self._stamp_ns = tracks.stamp_ns

    def _sort(self, ids: list[int]) -> None:
        rows = np.array([self._rows.get(i, -1) for i in ids], int)
        known = rows >= 0
        kept, n = rows[known], len(rows)
        before = (self._quaternion, self._variance, self._common, self._doubted)
        self._quaternion, self._variance = np.full((n, 4), np.nan), np.full(n, np.nan)
        self._common, self._doubted = np.full(n, np.nan), np.full((n, 4), np.nan)
        for new, was in zip((self._quaternion, self._variance, self._common, self._doubted), before, strict=True):
            new[known] = was[kept]
        self._rows = {i: row for row, i in enumerate(ids)}

    def _take_in(self, rows: np.ndarray, sighting: Array, variance: Array) -> None:
        noise, common = (1.0 - COMMON_SHARE) * variance, COMMON_SHARE * variance
        prior, quaternion = self._variance.take(rows), self._quaternion.take(rows, 0)
        off = Turn(multiply(conjugate(quaternion), sighting))
        fresh = np.isnan(prior)
        with np.errstate(invalid="ignore"):
            far = off.angle**2 > GATE * (prior + noise)
        if not some(far | fresh):  # nearly always: the plain step, without a choice for each head
            gain = prior / (prior + noise)
            self._quaternion[rows] = multiply(quaternion, off.part(gain))
            self._variance[rows] = (1.0 - gain) * prior
            self._common[rows] += gain * (common - self._common[rows])
            self._doubted[rows] = np.nan
            return
        restart = fresh
        if some(far):
            again = Turn(multiply(conjugate(self._doubted[rows]), sighting))
            with np.errstate(invalid="ignore"):
                restart = fresh | (far & (again.angle**2 <= GATE * (2 * noise)))
        believed = ~far & ~fresh
        gain = np.where(believed, prior / (prior + noise), 0.0)
        moved = multiply(quaternion, off.part(gain))
        self._quaternion[rows] = np.where((restart | fresh)[:, None], sighting, moved)
        self._variance[rows] = np.where(restart, noise, (1.0 - gain) * np.where(fresh, noise, prior))
        held = np.where(fresh, common, self._common[rows])
        self._common[rows] = np.where(restart, common, held + gain * (common - held))
        self._doubted[rows] = np.where((far & ~restart)[:, None], sighting, np.nan)

    def _report(self, tracks: Tracks) -> Tracks:
        # NaN for who was never seen goes through all of it and comes out as NaN.
        rotation = rotation_from_quaternion(self._quaternion)
        spread = np.sqrt(self._variance + self._common) / SIGMA_TO_AXIS
        sigma_deg = np.minimum(np.maximum(np.degrees(spread), SMALLEST_SIGMA_DEG), 180.0)
        place = np.asarray(tracks.position, float)
        x, y, z = place.T
        away = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)
        cosine = np.add.reduce(rotation[:, :, 2] * place, 1) / away
        angle_deg = np.degrees(np.arccos(np.minimum(np.maximum(cosine, -1.0), 1.0)))
        attention = looking_probability(angle_deg, sigma_deg)
        unknown = np.isnan(self._variance)
        if some(unknown):
            attention[unknown] = np.nan
        return replace(tracks, head_rotation=rotation, head_sigma_deg=sigma_deg, attention=attention)


def with_track_poses(heads: Heads, tracks: Tracks, axes: Array) -> Heads:
    """Heads whose rotation, sigma and attention are those of their tracks, where they have one. axes: (3, 3) camera
    optical frame -> semi-local axes, of this frame."""
    if tracks.head_rotation is None or tracks.head_sigma_deg is None or tracks.attention is None:
        return heads
    index = np.asarray(tracks.head_index)
    rows = ((index >= 0) & (index < len(heads)) & np.isfinite(tracks.head_sigma_deg)).nonzero()[0]
    if not len(rows):
        return heads
    rotation, sigma, attention = heads.rotation.copy(), heads.sigma_deg.copy(), heads.attention.copy()
    heads_of = index.take(rows)
    rotation[heads_of] = np.asarray(axes, float).T @ tracks.head_rotation.take(rows, 0)
    sigma[heads_of], attention[heads_of] = tracks.head_sigma_deg.take(rows), tracks.attention.take(rows)
    return Heads(heads.boxes, heads.scores, rotation, sigma, attention)


_INVERSE = np.array([-1.0, -1.0, -1.0, 1.0])


def multiply(a: Array, b: Array) -> Array:
    """Product of quaternions (n, 4) x, y, z, w: the rotation b, then a."""
    # As matrices of the first: two products cost a third of numpy's sums column by column.
    return np.asarray(((a @ _LEFT).reshape(-1, 4, 4) @ b[:, :, None])[..., 0])


_LEFT: Array = np.zeros((4, 16))
"""(4, 16): x, y, z, w of a quaternion -> the matrix (4, 4) that multiplies another one from the left."""
for _row, _terms in enumerate(("+w-z+y+x", "+z+w-x+y", "-y+x+w+z", "-x-y-z+w")):
    for _column, (_sign, _part) in enumerate(zip(_terms[::2], _terms[1::2], strict=True)):
        _LEFT["xyzw".index(_part), 4 * _row + _column] = float(f"{_sign}1")


def conjugate(q: Array) -> Array:
    """The inverse of unit quaternions (..., 4)."""
    return q * _INVERSE


class Turn:
    """Rotations given as unit quaternions (n, 4), the shorter way round. angle: (n,) radians, 0 to pi."""

    def __init__(self, quaternion: Array) -> None:
        axis, cosine = quaternion[:, :3], quaternion[:, 3]
        self._axis = np.where(cosine < 0, -1.0, 1.0)[:, None] * axis
        self._sine = np.sqrt(np.add.reduce(axis * axis, 1))
        self._half = np.arctan2(self._sine, np.abs(cosine))
        self.angle = 2.0 * self._half

    def part(self, share: Array) -> Array:
        """(n, 4) the unit quaternions that turn by `share` (n,), 0 to 1, of each angle about the same axes."""
        half = share * self._half
        found = np.empty((len(half), 4))
        # sin(x) / x is 1 where there is hardly a turn, and no axis to divide by.
        found[:, :3] = (np.maximum(np.sin(half), 1e-150 * share) / np.maximum(self._sine, 1e-150))[:, None] * self._axis
        found[:, 3] = np.cos(half)
        return found
