"""The tables that papers print: DirectMHP's evaluation of crowds, and that of one face a picture.

Crowds (AGORA-HPE, CMU-HPE, renders): NMS at IoU 0.65 over everything above score 0.001 gives the AP; each labelled head
takes the prediction that overlaps it most among those with score >= 0.7, and counts where that IoU is above 0.5. A
prediction may serve two heads, and heads that are missed do not count: the number that did stands beside.

One face a picture (300W-LP, AFLW2000, BIWI): faces with an angle beyond 99 degrees are left out by the reader. The
papers crop by given face boxes; a network that finds heads by itself is taken at the best box round the face's centre.

MAE is of pitch, yaw and roll in the data set's own order, differences wrapped, against the angles as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headway.evaluate.euler import angle_errors
from headway.evaluate.head_ap import average_precision
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_match import Found, boxes_round, by_image, wanted
from headway.geometry import Array
from headway.stages.nms import iou_matrix
from headway.types import Heads

SCORE, NMS_IOU = 0.001, 0.65
CROWD_SCORE, CROWD_IOU = 0.7, 0.5
FRONT_DEG = 90.0


def published_table(labels: HeadLabels, predictions: Sequence[Heads]) -> dict[str, Any]:
    """AP, heads that count, and MAE in full, front (|yaw| <= 90) and back range. predictions: at SCORE and NMS_IOU."""
    found = _crowd(labels, predictions) if labels.whole_head else _single(labels, predictions)
    guess = labels.order.angles(found.rotations(predictions))
    truth = labels.published_angles[found.label]
    error = angle_errors(guess, truth)
    front = np.abs(truth[:, 1]) <= FRONT_DEG
    ap, ap50 = average_precision(labels, predictions) if labels.whole_head else (None, None)
    return {
        "rule": f"score >= {CROWD_SCORE}, IoU > {CROWD_IOU}" if labels.whole_head else "best box round the face",
        "euler_order": labels.order.name,
        "heads": len(found.label) + len(found.missed),
        "excluded": labels.excluded,
        "matched": len(found.label),
        "ap": ap,
        "ap50": ap50,
        "mae_deg": mean_angles(error),
        "front": {"heads": int(front.sum()), "mae_deg": mean_angles(error[front])},
        "back": {"heads": int((~front).sum()), "mae_deg": mean_angles(error[~front])},
    }


def mean_angles(error: Array) -> dict[str, float | None]:
    """(N, 3) absolute errors -> their means by name, and the mean of the three; None where there are none."""
    if not len(error):
        return dict.fromkeys(("pitch", "yaw", "roll", "mean"))
    parts = error.mean(axis=0)
    return dict(zip(("pitch", "yaw", "roll", "mean"), (*map(float, parts), float(parts.mean())), strict=True))


def _crowd(labels: HeadLabels, predictions: Sequence[Heads]) -> Found:
    asked = wanted(labels)
    pairs: list[tuple[int, int, int]] = []
    for image, here in enumerate(by_image(labels.index, asked, len(predictions))):
        rows = np.flatnonzero(predictions[image].scores >= CROWD_SCORE)
        if not len(rows) or not len(here):
            continue
        overlap = iou_matrix(labels.boxes[here], predictions[image].boxes[rows])
        best = overlap.argmax(axis=1)
        hit = overlap[np.arange(len(here)), best] > CROWD_IOU
        pairs += [(int(h), image, int(rows[b])) for h, b in zip(here[hit], best[hit], strict=True)]
    return Found.of(pairs, asked)


def _single(labels: HeadLabels, predictions: Sequence[Heads]) -> Found:
    asked = wanted(labels)
    pairs: list[tuple[int, int, int]] = []
    for label in asked:
        image = int(labels.index[label])
        rows = boxes_round(predictions[image], labels.boxes[label])
        if len(rows):  # boxes come best score first
            pairs.append((int(label), image, int(rows[0])))
    return Found.of(pairs, asked)
