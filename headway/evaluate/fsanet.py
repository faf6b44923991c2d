"""FSA-Net, the peer: a small published head-pose network that a user would put behind a face detector.

It is given the boxes and reads one crop at a time; the front range only. The two networks are averaged, as in its own
demo. It learned from 300W-LP, so its angles stand in that data set's order. The two ONNX files (MIT) lie in a folder
`peers` beside the data.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from headway.evaluate.euler import XYZ, ZYX, angle_errors
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_match import match, wanted
from headway.evaluate.head_published import mean_angles
from headway.geometry import Array, geodesic_deg
from headway.images import picture_file
from headway.paths import data_dir
from headway.types import Heads

FILES = ("fsanet-1x1-iter-688590.onnx", "fsanet-var-iter-688590.onnx")
GROWN = 0.2
"""A landmark box is grown by this share of its size on each side, as its training crops were; a whole head's is not."""

INPUT = 64
FRONT_DEG = 99.0
"""The range of its training data, 300W-LP: heads with an angle beyond are not asked of it."""


def peers_dir() -> Path | None:
    """Folder of the peers: `peers` beside the data folder."""
    root = data_dir()
    return root.parent / "peers" if root else None


def front_range(labels: HeadLabels) -> np.ndarray:
    """(M,) bool: heads that are visible and within FRONT_DEG in pitch, yaw and roll."""
    asked = np.zeros(len(labels), bool)
    asked[wanted(labels)] = True
    return asked & (np.abs(XYZ.angles(labels.rotation)) <= FRONT_DEG).all(axis=1)


def peer_rows(labels: HeadLabels, reported: Sequence[Heads], model: str, peers: Path) -> list[dict[str, Any]]:
    """Three rows for the table: the model's front-range heads that it found, FSA-Net on the same heads, and FSA-Net on
    all front-range heads, boxes given. Empty where the networks are not there, or no head is in range."""
    front = front_range(labels)
    found = match(labels, reported, np.flatnonzero(front))
    if not front.any() or peer_report(labels, peers, np.zeros(len(labels), bool)) is None:
        return []
    truth = labels.rotation[found.label]
    same = np.zeros(len(labels), bool)
    same[found.label] = True
    ours = _errors(found.rotations(reported), truth)
    recall = len(found.label) / int(front.sum())
    rows = [{"model": model, "note": "front range", "heads": len(truth), "recall": recall, **ours}]
    for mask, note in ((same, "same heads"), (front, "front range")):
        row = peer_report(labels, peers, mask)
        if row is not None:
            rows.append({**row, "note": note})
    return rows


def peer_report(labels: HeadLabels, peers: Path, mask: np.ndarray | None = None) -> dict[str, Any] | None:
    """Errors on the labelled heads (of `mask` (M,), default all), boxes given, and milliseconds a head; None where the
    networks are not there."""
    if not all((peers / name).is_file() for name in FILES):
        return None
    rows = np.flatnonzero(np.ones(len(labels), bool) if mask is None else mask)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [ort.InferenceSession(str(peers / name), options, ["CPUExecutionProvider"]) for name in FILES]
    angles, durations = np.zeros((len(rows), 3)), []
    last, image = -1, np.zeros(0)
    for row, label in enumerate(rows):
        if labels.index[label] != last:
            last = int(labels.index[label])
            image = np.asarray(picture_file(labels.images[last]))
        crop = _crop(image, labels.boxes[label], 0.0 if labels.whole_head else GROWN)
        started = time.perf_counter()
        blob = ((crop.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
        yaw, pitch, roll = np.mean([s.run(None, {s.get_inputs()[0].name: blob})[0] for s in sessions], axis=0).ravel()
        durations.append(time.perf_counter() - started)
        angles[row] = pitch, yaw, roll
    return {
        "model": "fsa-net",
        "heads": len(rows),
        "recall": None,
        **_errors(XYZ.rotation(angles), labels.rotation[rows]),
        "ms_per_face": float(np.median(durations) * 1e3) if durations else None,
        "note": "boxes given",
    }


def _errors(guess: Array, truth: Array) -> dict[str, Any]:
    error = geodesic_deg(guess, truth)
    mean, median = (float(np.mean(error)), float(np.median(error))) if len(error) else (None, None)
    return {
        "geodesic_deg": {"mean": mean, "median": median},
        "mae_deg": mean_angles(angle_errors(ZYX.angles(guess), ZYX.angles(truth))),
    }


def _crop(image: np.ndarray, box: np.ndarray, grown: float) -> np.ndarray:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * (0.5 + grown)
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(centre - half), 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.minimum(np.ceil(centre + half), [width, height]).astype(int)
    return cv2.resize(image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], (INPUT, INPUT))
