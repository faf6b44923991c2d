"""Accuracy of the head stage on labelled images: detection, pose, by yaw, by size, and whether sigma tells the truth.

The stage is the one that runs on the device. A set of whole heads (rendered folders) gives AP and recall at IoU 0.5; a
set of faces (labels.json) has no head boxes: a face is found when the centre of its landmark box lies in exactly one
predicted box. Pose errors are taken over the found heads, on the ray-relative rotation; missed heads are counted apart.
The table that the papers print stands beside (headway.evaluate.head_published).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np

from headway.errors import FrameError, UsageError
from headway.evaluate.euler import ZYX, angle_errors
from headway.evaluate.head_ap import average_precision, best_threshold, coco_form
from headway.evaluate.head_calibration import calibration
from headway.evaluate.head_formats import read_labels
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_match import Found, match, second_boxes, wanted
from headway.evaluate.head_published import NMS_IOU, SCORE, mean_angles, published_table
from headway.geometry import Array, euler_from_rotation, geodesic_deg
from headway.images import compressed_image
from headway.runtime.model import Model, open_model
from headway.stages.heads import TASK, HeadConfig, HeadStage, model_threshold
from headway.types import Frame, Heads

__all__ = [
    "AP_SCORE",
    "Evaluation",
    "average_precision",
    "best_threshold",
    "coco_form",
    "euler_mae",
    "evaluate",
    "evaluate_folder",
    "predict",
    "report_of",
]

AP_SCORE = 0.01
"""Boxes down to this score enter the precision-recall curve; everything else is taken at the stage's threshold."""

YAW_BANDS = ((0, 30), (30, 60), (60, 90), (90, 120), (120, 150), (150, 180))
SIZE_BANDS = ((0, 24), (24, 48), (48, 96), (96, 100000))
SEEN_BANDS = ((0.3, 0.6), (0.6, 0.9), (0.9, 1.0))
LARGE_PX = 24.0
"""Recall is also given for heads of at least this size (square root of the box's area)."""

Progress = Callable[[Sequence[int]], Iterator[int]]


@dataclass(frozen=True)
class Evaluation:
    """One network on one set of labels. predictions: at AP_SCORE and the stage's NMS; published: at the published
    thresholds; ms: milliseconds of the stage for each image."""

    labels: HeadLabels
    predictions: list[Heads]
    published: list[Heads]
    threshold: float
    ms: Array
    model: Model

    def report(self) -> dict[str, Any]:
        """All numbers; keys as in the architecture."""
        found = report_of(self.labels, self.predictions, self.threshold)
        found["published"] = published_table(self.labels, self.published)
        return {"model": self.model.name, "model_hash": self.model.manifest.hash, **found}

    @property
    def reported(self) -> list[Heads]:
        """What the stage would report: predictions at its own threshold."""
        return [_above(p, self.threshold) for p in self.predictions]


def evaluate_folder(folder: Path, model: str = TASK) -> dict[str, Any]:
    """Runs an installed model (or model folder) over a folder of labelled images; keys as in the architecture."""
    return {"dataset": folder.name, **evaluate(read_labels(folder), model).report()}


def evaluate(labels: HeadLabels, model: str = TASK, progress: Progress = iter, batch: int = 1) -> Evaluation:
    """Runs a model over labelled images, `batch` of them at a time; the answers do not depend on `batch`."""
    opened = open_model(model, TASK)
    try:
        answers = list(_answers(opened, labels, progress, batch))
    finally:
        opened.close()
    ours, published, ms = zip(*answers, strict=True) if answers else ((), (), ())
    return Evaluation(labels, list(ours), list(published), model_threshold(opened), np.array(ms, float), opened)


def _answers(model: Model, labels: HeadLabels, progress: Progress, batch: int) -> Iterator[tuple[Heads, Heads, float]]:
    """Each image is one call of the engine whatever the batch is: that, and one stage a worker, keeps results equal."""
    stages: SimpleQueue[HeadStage] = SimpleQueue()
    for _ in range(batch):
        stages.put(HeadStage(model, HeadConfig(score_threshold=AP_SCORE)))

    def answer(image: int) -> tuple[Heads, Heads, float]:
        frame = Frame(stamp_ns=1, image=labelled_image(labels, image), camera=labels.camera(image))
        stage = stages.get()
        try:
            if stage.ray_relative:
                frame = replace(frame, camera=None)  # without intrinsics its rotations stay relative to the ray
            started = time.perf_counter()
            rows = stage.candidates(frame)
            ours = stage.decode(rows, frame)
            ms = 1e3 * (time.perf_counter() - started)
            return stage.to_ray(ours, frame), stage.to_ray(stage.decode(rows, frame, SCORE, NMS_IOU), frame), ms
        finally:
            stages.put(stage)

    images = range(len(labels.images))
    if batch == 1:
        yield from map(answer, progress(images))
        return
    with ThreadPoolExecutor(batch) as workers:
        for start in progress(images[::batch]):
            yield from workers.map(answer, images[start : start + batch])


def predict(stage: HeadStage, images: Sequence[Path]) -> list[Heads]:
    """The stage's answer for each image, without intrinsics: rotations stay ray-relative."""
    return [stage(Frame(stamp_ns=1, image=read_image(path))) for path in images]


def labelled_image(labels: HeadLabels, image: int) -> np.ndarray:
    """(H, W, 3) uint8 BGR of one image. Raises UsageError where it has another size than its labels are written for."""
    path, pixels = labels.images[image], read_image(labels.images[image])
    size, found = labels.sizes[image] if labels.sizes else None, pixels.shape[1::-1]
    if size is not None and size != found:
        raise UsageError(
            f"{path} is {found[0]}x{found[1]}, its labels are for {size[0]}x{size[1]}: scale either to the other"
        )
    return pixels


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR of any picture that OpenCV reads: grey is spread, alpha is dropped, 16 bits become 8."""
    try:
        return compressed_image(SimpleNamespace(format=path.suffix.lstrip("."), data=path.read_bytes()))
    except (OSError, ValueError):  # ValueError: a name that no file can have
        raise UsageError(f"{path} is missing or no image") from None
    except FrameError as error:
        raise UsageError(f"{path} is missing or no image: {error}") from None


def report_of(labels: HeadLabels, predictions: Sequence[Heads], threshold: float) -> dict[str, Any]:
    """All numbers, from labels and the predictions made at a score threshold no higher than `threshold`."""
    reported = [_above(p, threshold) for p in predictions]
    asked = wanted(labels)
    found = match(labels, reported, asked)
    guess, sigma = found.rotations(reported), found.sigma_deg(reported)
    truth = labels.rotation[found.label]
    error = geodesic_deg(guess, truth)
    yaw = np.abs(euler_from_rotation(labels.rotation)[1])
    ap, ap50 = average_precision(labels, predictions) if labels.whole_head else (None, None)
    size = np.sqrt((labels.boxes[:, 2:] - labels.boxes[:, :2]).prod(1))
    return {
        "images": len(labels.images),
        "heads": len(asked),
        "boxes": sum(len(p) for p in reported),
        "score_threshold": threshold,
        "ap": ap,
        "ap50": ap50,
        "recall": _share(len(found.label), len(asked)),
        "recall_24px": _share(int((size[found.label] >= LARGE_PX).sum()), int((size[asked] >= LARGE_PX).sum()))
        if labels.whole_head
        else None,
        "missed": len(found.missed),
        "second_boxes": second_boxes(labels, reported) if labels.whole_head else None,
        "geodesic_deg": {"mean": _mean(error), "median": _median(error)},
        "mae_deg": euler_mae(guess, truth),
        "by_yaw": _bands(YAW_BANDS, "abs_yaw_deg", yaw, found, error),
        "by_size": _bands(SIZE_BANDS, "box_px", size, found, error) if labels.whole_head else [],
        "by_visibility": _bands(SEEN_BANDS, "visibility", labels.visibility, found, error)
        if (labels.visibility < 1).any()
        else [],
        "sigma": calibration(sigma, error),
    }


def euler_mae(guess: Array, truth: Array) -> dict[str, float | None]:
    """Mean absolute error of the published angles in degrees, differences wrapped to 180, and the mean of the three."""
    return mean_angles(angle_errors(ZYX.angles(guess), ZYX.angles(truth)))


def _bands(
    bands: Sequence[tuple[float, float]], name: str, values: Array, found: Found, error: Array
) -> list[dict[str, Any]]:
    """One row a band [low, high); the last band holds its upper end too."""
    rows = []
    for low, high in bands:
        top = np.inf if high == bands[-1][1] else high
        here = (values[found.label] >= low) & (values[found.label] < top)
        missed = int(((values[found.missed] >= low) & (values[found.missed] < top)).sum())
        count = int(here.sum()) + missed
        rows.append(
            {name: [low, high], "heads": count, "recall": _share(int(here.sum()), count)}
            | {"geodesic_deg": {"mean": _mean(error[here]), "median": _median(error[here])}}
        )
    return rows


def _above(heads: Heads, threshold: float) -> Heads:
    keep = heads.scores >= threshold
    return Heads(*(getattr(heads, n)[keep] for n in ("boxes", "scores", "rotation", "sigma_deg", "attention")))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _median(values: Array) -> float | None:
    return float(np.median(values)) if len(values) else None
