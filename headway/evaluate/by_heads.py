"""KITTI pedestrians as head boxes, through lifting and tracking as on the device, and the scores of what is answered.

The labels' exact positions go through `kitti`; here a person is seen as a head of the size that the device assumes, so
that range comes from the box and carries the device's own uncertainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.egocentric import Walk
from headway.evaluate.kitti import camera_to_car, car_orientation, read_sequence
from headway.evaluate.kitti_labels import labelled, read_calibration, read_motion
from headway.geometry import project
from headway.runtime.model import Model
from headway.stages.forecast import ForecastConfig
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig
from headway.tasks import Motion, Trajectory
from headway.types import Camera, Heads, Odometry, Trace, View

Array = NDArray[np.floating]

WIDTH, HEIGHT = 1242, 375
"""Of the rectified images; a few sequences are some pixels smaller."""
_ASPECT = 0.8
_SAME_PERSON_M = 1.5
_EVERY_S, _STEPS = 0.4, 7


@dataclass(frozen=True)
class HeadWalk:
    """A sequence as the device would see it. F frames, P people as in `walk`.

    boxes (F, P, 4) xyxy pixels, NaN where no head is in the picture; orientation (F, 3, 3) camera optical frame to
    world; car (F, 3, 3) car to world; mounting (3, 3) camera optical frame to car; velocity (F, 3) m/s, the car's axes.
    """

    walk: Walk
    camera: Camera
    boxes: Array
    orientation: Array
    car: Array
    mounting: Array
    velocity: Array

    def view(self, frame: int) -> View:
        """What the sensors say at a frame."""
        stamp = self.walk.stamp_ns(frame)
        odometry = Odometry(stamp, self.car[frame] @ self.velocity[frame], 0.0)
        return View(stamp_ns=stamp, camera=self.camera, orientation=self.orientation[frame], odometry=odometry)

    def heads(self, frame: int) -> tuple[Heads, NDArray[np.intp]]:
        """Heads of a frame without any pose, and their columns."""
        columns = np.flatnonzero(np.isfinite(self.boxes[frame, :, 0]))
        n = len(columns)
        pose = np.broadcast_to(np.eye(3), (n, 3, 3)).copy()
        boxes = self.boxes[frame, columns].astype(np.float32)
        return Heads(boxes, np.ones(n, np.float32), pose, np.full(n, 180.0), np.zeros(n)), columns


def read_heads(label: Path) -> HeadWalk:
    """One sequence; files beside the label folder as in `read_sequence`."""
    walk, root = read_sequence(label), label.parent.parent
    oxts = read_motion(root / "oxts" / label.name)
    car, mounting = car_orientation(oxts), camera_to_car(root / "calib" / label.name)
    camera = _camera(root / "calib" / label.name)
    people = labelled(label, len(oxts))
    # A label's place is the middle of the box's bottom, and y points down.
    centre = people.place - np.array([0.0, 1.0, 0.0]) * (people.height - 0.5 * TrackConfig().head_size_m)[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        pixel = project(centre, camera)
        half = 0.5 * camera.fy * TrackConfig().head_size_m / centre[..., 2:]
        inside = (centre[..., 2] > 0.5) & (pixel > 0).all(-1) & (pixel < [camera.width, camera.height]).all(-1)
    size = np.concatenate([_ASPECT * half, half], axis=-1)
    boxes = np.where(inside[..., None], np.concatenate([pixel - size, pixel + size], axis=-1), np.nan)
    return HeadWalk(walk, camera, boxes, car @ mounting, car, mounting, oxts[:, 8:11])


def _camera(calibration: Path) -> Camera:
    p = read_calibration(calibration)["P0"]
    return Camera(WIDTH, HEIGHT, p[0, 0], p[1, 1], p[0, 2], p[1, 2])


@dataclass(frozen=True)
class Answer:
    """What was said of one frame: n people. ids (n,), position (n, 2), modes (n, K, T, 2), probability (n, K), radius
    (n, T), risk (n,) and level (n,), in the order that the device gives them."""

    ids: NDArray[np.int64]
    position: Array
    modes: Array
    probability: Array
    radius: Array
    risk: Array
    level: NDArray[np.int64]

    @classmethod
    def of(cls, motion: Motion) -> Answer:
        """From the stages."""
        f, items = motion.forecast, motion.risks.items
        return cls(
            f.tracks.ids,
            f.tracks.position[:, :2],
            f.modes,
            f.probability,
            f.radius,
            np.array([r.probability for r in items]),
            np.array([int(r.level) for r in items], np.int64),
        )


def answers(walk: HeadWalk, model: Model, frames: int | None = None) -> Iterator[tuple[int, Answer]]:
    """(stamp, answer) of every frame, by the stages of the device on the labels themselves."""
    task = Trajectory(model, TrackConfig(), ForecastConfig(), RiskConfig())
    for frame in range(min(frames or len(walk.boxes), len(walk.boxes))):
        view = walk.view(frame)
        yield view.stamp_ns, Answer.of(task.step(view, walk.heads(frame)[0], Trace()))


@dataclass(frozen=True)
class Truth:
    """Where everybody is: stamps_ns (F,) ascending; relative (F, P, 2) m seen from the camera, NaN where absent."""

    stamps_ns: NDArray[np.int64]
    relative: Array

    @classmethod
    def of(cls, walk: Walk) -> Truth:
        """From a walk."""
        return cls(np.array([walk.stamp_ns(f) for f in range(len(walk.seen))]), walk.relative)

    def at(self, stamp_ns: float) -> Array:
        """(P, 2) between the two frames next to a stamp; NaN where a person is missing in either, or past the end."""
        right = int(np.searchsorted(self.stamps_ns, stamp_ns - 1e5))
        if right >= len(self.stamps_ns):
            return np.full(self.relative.shape[1:], np.nan)
        if right == 0 or abs(self.stamps_ns[right] - stamp_ns) < 1e5:
            return self.relative[right]
        a, b = self.stamps_ns[right - 1 : right + 1]
        share = (stamp_ns - a) / (b - a)
        return (1 - share) * self.relative[right - 1] + share * self.relative[right]


def score(said: Iterable[tuple[int, Answer]], truth: Truth, range_share: float = 0.0) -> dict[str, float]:
    """Errors over 2.8 s of every forecast whose person is known all the while: ade, fde, min_ade20, min_fde20, windows,
    and inside, the share whose whole path lay within the radius.

    A track is the person nearest to it, within 1.5 m of where it is, or `range_share` of how far away that is: without
    it, who is placed too far off to be recognised would not count.
    """
    best: list[Array] = []
    every: list[Array] = []
    inside: list[bool] = []
    for stamp_ns, answer in said:
        if not len(answer.ids) or not truth.relative.shape[1]:
            continue
        now = truth.at(stamp_ns)
        ahead = np.array([truth.at(stamp_ns + 1e9 * _EVERY_S * (t + 1)) for t in range(_STEPS)])
        for row in range(len(answer.ids)):
            away = np.linalg.norm(now - answer.position[row], axis=1)
            if not (away < max(_SAME_PERSON_M, range_share * float(np.linalg.norm(answer.position[row])))).any():
                continue
            future = ahead[:, int(np.nanargmin(away))]
            if np.isfinite(future).all():
                error = np.linalg.norm(answer.modes[row, :, :_STEPS] - future, axis=-1)
                best.append(error[int(answer.probability[row].argmax())])
                every.append(error)
                inside.append(bool((best[-1] <= answer.radius[row, :_STEPS]).all()))
    if not best:
        return {"windows": 0}
    one, many = np.array(best), np.array(every)
    return {
        "windows": len(one),
        "ade": float(one.mean()),
        "fde": float(one[:, -1].mean()),
        "min_ade20": float(many.mean(axis=2).min(axis=1).mean()),
        "min_fde20": float(many[..., -1].min(axis=1).mean()),
        "inside": float(np.mean(inside)),
    }
