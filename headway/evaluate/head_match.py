"""Which labelled head was found by which predicted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.evaluate.head_labels import HeadLabels
from headway.geometry import Array
from headway.stages.nms import iou_matrix
from headway.types import Heads

MATCH_IOU = 0.5
MINIMUM_VISIBILITY = 0.3
"""Heads less visible than this are neither wanted nor counted as false (DirectMHP's data sets do the same)."""


@dataclass(frozen=True)
class Found:
    """Which head of the labels was found by which prediction. label, image, row: (F,) ints; missed: (M - F,) labels."""

    label: np.ndarray
    image: np.ndarray
    row: np.ndarray
    missed: np.ndarray

    @classmethod
    def of(cls, pairs: Sequence[tuple[int, int, int]], asked: np.ndarray) -> Found:
        """From (label, image, row) of each found head, and the labels that were asked for."""
        table = np.array(pairs, np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2], np.setdiff1d(asked, table[:, 0]))

    def rotations(self, predictions: Sequence[Heads]) -> Array:
        """(F, 3, 3) predicted rotations of the found heads."""
        pairs = zip(self.image, self.row, strict=True)
        return np.array([predictions[i].rotation[r] for i, r in pairs]).reshape(-1, 3, 3)

    def sigma_deg(self, predictions: Sequence[Heads]) -> Array:
        """(F,) expected errors of the found heads."""
        return np.array([predictions[i].sigma_deg[r] for i, r in zip(self.image, self.row, strict=True)], float)


def wanted(labels: HeadLabels) -> np.ndarray:
    """Rows of the labels that a network is asked for."""
    return np.flatnonzero(labels.visibility >= MINIMUM_VISIBILITY)


def match(labels: HeadLabels, predictions: Sequence[Heads], asked: np.ndarray) -> Found:
    """Whole heads by IoU, faces by the centre of their box."""
    return match_heads(labels, predictions, asked) if labels.whole_head else match_faces(labels, predictions, asked)


def match_heads(labels: HeadLabels, predictions: Sequence[Heads], asked: np.ndarray) -> Found:
    """Each prediction, best first, takes the free head it overlaps most, if by at least MATCH_IOU."""
    pairs: list[tuple[int, int, int]] = []
    for image, here in enumerate(by_image(labels.index, asked, len(predictions))):
        heads = predictions[image]
        overlap = iou_matrix(heads.boxes, labels.boxes[here])
        for row in range(len(heads)):
            best = int(np.argmax(overlap[row])) if len(here) else -1
            if best >= 0 and overlap[row, best] >= MATCH_IOU:
                pairs.append((int(here[best]), image, row))
                overlap[:, best] = -1.0
    return Found.of(pairs, asked)


def match_faces(labels: HeadLabels, predictions: Sequence[Heads], asked: np.ndarray) -> Found:
    """A face is found where its box's centre lies in exactly one predicted box."""
    pairs: list[tuple[int, int, int]] = []
    for label in asked:
        image = int(labels.index[label])
        inside = boxes_round(predictions[image], labels.boxes[label])
        if len(inside) == 1:
            pairs.append((int(label), image, int(inside[0])))
    return Found.of(pairs, asked)


def boxes_round(heads: Heads, box: Array) -> np.ndarray:
    """Rows of the predicted boxes that hold the centre of `box`."""
    x, y = (box[:2] + box[2:]) / 2
    b = heads.boxes
    return np.flatnonzero((b[:, 0] <= x) & (x <= b[:, 2]) & (b[:, 1] <= y) & (y <= b[:, 3]))


def by_image(index: np.ndarray, rows: np.ndarray, images: int) -> list[np.ndarray]:
    """`rows` of the labels, sorted into the images they are in, in order."""
    order = np.argsort(index[rows], kind="stable")
    ends = np.searchsorted(index[rows][order], np.arange(1, images + 1))
    return np.split(rows[order], ends[:-1]) if images else []


def second_boxes(labels: HeadLabels, predictions: Sequence[Heads]) -> int:
    """Labelled heads that more than one predicted box claims: those whose IoU with the head is at least 0.3."""
    twice = 0
    for image, here in enumerate(by_image(labels.index, np.arange(len(labels)), len(predictions))):
        overlap = iou_matrix(predictions[image].boxes, labels.boxes[here])
        mine = overlap * (overlap == overlap.max(axis=1, keepdims=True, initial=0.0))
        twice += int(((mine >= SECOND_BOX_IOU).sum(axis=0) > 1).sum())
    return twice


SECOND_BOX_IOU = 0.3
