"""Picture crops of single heads with the axes of truth and prediction drawn on them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from headway.evaluate.euler import ZYX
from headway.evaluate.head_match import MATCH_IOU, boxes_round, match, wanted
from headway.evaluate.head_pose import Evaluation, read_image
from headway.geometry import Array, geodesic_deg
from headway.stages.nms import iou_matrix

WORST, MISSED, FALSE = 40, 12, 12
SIDE = 168
GROWN = 0.9
"""The crop shows this share of the head's larger side around it: what is seen beside a head explains most errors."""

QUALITY = 80
X_AXIS, Y_AXIS, GAZE, TRUTH, GUESS = (56, 36, 194), (95, 145, 22), (235, 99, 37), (40, 170, 40), (30, 120, 240)


@dataclass(frozen=True)
class Figure:
    """jpeg: base64; lines: what stands below it, the first one short."""

    jpeg: str
    lines: tuple[str, ...]


def worst_heads(evaluation: Evaluation, count: int = WORST) -> list[Figure]:
    """The found heads with the largest geodesic error, worst first: truth left, prediction right."""
    labels, reported = evaluation.labels, evaluation.reported
    found = match(labels, reported, wanted(labels))
    guess, sigma = found.rotations(reported), found.sigma_deg(reported)
    error = geodesic_deg(guess, labels.rotation[found.label])
    figures = []
    for k in np.argsort(-error, kind="stable")[:count]:
        label, box = int(found.label[k]), labels.boxes[found.label[k]]
        predicted = reported[found.image[k]].boxes[found.row[k]]
        image = read_image(labels.images[labels.index[label]])
        left = _crop(image, box, [(box, TRUTH)], labels.rotation[label])
        right = _crop(image, box, [(predicted, GUESS)], guess[k])
        lines = (
            f"{error[k]:.0f}° off, expected {sigma[k]:.0f}°",
            f"truth {_angles(labels.rotation[label])}",
            f"said {_angles(guess[k])}",
            f"{labels.images[labels.index[label]].name}, {np.sqrt((box[2:] - box[:2]).prod()):.0f} px, "
            f"{100 * labels.visibility[label]:.0f} % visible",
        )
        figures.append(Figure(_jpeg(np.hstack([left, right])), lines))
    return figures


def missed_heads(evaluation: Evaluation, count: int = MISSED) -> list[Figure]:
    """Labelled heads that no box found, largest first."""
    labels, reported = evaluation.labels, evaluation.reported
    missed = match(labels, reported, wanted(labels)).missed
    size = np.sqrt((labels.boxes[:, 2:] - labels.boxes[:, :2]).prod(1))
    figures = []
    for label in missed[np.argsort(-size[missed], kind="stable")][:count]:
        box, image = labels.boxes[label], int(labels.index[label])
        near = [(b, GUESS) for b in reported[image].boxes]
        crop = _crop(read_image(labels.images[image]), box, [(box, TRUTH), *near], labels.rotation[label])
        reason = "" if labels.whole_head else f", {len(boxes_round(reported[image], box))} boxes round it"
        lines = (
            f"{size[label]:.0f} px, {100 * labels.visibility[label]:.0f} % visible{reason}",
            f"truth {_angles(labels.rotation[label])}",
            labels.images[image].name,
        )
        figures.append(Figure(_jpeg(crop), lines))
    return figures


def false_boxes(evaluation: Evaluation, count: int = FALSE) -> list[Figure]:
    """Reported boxes that overlap no labelled head by MATCH_IOU, surest first; nothing for sets of faces."""
    labels, reported = evaluation.labels, evaluation.reported
    if not labels.whole_head:
        return []
    rows = []
    for image, heads in enumerate(reported):
        here = labels.boxes[labels.index == image]
        free = (iou_matrix(heads.boxes, here) < MATCH_IOU).all(axis=1) if len(here) else np.ones(len(heads), bool)
        rows += [(float(heads.scores[r]), image, int(r)) for r in np.flatnonzero(free)]
    figures = []
    for score, image, row in sorted(rows, key=lambda r: (-r[0], r[1], r[2]))[:count]:
        heads = reported[image]
        crop = _crop(
            read_image(labels.images[image]),
            heads.boxes[row],
            [(heads.boxes[row], GUESS), *((b, TRUTH) for b in labels.boxes[labels.index == image])],
            heads.rotation[row],
        )
        figures.append(Figure(_jpeg(crop), (f"score {score:.2f}", labels.images[image].name)))
    return figures


def _crop(
    image: np.ndarray, about: Array, boxes: list[tuple[Array, tuple[int, int, int]]], rotation: Array
) -> np.ndarray:
    """(SIDE, SIDE, 3) round the box `about`, with boxes in their colours and the rotation's axes at its centre."""
    centre, side = (about[:2] + about[2:]) / 2, float((about[2:] - about[:2]).max()) * (1 + 2 * GROWN)
    scale = SIDE / max(side, 1.0)
    turn = np.array([[scale, 0, SIDE / 2 - scale * centre[0]], [0, scale, SIDE / 2 - scale * centre[1]]])
    canvas = cv2.warpAffine(image, turn, (SIDE, SIDE), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for box, colour in boxes:
        low, high = (np.asarray(p, float) @ turn[:, :2].T + turn[:, 2] for p in (box[:2], box[2:]))
        cv2.rectangle(canvas, _point(low), _point(high), colour, 1, cv2.LINE_AA)
    middle, length = np.array([SIDE / 2, SIDE / 2]), SIDE / (1 + 2 * GROWN) * 0.75
    for axis, colour, thick in ((rotation[:, 0], X_AXIS, 2), (rotation[:, 1], Y_AXIS, 2), (-rotation[:, 2], GAZE, 3)):
        cv2.line(canvas, _point(middle), _point(middle + length * axis[:2]), colour, thick, cv2.LINE_AA)
    return np.asarray(canvas)


def _point(p: Array) -> tuple[int, int]:
    x, y = np.clip(np.round(p), -2 * SIDE, 3 * SIDE)
    return int(x), int(y)


def _angles(rotation: Array) -> str:
    pitch, yaw, roll = ZYX.angles(rotation)[0]
    return f"pitch {pitch:.0f}°, yaw {yaw:.0f}°, roll {roll:.0f}°"


def _jpeg(image: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()).decode()
