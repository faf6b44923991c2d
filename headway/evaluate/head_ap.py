"""COCO average precision of head boxes, hidden heads as crowd; the same numbers as pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from headway.errors import MissingDependencyError
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_match import MATCH_IOU, MINIMUM_VISIBILITY, by_image, match_heads, wanted
from headway.geometry import Array
from headway.stages.nms import iou_matrix
from headway.types import Heads


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
    # COCO's -1 means that there is nothing to find.
    return max(float(evaluation.stats[0]), 0.0), max(float(evaluation.stats[1]), 0.0)


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


def precision_curve(labels: HeadLabels, predictions: Sequence[Heads]) -> tuple[Array, Array, Array]:
    """score, recall and precision at each predicted box, best first, at IoU 0.5; hits on hidden heads count neither
    way. Each (P,)."""
    asked = wanted(labels)
    found = match_heads(labels, predictions, asked)
    right = [np.zeros(len(p), bool) for p in predictions]
    for image, row in zip(found.image, found.row, strict=True):
        right[image][row] = True
    hidden_rows = np.flatnonzero(labels.visibility < MINIMUM_VISIBILITY)
    scores: list[Array] = [np.zeros(0)]
    hits: list[np.ndarray] = [np.zeros(0, bool)]
    for image, hidden in enumerate(by_image(labels.index, hidden_rows, len(predictions))):
        heads = predictions[image]
        on_hidden = (iou_matrix(heads.boxes, labels.boxes[hidden]) >= MATCH_IOU).any(axis=1)
        counts = right[image] | ~on_hidden
        scores.append(heads.scores[counts])
        hits.append(right[image][counts])
    score, hit = np.concatenate(scores), np.concatenate(hits)
    order = np.argsort(-score, kind="stable")
    right_so_far = np.cumsum(hit[order])
    return score[order], right_so_far / max(len(asked), 1), right_so_far / np.arange(1, len(order) + 1)


RECALL_WEIGHT = 1.5
"""Beta of F-beta: recall counts so many times as much as precision where a model's threshold is chosen."""


def best_threshold(labels: HeadLabels, predictions: Sequence[Heads]) -> float:
    """The score at which F1.5 of the boxes is highest, two decimals: a person who is missed is the worse mistake, and a
    head of low score starts no track (`tracks.birth_score`)."""
    score, recall, precision = precision_curve(labels, predictions)
    if not len(score):
        return 0.5
    weight = RECALL_WEIGHT**2
    f_beta = (1 + weight) * precision * recall / np.maximum(weight * precision + recall, 1e-12)
    # The curve is flat near its top: two decimals are all that it says. Rounded down, so that the best point is in.
    return float(np.clip(np.floor(100 * score[int(np.argmax(f_beta))]) / 100, 0.05, 0.95))


def _xywh(box: Array) -> list[float]:
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]
