"""The pose of each followed head over time: a quaternion filter that weighs every sighting by its own sigma.

The state of a track is one rotation (head to semi-local axes, so that a turning camera does not turn the heads) and the
variance of its error per axis. Between two frames the variance grows as heads turn; a sighting pulls the rotation
towards itself along the shortest arc, by the share that the two variances give. A share of a network's error stays from
frame to frame (the same face, the same light): no number of sightings takes it away, so it is carried beside.

A sighting that is impossible (a network that sees a face where the back of the head is) is not believed once; two that
agree are: then the head has turned, and the filter starts there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headway.arrays import some
from headway.geometry import Array, quaternion_from_rotation
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
        self._poses: dict[int, _Pose] = {}
        self._stamp_ns = 0

    def __call__(self, tracks: Tracks, heads: Heads, axes: Array) -> Tracks:
        """Tracks with poses. axes: (3, 3) camera optical frame -> semi-local axes, of this frame.

        head_rotation is NaN for a track of which no head has been seen yet.
        """
        self._carry(tracks)
        ids, index = tracks.ids.tolist(), np.asarray(tracks.head_index)
        seen = ((index >= 0) & (index < len(heads))).nonzero()[0]
        if len(seen):
            picked = index.take(seen)
            sighting = quaternion_from_rotation(np.asarray(axes, float) @ heads.rotation.take(picked, 0))
            sigma_deg = heads.sigma_deg.take(picked).tolist()
            for row, quaternion, degrees in zip(seen.tolist(), sighting.tolist(), sigma_deg, strict=True):
                # Heads may come from another node's message: what is no rotation must not stay in the filter.
                if abs(sum(v * v for v in quaternion) - 1.0) < 1e-6 and math.isfinite(degrees):
                    degrees = min(max(degrees, SMALLEST_SIGMA_DEG), 180.0)
                    self._take_in(ids[row], quaternion, (math.radians(degrees) * SIGMA_TO_AXIS) ** 2)
        return self._report(tracks, ids)

    def _carry(self, tracks: Tracks) -> None:
        """Forgets tracks that are no more; lets the others age."""
        older = TURN_VARIANCE * (max(tracks.stamp_ns - self._stamp_ns, 0) * 1e-9)
        self._stamp_ns = tracks.stamp_ns
        known, self._poses = self._poses, {}
        for identity in tracks.ids.tolist():
            if identity in known:
                pose = self._poses[identity] = known[identity]
                pose.variance += older

    def _take_in(self, identity: int, sighting: Quaternion, variance: float) -> None:
        noise, common = (1.0 - COMMON_SHARE) * variance, COMMON_SHARE * variance
        pose = self._poses.get(identity)
        if pose is None:
            self._poses[identity] = _Pose(sighting, noise, common)
            return
        turn = multiply(conjugate(pose.quaternion), sighting)
        if angle_of(turn) ** 2 <= GATE * (pose.variance + noise):
            gain = pose.variance / (pose.variance + noise)
            pose.quaternion = multiply(pose.quaternion, part_of(turn, gain))
            pose.variance *= 1.0 - gain
            pose.common += gain * (common - pose.common)
            pose.doubted = None
        elif pose.doubted and angle_of(multiply(conjugate(pose.doubted), sighting)) ** 2 <= GATE * 2.0 * noise:
            self._poses[identity] = _Pose(sighting, noise, common)
        else:
            pose.doubted = sighting

    def _report(self, tracks: Tracks, ids: list[int]) -> Tracks:
        rows = [
            self._poses[identity].seen_from(*place) if identity in self._poses else _UNKNOWN
            for identity, place in zip(ids, tracks.position.tolist(), strict=True)
        ]
        table = np.array(rows, float).reshape(-1, 11)
        rotation, sigma_deg, angle_deg = table[:, :9].reshape(-1, 3, 3), table[:, 9].copy(), table[:, 10]
        attention = looking_probability(angle_deg, sigma_deg)
        unknown = np.isnan(sigma_deg)
        if some(unknown):
            attention[unknown] = np.nan
        return replace(tracks, head_rotation=rotation, head_sigma_deg=sigma_deg, attention=attention)


_UNKNOWN = [math.nan] * 11


@dataclass
class _Pose:
    """What is known of one head. Variances in rad² per axis: of what is independent from frame to frame, and of what is
    not; doubted: the sighting that was not believed."""

    quaternion: Quaternion
    variance: float
    common: float
    doubted: Quaternion | None = None

    def seen_from(self, px: float, py: float, pz: float) -> list[float]:
        """Nine numbers of the rotation, sigma in degrees, and by how many degrees a head at (px, py, pz) metres from
        the camera looks past it."""
        rotation = rotation_of(self.quaternion)
        spread = math.sqrt(self.variance + self.common) / SIGMA_TO_AXIS
        sigma_deg = min(max(math.degrees(spread), SMALLEST_SIGMA_DEG), 180.0)
        away = max(math.sqrt(px * px + py * py + pz * pz), 1e-9)
        cosine = (rotation[2] * px + rotation[5] * py + rotation[8] * pz) / away
        return [*rotation, sigma_deg, math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))]


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


Quaternion = Sequence[float]
"""x, y, z, w, of unit length. In Python's numbers: for a handful of heads numpy's calls cost five times as much."""


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """The rotation b, then a."""
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(q: Quaternion) -> Quaternion:
    """The inverse."""
    x, y, z, w = q
    return -x, -y, -z, w


def angle_of(q: Quaternion) -> float:
    """Angle in radians, 0 to pi: the shorter way round."""
    x, y, z, w = q
    return 2.0 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w))


def part_of(q: Quaternion, share: float) -> Quaternion:
    """The turn by `share`, 0 to 1, of its angle about the same axis, the shorter way round."""
    x, y, z, w = q
    sine = math.sqrt(x * x + y * y + z * z)
    half = share * math.atan2(sine, abs(w))
    scale = math.sin(half) / sine if sine > 1e-150 else share  # sin(x) / x is 1 where there is hardly a turn
    if w < 0.0:
        scale = -scale
    return scale * x, scale * y, scale * z, math.cos(half)


def rotation_of(q: Quaternion) -> list[float]:
    """The rotation matrix, row by row."""
    x, y, z, w = q
    s = 2.0 / (x * x + y * y + z * z + w * w)  # what rounding has done to the length
    xx, yy, zz, xy, xz, yz = s * x * x, s * y * y, s * z * z, s * x * y, s * x * z, s * y * z
    wx, wy, wz = s * w * x, s * w * y, s * w * z
    return [1.0 - yy - zz, xy - wz, xz + wy, xy + wz, 1.0 - xx - zz, yz - wx, xz - wy, yz + wx, 1.0 - xx - yy]
