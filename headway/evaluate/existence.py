"""Fits `Belief`: how likely a reported box is a head, from score, sigma and size (see `headway.stages.existence`).

Three kinds of labelled material, of equal weight: images of rendered people, sheets of generated people labelled by
eye, and rendered streets, whose trees are what networks mistake for heads. In a street a track's running mean is looked
at, as the tracker keeps it; in single images each box by itself. A track is one witness, however long it lasts, as a
box is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.bags import BagReader
from headway.errors import UsageError
from headway.evaluate.by_eye import Picture
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_match import SECOND_BOX_IOU, by_image
from headway.evaluate.head_pose import read_image
from headway.geometry import from_semi_local, project
from headway.heads_bag import CAMERA, HEADS, IMU, ODOM, PEOPLE
from headway.images import decode_image
from headway.messages import heads_from_message
from headway.sensors import SensorConfig, Sensors, stamp_of
from headway.stages.existence import BELIEF, Belief, features, running_mean, sizes
from headway.stages.heads import HeadStage
from headway.stages.nms import iou_matrix
from headway.stages.tracks import TrackConfig, TrackStage, camera_axes
from headway.types import Frame, Heads, View

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

IMAGE = "/camera/image_raw/compressed"
SAME_HEAD_IOU = SECOND_BOX_IOU
"""A box that overlaps a labelled head this much is about a person, even where it is badly placed."""
IMU_DELAY_NS = 20_000_000
"""An image waits until the IMU has passed it, as on the device."""
CAMERA_IN_IMU = (-0.5, 0.5, -0.5, 0.5)
"""Of the renderer's carriers."""
RIDGE = 1.0
"""Of the fit, on every coefficient but the bias: one witness's worth."""


@dataclass(frozen=True)
class Looks:
    """n looks at what was taken for a head. features (n, 3), see `stages.existence`, means over `sightings` (n,), old
    ones counted less, 1 in single images; real (n,); weight (n,), one for each box or track in all."""

    features: Array
    sightings: Array
    real: Mask
    weight: Array

    def __len__(self) -> int:
        return len(self.real)


def of_images(stage: HeadStage, labels: HeadLabels) -> Looks:
    """Every box that the stage reports on labelled images."""
    rows = by_image(labels.index, np.arange(len(labels)), len(labels.images))
    parts = [_of_image(stage, read_image(p), labels.boxes[r]) for p, r in zip(labels.images, rows, strict=True)]
    return _singles(parts)


def of_pictures(stage: HeadStage, pictures: Iterable[Picture]) -> Looks:
    """The same on pictures labelled by eye; boxes in areas marked `ignore` are left out."""
    return _singles([_of_image(stage, p.read(), p.boxes, p.ignore) for p in pictures])


def _of_image(stage: HeadStage, image: NDArray[np.uint8], boxes: Array, ignore: Array | None = None) -> _Boxes:
    heads = stage(Frame(stamp_ns=1, image=image))
    x = features(heads.scores, heads.sigma_deg, sizes(heads.boxes, image.shape[1], image.shape[0]))
    real = _overlap(heads, boxes) >= SAME_HEAD_IOU
    known = real | (_overlap(heads, np.zeros((0, 4)) if ignore is None else ignore) <= 0.0)
    return x[known], real[known]


_Boxes = tuple[Array, Mask]


def _singles(parts: Sequence[_Boxes]) -> Looks:
    x, real = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    return Looks(x, np.ones(len(x)), real, np.ones(len(x)))


def of_street(stage: HeadStage, bag: Path) -> Looks:
    """Every sighting of every track in a rendered street, with the running mean of the track's features until then."""
    tracks, means = TrackStage(TrackConfig()), dict[int, _Mean]()
    found: list[tuple[Array, float, bool, int]] = []
    for frame, truth, people in street(bag):
        heads = stage(frame)
        now = tracks(frame, heads)
        assert frame.camera is not None
        x = features(heads.scores, heads.sigma_deg, sizes(heads.boxes, frame.camera.width, frame.camera.height))
        real, near = of_somebody(heads, frame, truth, people)
        for identity, row in zip(now.ids.tolist(), now.head_index.tolist(), strict=True):
            if row < 0:
                continue
            mean = means.setdefault(identity, _Mean(frame.stamp_ns))
            mean.add(x[row], frame.stamp_ns)
            if real[row] or not near[row]:  # somebody who is mostly hidden is neither wanted nor false
                found.append((mean.value, mean.sightings, bool(real[row]), identity))
    if not found:
        raise UsageError(f"{bag}: nothing was followed in it")
    values, sightings, is_real, ids = (np.array(column) for column in zip(*found, strict=True))
    _, index, count = np.unique(ids, return_inverse=True, return_counts=True)
    return Looks(values, sightings, is_real, 1.0 / count[index])


class _Mean:
    """The tracker's running mean (see `stages.track_table`), of features: log-odds are linear in them."""

    def __init__(self, stamp_ns: int) -> None:
        self._stamp_ns = stamp_ns
        self.value: Array = np.zeros(3)
        self._weight: Array = np.zeros(1)
        self.sightings = 0.0

    def add(self, x: Array, stamp_ns: int) -> None:
        """One more sighting."""
        silent_s = np.array([(stamp_ns - self._stamp_ns) * 1e-9])
        value, self._weight = running_mean(self.value[None], self._weight, x[None], silent_s)
        self.sightings = float(self._weight[0])
        self.value, self._stamp_ns = value[0], stamp_ns


def street(bag: Path) -> Iterator[tuple[Frame, Array, Array]]:
    """Frames of a rendered street, with the boxes of its heads (n, 4) and its people's heads (m, 3) semi-local."""
    sensors = Sensors(SensorConfig(camera_imu_rotation=CAMERA_IN_IMU))
    hear = {CAMERA: sensors.on_camera_info, IMU: sensors.on_imu, ODOM: sensors.on_odometry}
    boxes: dict[int, Array] = {}
    people: dict[int, Array] = {}
    waiting: list[Any] = []
    with BagReader(bag) as reader:
        messages = [(m.topic, m.decode()) for m in reader.messages([*hear, IMAGE, HEADS, PEOPLE])]
    for topic, message in messages:
        stamp = stamp_of(message)
        while waiting and stamp > stamp_of(waiting[0]) + IMU_DELAY_NS:
            yield _frame(waiting.pop(0), sensors, boxes, people)
        if topic == IMAGE:
            waiting.append(message)
        elif topic == HEADS:
            boxes[stamp] = np.asarray(heads_from_message(message).boxes, float)
        elif topic == PEOPLE:
            places = [[f.position.x, f.position.y, f.position.z] for f in message.forecasts]
            people[stamp] = np.array(places, float).reshape(-1, 3)
        else:
            hear[topic](message)


def _frame(
    message: Any, sensors: Sensors, boxes: Mapping[int, Array], people: Mapping[int, Array]
) -> tuple[Frame, Array, Array]:
    stamp, image = stamp_of(message), decode_image(message)
    view = sensors.view(stamp, message.header.frame_id, image.shape[1], image.shape[0])
    return Frame(**vars(view), image=image), boxes[stamp], people[stamp]


def _overlap(heads: Heads, boxes: Array) -> Array:
    """(N,) largest IoU of each head with any of the boxes."""
    return iou_matrix(np.asarray(heads.boxes, float), boxes).max(axis=1, initial=0.0)


def of_somebody(heads: Heads, view: View, truth: Array, people: Array) -> tuple[Mask, Mask]:
    """(N,) heads that are on a labelled one, and (N,) heads that are near anybody's, labelled or hidden."""
    return _overlap(heads, truth) >= SAME_HEAD_IOU, _near_somebody(heads, view, people)


def _near_somebody(heads: Heads, view: View, people: Array) -> Mask:
    """(N,) whether each box's centre is within a head's height of anybody's head in the picture, seen or hidden."""
    near = np.zeros(len(heads), bool)
    camera = view.camera
    assert camera is not None
    centre = (heads.boxes[:, :2] + heads.boxes[:, 2:]) / 2
    for point in from_semi_local(people, camera_axes(view)):
        if point[2] > 0.2:
            height = camera.fy * TrackConfig().head_size_m / point[2]
            near |= np.linalg.norm(centre - project(point, camera), axis=1) < height
    return near


def fit(kinds: Sequence[Sequence[Looks]]) -> Belief:
    """Logistic regression on all looks; each kind of material has the same total weight."""
    from scipy.optimize import minimize

    looks = [look for kind in kinds for look in kind]
    x, sightings, real = (np.concatenate([getattr(k, name) for k in looks]) for name in FITTED)
    weight = np.concatenate([look.weight * share for look, share in zip(looks, shares(kinds), strict=True)])

    def loss(p: Array) -> float:
        z = (p[0] + x @ p[1:4]) * (p[4] - (p[4] - 1.0) / sightings)
        return float((weight * (np.logaddexp(0.0, z) - real * z)).sum() + 0.5 * RIDGE * (p[1:4] ** 2).sum())

    bias, score, sigma, size, track = minimize(loss, np.array([0.0, 0.0, 0.0, 0.0, 1.0])).x.tolist()
    return replace(BELIEF, bias=bias, score=score, sigma=sigma, size=size, track=track)


FITTED = ("features", "sightings", "real")


def shares(kinds: Sequence[Sequence[Looks]]) -> list[float]:
    """What each recording's weights are multiplied by, so that all kinds weigh alike and nothing in all is added."""
    sums = [sum(float(look.weight.sum()) for look in kind) for kind in kinds]
    return [sum(sums) / len(kinds) / total for kind, total in zip(kinds, sums, strict=True) for _ in kind]


EDGES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
Scored = tuple[Array, Mask, Array]
"""Probability, truth and weight of looks, each (n,)."""


def scored(belief: Belief, looks: Looks) -> Scored:
    """What `belief` says of looks."""
    return belief.probability(belief.linear(looks.features), looks.sightings), looks.real, looks.weight


def reliability(belief: Belief, looks: Iterable[Looks]) -> dict[str, Any]:
    """Does the probability tell the truth? See `summary`."""
    return summary([scored(belief, look) for look in looks])


def summary(parts: Sequence[Scored]) -> dict[str, Any]:
    """Brier score, shares on the wrong side of a half, and in bands of the probability the share that is real."""
    p, real, weight = (np.concatenate(column) for column in zip(*parts, strict=True))

    def mean(values: Array | Mask, rows: Mask) -> float | None:
        return float(np.average(values[rows], weights=weight[rows])) if rows.any() else None

    bands = []
    for low, high in pairwise(EDGES):
        rows = (p >= low) & ((p < high) | (high == EDGES[-1]))
        if rows.any():
            bands.append({"said": mean(p, rows), "real": mean(real, rows), "witnesses": float(weight[rows].sum())})
    everything = np.ones(len(p), bool)
    return {
        "looks": len(p),
        "witnesses": float(weight.sum()),
        "real": mean(real, everything),
        "brier": mean((p - real) ** 2, everything),
        "real_believed_less_than_half": mean(p < 0.5, real),
        "false_believed_more_than_half": mean(p >= 0.5, ~real),
        "bands": bands,
    }
