"""Follows people in space: heads in, tracks on the ground out.

Tracks live in a local frame with world-aligned axes whose origin is where the camera was at the first frame: the
odometry's velocity, where given, carries the camera through it, so that a track is the person's own motion. Without
odometry the camera stands still in that frame and a track is motion relative to the camera, as in HEADS-UP. On output
everything is shifted to the camera's place now, and velocities are relative to the camera.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.arrays import every, finite
from headway.config import Config, parameter
from headway.errors import FrameError
from headway.geometry import OPTICAL_TO_BODY
from headway.stages import kalman
from headway.stages.associate import associate
from headway.stages.existence import BELIEF
from headway.stages.lift import Sightings, by_size, lift
from headway.stages.poses import PoseFilter
from headway.stages.size_range import linear_in_size
from headway.stages.track_table import TrackTable
from headway.types import Camera, Frame, Heads, Tracks, View

Array = NDArray[np.floating]

_RESTART_S = 1.0
"""A stamp this far back is a new recording; less is a frame out of order."""
_STALE_ODOMETRY_S = 0.5
_FASTEST_MPS = 100.0
"""An odometry that claims more is broken."""
_BIAS_SHARE = 0.25
"""Share of the head-size error that is allowed for in gating: it is common to a track and its sightings."""
_HEAD_MEMORY_S = 0.5
_MOST_TILT_DEG = 60.0
"""No wearer and no vehicle holds a camera further from upright."""
_MOST_TRACKS = 128
"""A detector gone wild must not fill the memory: the nearest are kept."""


@dataclass(frozen=True)
class TrackConfig(Config):
    """Lifting, association and filtering of people."""

    head_size_m: float = parameter(
        0.23, "height of a head box in metres, chin to crown, where no depth is given", 0.1, 0.4
    )
    head_size_sigma: float = parameter(0.08, "relative spread of head heights among people", 0.01, 0.5)
    gate: float = parameter(
        13.8, "largest squared Mahalanobis distance of a match (13.8: 0.1 % of true ones lost)", 1.0, 100.0
    )
    acceleration: float = parameter(0.8, "unsteadiness of walking, m/s^2 per root Hz", 0.01, 10.0)
    acceleration_by_size: float = parameter(
        0.35, "the same where the range comes from the size of the head, which jitters", 0.01, 10.0
    )
    first_speed: float = parameter(1.5, "standard deviation of a new track's velocity per axis, m/s", 0.1, 20.0)
    max_unseen_s: float = parameter(0.8, "a track not seen for longer is dropped, seconds", 0.1, 5.0)
    birth_score: float = parameter(0.5, "a head below this score starts no track, it only goes on with one", 0.0, 1.0)
    max_people: int = parameter(32, "people reported at most, nearest first; the rest is counted", 1, 32)
    max_head_sigma_deg: float = parameter(
        45.0, "heads less certain than this give no head direction, degrees", 1.0, 180.0
    )


class TrackStage:
    """Keeps the tracks from frame to frame. Not thread-safe; one instance for one camera."""

    def __init__(self, config: TrackConfig | None = None) -> None:
        import scipy.optimize  # noqa: F401 - slow to load: at configure, not at a node's start or first frame

        self.config = config or TrackConfig()
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks; identities go on counting, so that none is ever used twice."""
        self._next_id = getattr(self, "_next_id", 0)
        self._stamp_ns: int | None = None
        self._camera_at = np.zeros(2)
        self._ego: Array | None = None
        self._oriented: bool | None = None
        self._orientation: Array | None = None
        self._oriented_ns = 0
        self._table = TrackTable.empty()
        self._poses = PoseFilter()

    def __call__(self, view: View, heads: Heads) -> Tracks:
        """Tracks at the view's stamp. Raises FrameError where the stamp is not after the one before."""
        c, camera = self.config, usable_camera(view)
        if camera is None:
            unsure = f"no usable camera_info{_other_size(view)}: people cannot be placed in space"
            return self.follow(dataclasses.replace(view, unsure=_joined(view.unsure, unsure)), None)
        rotation = camera_axes(view)
        limits = (c.head_size_m, c.head_size_sigma, c.max_head_sigma_deg)
        tracks = self.follow(view, lift(heads, camera, rotation, view.depth, *limits) if len(heads) else None)
        return self._poses(tracks, heads, rotation)

    def follow(self, view: View, sightings: Sightings | None) -> Tracks:
        """The same from people already placed in space, semi-local axes; None: nobody was seen.

        Where the orientation is missing for up to `max_unseen_s`, nobody can be placed among the tracks: they coast.
        """
        dt = self._advance(view.stamp_ns)
        if oriented_view(view):
            self._orientation, self._oriented_ns = view.orientation, view.stamp_ns
        elif self._was_oriented(view.stamp_ns):
            sightings, unsure = None, "no orientation at this frame: people are not placed in space"
            view = dataclasses.replace(view, orientation=self._orientation, unsure=_joined(view.unsure, unsure))
        reason = self._note_orientation(view)
        ego = _ego_velocity(view)
        self._move(dt, ego)
        table = self._table
        if len(table):
            unsteady = np.where(by_size(table.bias), self.config.acceleration_by_size, self.config.acceleration)
            table.state, table.covariance = kalman.predict(table.state, table.covariance, dt, unsteady)
            table.rows[:] = -1
        if sightings is not None:
            self._take_in(sightings, view.stamp_ns)
        table.remember(view.stamp_ns)
        recent = (view.stamp_ns - table.seen_ns) * 1e-9 <= self.config.max_unseen_s
        if not every(recent):
            table.keep(recent)
        if len(table) > _MOST_TRACKS:
            table.keep(np.argsort(np.linalg.norm(table.state[:, :2] - self._camera_at, axis=1))[:_MOST_TRACKS])
        return self._report(view, ego, _joined(view.unsure, reason))

    def _advance(self, stamp_ns: int) -> float:
        """Seconds since the frame before; 0 for the first."""
        before = self._stamp_ns
        if before is not None and stamp_ns <= before:
            if before - stamp_ns <= _RESTART_S * 1e9:
                raise FrameError(f"stamp {stamp_ns} is not after the one before, {before}: the frame is left out")
            self.reset()
            before = None
        self._stamp_ns = stamp_ns
        if before is None:
            return 0.0
        dt = (stamp_ns - before) * 1e-9
        if dt > self.config.max_unseen_s:
            self._table = TrackTable.empty()
        return dt

    def _was_oriented(self, stamp_ns: int) -> bool:
        """Whether the orientation was known so short a time ago that tracks from then are still followed."""
        since_s = (stamp_ns - self._oriented_ns) * 1e-9
        return self._orientation is not None and abs(since_s) <= self.config.max_unseen_s

    def _note_orientation(self, view: View) -> str:
        """Why the axes are not the semi-local ones, "" where they are; where that changes all tracks start anew."""
        oriented = oriented_view(view)
        if self._oriented is not None and oriented != self._oriented:
            self._table = TrackTable.empty()
        self._oriented = oriented
        if not oriented:
            return "no orientation: tracks are in the camera frame, turning the camera moves them"
        tilt = math.degrees(math.acos(min(max(-float(camera_axes(view)[2, 1]), -1.0), 1.0)))
        if tilt > _MOST_TILT_DEG:
            return f"the camera would be tilted by {tilt:.0f} degrees: camera_imu_rotation is probably wrong"
        return ""

    def _move(self, dt: float, ego: Array | None) -> None:
        """Carries the camera through the local frame; changes the tracks' kind where odometry comes or goes."""
        if (ego is None) != (self._ego is None) and len(self._table):
            # Velocities switch between own motion and relative motion; what is stored cannot be switched.
            change = ego if self._ego is None else -self._ego
            assert change is not None
            self._table.state[:, 2:] += change
            self._table.forget_history()
        if ego is not None:
            self._camera_at = self._camera_at + dt * (ego if self._ego is None else 0.5 * (ego + self._ego))
        self._ego = ego

    def _take_in(self, sightings: Sightings, stamp_ns: int) -> None:
        table, c = self._table, self.config
        seen = sightings.position[:, :2] + self._camera_at
        spread = sightings.noise + _BIAS_SHARE * sightings.bias
        pairs = associate(kalman.distance_squared(table.state, table.covariance, seen, spread), c.gate)
        rows, columns = np.array(pairs, int).reshape(-1, 2).T
        if len(rows):
            state, covariance = table.state.take(rows, 0), table.covariance.take(rows, 0)
            measured = self._measured(state, covariance, sightings, columns)
            table.state[rows], table.covariance[rows] = kalman.correct(state, covariance, *measured)
            table.height[rows] += 0.2 * (sightings.position[:, 2].take(columns) - table.height.take(rows))
            table.mark(rows, sightings, columns, stamp_ns)
        starts = sightings.score >= c.birth_score
        starts[columns] = False
        fresh = starts.nonzero()[0]
        if len(fresh):
            ids = np.arange(self._next_id, self._next_id + len(fresh))
            self._next_id += len(fresh)
            first = len(table)
            table.add(ids, seen[fresh], sightings.position[fresh, 2], sightings.noise[fresh], c.first_speed, stamp_ns)
            table.mark(np.arange(first, len(table)), sightings, fresh, stamp_ns)

    def _measured(
        self, state: Array, covariance: Array, sightings: Sightings, columns: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        """What the filter takes in of the sightings in `columns`: positions (n, 2) and their noise (n, 2, 2)."""
        seen, noise = sightings.position[:, :2].take(columns, 0), sightings.noise.take(columns, 0)
        sized = by_size(sightings.bias).take(columns).nonzero()[0]
        if len(sized):
            place, spread = state[:, :2].take(sized, 0) - self._camera_at, covariance[:, :2, :2].take(sized, 0)
            seen[sized], noise[sized] = linear_in_size(place, spread, seen.take(sized, 0), noise.take(sized, 0))
        return seen + self._camera_at, noise

    def _report(self, view: View, ego: Array | None, unsure: str) -> Tracks:
        t, now = self._table, view.stamp_ns
        here = t.state[:, :2] - self._camera_at
        x, y = here[:, 0], here[:, 1]
        order = np.sqrt(x * x + y * y).argsort(kind="stable")[: self.config.max_people]
        n = len(order)
        covariance, bias = t.covariance.take(order, 0), t.bias.take(order, 0)
        covariance[:, :2, :2] += bias
        position, velocity = np.zeros((n, 3)), np.zeros((n, 3))
        position[:, :2], position[:, 2] = here.take(order, 0), t.height.take(order)
        own = t.state.take(order, 0)[:, 2:]
        velocity[:, :2] = own if ego is None else own - ego
        history_ns = t.history_ns.take(order, 0)
        head_known = (now - t.head_ns.take(order)) * 1e-9 <= _HEAD_MEMORY_S
        return Tracks(
            stamp_ns=now,
            ids=t.ids.take(order),
            position=position,
            velocity=velocity,
            covariance=covariance,
            history=t.history.take(order, 0) - self._camera_at,
            history_age_s=np.where(history_ns > 0, (now - history_ns) * 1e-9, np.nan),
            age_s=(now - t.born_ns.take(order)) * 1e-9,
            head_direction=np.where(head_known[:, None], t.head.take(order, 0), np.nan),
            head_index=t.rows.take(order),
            unsure=unsure,
            ego_velocity=ego,
            heading_rad=_heading(camera_axes(view)),
            left_out=len(t) - n,
            existence=BELIEF.probability(t.log_odds.take(order), t.sightings.take(order)),
            by_size=by_size(bias),
        )


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def usable_camera(view: View) -> Camera | None:
    """The view's intrinsics where they are finite, positive and, of a frame, for an image of that size."""
    c = view.camera
    if c is None or not all(map(math.isfinite, (c.fx, c.fy, c.cx, c.cy))) or _other_size(view):
        return None
    return c if min(c.fx, c.fy, c.width, c.height) > 0 else None


def _other_size(view: View) -> str:
    """What is wrong with the size that the intrinsics are for, "" where it is the image's."""
    if not isinstance(view, Frame) or view.camera is None:
        return ""
    (height, width), c = view.image.shape[:2], view.camera
    if (c.width, c.height) == (width, height):
        return ""
    return f" (it is for {c.width}x{c.height}, the image has {width}x{height})"


def oriented_view(view: View) -> bool:
    """Whether the view knows its orientation."""
    return view.orientation is not None and finite(view.orientation)


def camera_axes(view: View) -> Array:
    """(3, 3) camera optical -> semi-local axes; where the orientation is unknown the camera's own body axes."""
    return np.asarray(view.orientation, float) if oriented_view(view) else OPTICAL_TO_BODY


def _ego_velocity(view: View) -> Array | None:
    """(2,) velocity of the camera on the ground in the axes of `camera_axes`, None where it is unknown or too old.

    Odometry speaks in world axes: where the camera's orientation in them is unknown it cannot be used.
    """
    o = view.odometry
    if o is None or not oriented_view(view) or abs(view.stamp_ns - o.stamp_ns) * 1e-9 > _STALE_ODOMETRY_S:
        return None
    velocity = np.asarray(o.velocity, float)[:2]
    return velocity if velocity.shape == (2,) and every(np.abs(velocity) <= _FASTEST_MPS) else None


def _heading(rotation: Array) -> float:
    return math.atan2(rotation[1, 2], rotation[0, 2])
