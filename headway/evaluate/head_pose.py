"""Accuracy of the head stage on labelled images: detection, pose, by yaw, by size, and whether sigma tells the truth.

The stage is the one that runs on the device. A set of whole heads (rendered folders) gives AP and recall at IoU 0.5; a
set of faces (labels.json) has no head boxes: a face is found when the centre of its landmark box lies in exactly one
predicted box. Pose errors are taken over the found heads, on the ray-relative rotation; missed heads are counted apart.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from headway.errors import MissingDependencyError, UsageError
from headway.evaluate.head_labels import HeadLabels, read_labels
from headway.geometry import Array, euler_from_rotation, geodesic_deg
from headway.runtime.engine import open_model
from headway.stages.heads import TASK, HeadConfig, HeadStage, model_threshold
from headway.stages.nms import iou_matrix
from headway.types import Frame, Heads

AP_SCORE = 0.01
"""Boxes down to this score enter the precision-recall curve; everything else is taken at the stage's threshold."""

MATCH_IOU = 0.5
MINIMUM_VISIBILITY = 0.3
"""Heads less visible than this are neither wanted nor counted as false (DirectMHP's data sets do the same)."""

YAW_BANDS = ((0, 30), (30, 60), (60, 90), (90, 120), (120, 150), (150, 180))
SIZE_BANDS = ((0, 24), (24, 48), (48, 96), (96, 100000))


@dataclass(frozen=True)
class Found:
    """Which head of the labels was found by which prediction. label, image, row: (F,) ints; missed: (M - F,) labels."""

    label: np.ndarray
    image: np.ndarray
    row: np.ndarray
    missed: np.ndarray


def evaluate_folder(
    folder: Path, model: str = TASK, progress: Callable[[Sequence[Path]], Iterator[Path]] = iter
) -> dict[str, Any]:
    """Runs an installed model (or model folder) over a folder of labelled images; keys as in the architecture."""
    labels = read_labels(folder)
    opened = open_model(model, TASK)
    threshold = model_threshold(opened)
    predictions = predict(HeadStage(opened, HeadConfig(score_threshold=AP_SCORE)), labels.images, progress)
    opened.close()
    report = report_of(labels, predictions, threshold)
    return {"dataset": folder.name, "model": opened.name, "model_hash": opened.manifest.hash, **report}


def predict(
    stage: HeadStage, images: Sequence[Path], progress: Callable[[Sequence[Path]], Iterator[Path]] = iter
) -> list[Heads]:
    """The stage's answer for each image, without intrinsics: rotations stay ray-relative."""
    answers = []
    for path in progress(images):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UsageError(f"{path} is missing or no image")
        answers.append(stage(Frame(stamp_ns=1, image=np.asarray(image, np.uint8))))
    return answers


def report_of(labels: HeadLabels, predictions: Sequence[Heads], threshold: float) -> dict[str, Any]:
    """All numbers, from labels and the predictions made at a score threshold no higher than `threshold`."""
    reported = [_above(p, threshold) for p in predictions]
    wanted = np.flatnonzero(labels.visibility >= MINIMUM_VISIBILITY)
    match = _match_heads if labels.whole_head else _match_faces
    found = match(labels, reported, wanted)
    guess = np.array([reported[i].rotation[r] for i, r in zip(found.image, found.row, strict=True)]).reshape(-1, 3, 3)
    sigma = np.array([reported[i].sigma_deg[r] for i, r in zip(found.image, found.row, strict=True)])
    truth = labels.rotation[found.label]
    error = geodesic_deg(guess, truth)
    yaw = np.abs(euler_from_rotation(labels.rotation)[1])
    ap, ap50 = average_precision(labels, predictions) if labels.whole_head else (None, None)
    boxes = sum(len(p) for p in reported)
    size = np.sqrt((labels.boxes[:, 2:] - labels.boxes[:, :2]).prod(1))
    return {
        "images": len(labels.images),
        "heads": len(wanted),
        "boxes": boxes,
        "score_threshold": threshold,
        "ap": ap,
        "ap50": ap50,
        "recall": _share(len(found.label), len(wanted)),
        "missed": len(found.missed),
        "geodesic_deg": {"mean": _mean(error), "median": _median(error)},
        "mae_deg": euler_mae(guess, truth),
        "by_yaw": _bands(YAW_BANDS, "abs_yaw_deg", yaw, found, error),
        "by_size": _bands(SIZE_BANDS, "box_px", size, found, error) if labels.whole_head else [],
        "sigma": {
            "within_1": _mean((error <= sigma).astype(float)),
            "within_2": _mean((error <= 2 * sigma).astype(float)),
            "rank_correlation": _rank_correlation(sigma, error),
        },
    }


def best_threshold(labels: HeadLabels, predictions: Sequence[Heads]) -> float:
    """The score at which F1 of the boxes is highest; hits on hidden heads count neither way."""
    wanted = np.flatnonzero(labels.visibility >= MINIMUM_VISIBILITY)
    found = _match_heads(labels, predictions, wanted)
    right = [np.zeros(len(p), bool) for p in predictions]
    for image, row in zip(found.image, found.row, strict=True):
        right[image][row] = True
    scores, hits = [], []
    for image, heads in enumerate(predictions):
        hidden = (labels.index == image) & (labels.visibility < MINIMUM_VISIBILITY)
        on_hidden = (iou_matrix(heads.boxes, labels.boxes[hidden]) >= MATCH_IOU).any(axis=1)
        counts = right[image] | ~on_hidden
        scores.append(heads.scores[counts])
        hits.append(right[image][counts])
    score, hit = np.concatenate(scores), np.concatenate(hits)
    order = np.argsort(-score, kind="stable")
    f1 = 2 * np.cumsum(hit[order]) / (np.arange(1, len(order) + 1) + len(wanted))
    # The curve is flat near its top: two decimals are all that it says.
    return float(np.clip(round(float(score[order[int(np.argmax(f1))]]), 2), 0.05, 0.95)) if len(order) else 0.5


def euler_mae(guess: Array, truth: Array) -> dict[str, float | None]:
    """Mean absolute error of the published angles in degrees, differences wrapped to 180, and the mean of the three."""
    pairs = zip(euler_from_rotation(guess), euler_from_rotation(truth), strict=True)
    parts = [_mean(np.abs((a - b + 180.0) % 360.0 - 180.0)) for a, b in pairs]
    mean = None if None in parts else float(np.mean([p for p in parts if p is not None]))
    return {"pitch": parts[0], "yaw": parts[1], "roll": parts[2], "mean": mean}


def average_precision(labels: HeadLabels, predictions: Sequence[Heads]) -> tuple[float, float]:
    """COCO AP at IoU .5:.95 and at .5, with hidden heads as crowd: a hit on one is no false positive."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise MissingDependencyError("faster-coco-eval is not installed: pip install 'headway[eval]'") from None
    truth, answers = coco_form(labels, predictions)
    if not answers or not len(labels):
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(truth)
        evaluation = COCOeval_faster(known, known.loadRes(answers), "bbox", print_function=lambda *_: None)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def coco_form(labels: HeadLabels, predictions: Sequence[Heads]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Labels and predictions as COCO's ground truth and results, one category."""
    annotations = []
    for row, (image, box, seen) in enumerate(zip(labels.index, labels.boxes, labels.visibility, strict=True)):
        x, y, w, h = _xywh(box)
        crowd = int(seen < MINIMUM_VISIBILITY)
        annotations.append(
            {"id": row + 1, "image_id": int(image) + 1, "category_id": 1, "bbox": [x, y, w, h], "area": w * h}
            | {"iscrowd": crowd}
        )
    answers = [
        {"image_id": image + 1, "category_id": 1, "bbox": _xywh(box), "score": float(score)}
        for image, heads in enumerate(predictions)
        for box, score in zip(heads.boxes, heads.scores, strict=True)
    ]
    images = [{"id": row + 1, "file_name": path.name} for row, path in enumerate(labels.images)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "head"}]}, answers


def _match_heads(labels: HeadLabels, predictions: Sequence[Heads], wanted: np.ndarray) -> Found:
    """Each prediction, best first, takes the free head it overlaps most, if by at least MATCH_IOU."""
    pairs: list[tuple[int, int, int]] = []
    for image, heads in enumerate(predictions):
        here = wanted[labels.index[wanted] == image]
        overlap = iou_matrix(heads.boxes, labels.boxes[here])
        for row in range(len(heads)):
            best = int(np.argmax(overlap[row])) if len(here) else -1
            if best >= 0 and overlap[row, best] >= MATCH_IOU:
                pairs.append((int(here[best]), image, row))
                overlap[:, best] = -1.0
    return _found(pairs, wanted)


def _match_faces(labels: HeadLabels, predictions: Sequence[Heads], wanted: np.ndarray) -> Found:
    pairs: list[tuple[int, int, int]] = []
    for label in wanted:
        image, box = int(labels.index[label]), labels.boxes[label]
        x, y = (box[:2] + box[2:]) / 2
        b = predictions[image].boxes
        inside = np.flatnonzero((b[:, 0] <= x) & (x <= b[:, 2]) & (b[:, 1] <= y) & (y <= b[:, 3]))
        if len(inside) == 1:
            pairs.append((int(label), image, int(inside[0])))
    return _found(pairs, wanted)


def _found(pairs: list[tuple[int, int, int]], wanted: np.ndarray) -> Found:
    table = np.array(pairs, np.int64).reshape(-1, 3)
    return Found(table[:, 0], table[:, 1], table[:, 2], np.setdiff1d(wanted, table[:, 0]))


def _bands(
    bands: Sequence[tuple[int, int]], name: str, values: Array, found: Found, error: Array
) -> list[dict[str, Any]]:
    rows = []
    for low, high in bands:
        here = (values[found.label] >= low) & (values[found.label] < high + (high == 180))
        missed = int(((values[found.missed] >= low) & (values[found.missed] < high + (high == 180))).sum())
        count = int(here.sum()) + missed
        rows.append(
            {name: [low, high], "heads": count, "recall": _share(int(here.sum()), count)}
            | {"geodesic_deg": {"mean": _mean(error[here]), "median": _median(error[here])}}
        )
    return rows


def _above(heads: Heads, threshold: float) -> Heads:
    keep = heads.scores >= threshold
    return Heads(*(getattr(heads, n)[keep] for n in ("boxes", "scores", "rotation", "sigma_deg", "attention")))


def _rank_correlation(a: Array, b: Array) -> float | None:
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a, b).statistic)


def _xywh(box: Array) -> list[float]:
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _median(values: Array) -> float | None:
    return float(np.median(values)) if len(values) else None
