"""Recorded pedestrians seen from one of them: every `eth_ucy` pedestrian in turn wears the camera.

What is simulated: a camera of 90 degrees at 15 Hz whose wearer looks where they walk plus a wandering of the head; who
is outside the picture, further than 12 m or behind somebody nearer is not seen; measured positions carry white noise.
The orientation is exact, there is no odometry (HEADS-UP has none) unless it is asked for, heads are found whenever they
can be seen. Between the recorded points, 0.4 s apart, people follow a cubic spline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from headway.evaluate.egocentric_boxes import CAMERA, head_boxes, head_heights, lifted
from headway.evaluate.pedestrians import STEP_S, Recording
from headway.geometry import OPTICAL_TO_BODY
from headway.stages.existence import CERTAIN
from headway.stages.lift import PIXEL_SIGMA, Sightings
from headway.stages.tracks import TrackConfig
from headway.types import Camera, Odometry, Tracks, View

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

HEAD_SIZE = "head-size"
"""Level of noise at which ranges come from the size of heads, as they do on a device without depth."""
START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Wearing:
    """How the camera sees. head_sigma_deg and head_time_s: the head's wandering about the walking direction (an
    Ornstein-Uhlenbeck process), our assumption: the recordings do not show heads. head_size_sigma: relative spread of
    the heights of heads, where ranges come from them (see `egocentric_boxes`; `noise_m` counts for nothing then); 0:
    people are measured in space. camera, jitter_px: of the pictures that boxes are measured in."""

    rate: float = 15.0
    noise_m: float = 0.03
    view_deg: float = 90.0
    reach_m: float = 12.0
    shoulder_m: float = 0.2
    head_sigma_deg: float = 18.0
    head_time_s: float = 1.0
    odometry: bool = False
    head_size_sigma: float = 0.0
    camera: Camera = CAMERA
    jitter_px: float = PIXEL_SIGMA


def at_level(how: Wearing, level: str) -> Wearing:
    """The same camera at a level of noise: metres as a number, or HEAD_SIZE."""
    if level == HEAD_SIZE:
        return replace(how, head_size_sigma=TrackConfig().head_size_sigma)
    return replace(how, noise_m=float(level))


def level_words(level: str) -> str:
    """A level of noise in words."""
    return "range from the size of heads" if level == HEAD_SIZE else f"{100 * float(level):g} cm of noise"


@dataclass(frozen=True)
class Walk:
    """One wearer's time in a recording. F frames, P people (the wearer excluded).

    relative (F, P, 2) true positions seen from the wearer, world axes, NaN where somebody is not there; seen (F, P);
    measured (F, P, 2) with noise, NaN where not seen; yaw (F,) of the camera; ids (P,); velocity (F, 2) m/s of the
    camera, None where there is no odometry; boxes (F, P, 4) of heads in pixels, None where people are measured in
    space.
    """

    name: str
    rate: float
    noise_m: float
    ids: NDArray[np.int64]
    relative: Array
    seen: Mask
    measured: Array
    yaw: Array
    velocity: Array | None = None
    boxes: Array | None = None
    camera: Camera = CAMERA

    def without_odometry(self) -> Walk:
        """The same walk of a camera that does not know how it moves."""
        return replace(self, velocity=None)

    @property
    def distance(self) -> Array:
        """(F, P) metres, NaN where somebody is not there."""
        return np.linalg.norm(self.relative, axis=-1)

    def stamp_ns(self, frame: int) -> int:
        """Stamp of a frame; a second walk continues on the clock of its own."""
        return START_NS + round(frame / self.rate * 1e9)

    def view(self, frame: int) -> View:
        """What the camera knows of itself: orientation, a nominal lens, odometry where it has one."""
        c, s = np.cos(self.yaw[frame]), np.sin(self.yaw[frame])
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        stamp = self.stamp_ns(frame)
        odometry = None
        if self.velocity is not None:
            odometry = Odometry(stamp, np.append(self.velocity[frame], 0.0), 0.0)
        return View(stamp_ns=stamp, camera=self.camera, orientation=turn @ OPTICAL_TO_BODY, odometry=odometry)

    def sightings(self, frame: int) -> Sightings:
        """What the camera sees, in the order of `ids`; `index` is the column of the person."""
        index = np.flatnonzero(self.seen[frame])
        if self.boxes is not None:
            return lifted(self.boxes[frame, index], index, np.asarray(self.view(frame).orientation), self.camera)
        n = len(index)
        place = np.column_stack([self.measured[frame, index], np.zeros(n)])
        noise = np.broadcast_to(np.eye(2) * max(self.noise_m, 0.01) ** 2, (n, 2, 2))
        unknown, certain = np.full((n, 2), np.nan), np.full(n, CERTAIN)
        return Sightings(place, noise, np.zeros((n, 2, 2)), index, np.ones(n), unknown, certain)


class Columns:
    """Whom each track looks at, as a column of the walk.

    UNKNOWN: a track that nobody has seen since it is reported: it began beyond the nearest `max_people`, and somebody
    nearer has gone.
    """

    UNKNOWN = -1

    def __init__(self) -> None:
        self._column: dict[int, int] = {}

    def __call__(self, tracks: Tracks) -> list[int]:
        """Of every track, in their order."""
        seen = tracks.head_index >= 0
        self._column |= dict(zip(tracks.ids[seen].tolist(), tracks.head_index[seen].tolist(), strict=True))
        return [self._column.get(i, self.UNKNOWN) for i in tracks.ids.tolist()]


def rows_of(columns: list[int]) -> dict[int, int]:
    """Column of a person -> the first row in which they are."""
    return {c: r for r, c in reversed(list(enumerate(columns))) if c != Columns.UNKNOWN}


def dense(recording: Recording, rate: float) -> Array:
    """(frames at `rate`, P, 2): each person's unbroken runs as cubic splines, NaN outside."""
    steps = len(recording.positions)
    times = np.arange(0, (steps - 1) * STEP_S + 1e-9, 1 / rate)
    out = np.full((len(times), len(recording.ids), 2), np.nan)
    here = np.isfinite(recording.positions[..., 0])
    for person in range(len(recording.ids)):
        for first, last in runs(here[:, person]):
            inside = (times >= first * STEP_S - 1e-9) & (times <= last * STEP_S + 1e-9)
            points = recording.positions[first : last + 1, person]
            if last > first:
                grid = np.arange(first, last + 1) * STEP_S
                out[inside, person] = CubicSpline(grid, points, bc_type="natural")(times[inside])
            else:
                out[inside, person] = points[0]
    return out


def runs(mask: Mask) -> Iterator[tuple[int, int]]:
    """(first, last) of every unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    for first, after in edges.reshape(-1, 2):
        yield int(first), int(after - 1)


def wearers(recording: Recording, count: int, shortest_s: float = 6.0) -> list[int]:
    """Up to `count` columns, evenly spread over those who are there for `shortest_s` without a break."""
    here = np.isfinite(recording.positions[..., 0])
    long = [
        p
        for p in range(len(recording.ids))
        if max((b - a for a, b in runs(here[:, p])), default=0) * STEP_S >= shortest_s
    ]
    if len(long) <= count:
        return long
    return [long[i] for i in np.linspace(0, len(long) - 1, count).round().astype(int)]


def longest_stay(positions: Array, person: int) -> slice:
    """Frames of the longest unbroken stay of one of `positions` (F, P, 2)."""
    first, last = max(runs(np.isfinite(positions[:, person, 0])), key=lambda r: r[1] - r[0])
    return slice(first, last + 1)


def walk(recording: Recording, positions: Array, wearer: int, how: Wearing, random: np.random.Generator) -> Walk:
    """What person `wearer` of `positions` (from `dense`) would see on their longest unbroken stay."""
    frames = longest_stay(positions, wearer)
    own = positions[frames, wearer]
    others = np.delete(np.arange(positions.shape[1]), wearer)
    others = others[np.isfinite(positions[frames][:, others, 0]).any(axis=0)]
    relative = positions[frames][:, others] - own[:, None]
    yaw = walking_yaw(own, how.rate) + head_wander(len(own), how, random)
    seen = visible(relative, yaw, how)
    measured = np.where(seen[..., None], relative + how.noise_m * random.normal(size=relative.shape), np.nan)
    name = f"{recording.name}/{recording.ids[wearer]}"
    velocity = np.gradient(own, 1 / how.rate, axis=0) if how.odometry else None
    found = Walk(name, how.rate, how.noise_m, recording.ids[others], relative, seen, measured, yaw, velocity)
    return _by_size(found, how, random) if how.head_size_sigma else found


def _by_size(found: Walk, how: Wearing, random: np.random.Generator) -> Walk:
    """The same walk of a camera that measures boxes of heads; who cannot be placed by theirs is not seen."""
    heights = head_heights(len(found.ids), how.head_size_sigma, random)
    boxes = head_boxes(found.relative, found.yaw, heights, random, how.camera, how.jitter_px)
    found = replace(found, boxes=boxes, camera=how.camera)
    measured = np.full_like(found.measured, np.nan)
    for frame in range(len(found.seen)):
        sightings = found.sightings(frame)
        measured[frame, sightings.index] = sightings.position[:, :2]
    return replace(found, measured=measured, seen=np.isfinite(measured[..., 0]))


def walking_yaw(own: Array, rate: float) -> Array:
    """(F, 2) -> (F,) radians: the direction walked over about a second; somebody who stands keeps the last one."""
    half = max(1, round(rate / 2))
    ahead = own[np.minimum(np.arange(len(own)) + half, len(own) - 1)]
    behind = own[np.maximum(np.arange(len(own)) - half, 0)]
    moved = ahead - behind
    walking = np.linalg.norm(moved, axis=1) > 0.15
    yaw = np.arctan2(moved[:, 1], moved[:, 0])
    if not walking.any():
        return np.zeros(len(own))
    last = np.maximum.accumulate(np.where(walking, np.arange(len(own)), -1))
    return np.unwrap(yaw[np.where(last >= 0, last, np.argmax(walking))])


def head_wander(frames: int, how: Wearing, random: np.random.Generator) -> Array:
    """(frames,) radians of the head about the walking direction."""
    keep = np.exp(-1 / (how.rate * how.head_time_s))
    sigma = np.radians(how.head_sigma_deg)
    angle = np.zeros(frames)
    angle[0] = sigma * random.normal()
    for i in range(1, frames):
        angle[i] = keep * angle[i - 1] + sigma * np.sqrt(1 - keep**2) * random.normal()
    return angle


def visible(relative: Array, yaw: Array, how: Wearing) -> Mask:
    """relative (F, P, 2), yaw (F,) -> (F, P): inside the picture, near enough, and not behind somebody nearer."""
    distance = np.linalg.norm(relative, axis=-1)
    bearing = np.arctan2(relative[..., 1], relative[..., 0])
    with np.errstate(invalid="ignore"):
        aside = np.abs(np.angle(np.exp(1j * (bearing - yaw[:, None]))))
        inside = (aside <= np.radians(how.view_deg / 2)) & (distance <= how.reach_m) & (distance > 0.2)
        apart = np.abs(np.angle(np.exp(1j * (bearing[:, :, None] - bearing[:, None, :]))))
        covers = apart < np.arctan2(how.shoulder_m, distance)[:, None, :]
        nearer = distance[:, None, :] < distance[:, :, None] - 0.3
    return inside & ~(covers & nearer).any(axis=2)
