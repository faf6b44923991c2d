"""FSA-Net, the peer: a small published head-pose network that a user would put behind a face detector.

It is given the faces' boxes and reads one crop at a time; the front range only. The two networks are averaged, as in
its own demo. The two ONNX files (MIT) lie in a folder `peers` beside the data.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_pose import euler_mae
from headway.geometry import geodesic_deg, rotation_from_euler

FILES = ("fsanet-1x1-iter-688590.onnx", "fsanet-var-iter-688590.onnx")
GROWN = 0.2
"""The landmark box is grown by this share of its size on each side, as its training crops were."""

INPUT = 64


def peer_report(labels: HeadLabels, peers: Path) -> dict[str, Any] | None:
    """Errors on the labels' faces, boxes given, and milliseconds a face; None where the networks are not there."""
    if not all((peers / name).is_file() for name in FILES):
        return None
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [ort.InferenceSession(str(peers / name), options, ["CPUExecutionProvider"]) for name in FILES]
    angles, durations = [], []
    for index, box in zip(labels.index, labels.boxes, strict=True):
        crop = _crop(np.asarray(cv2.imread(str(labels.images[index]))), box)
        started = time.perf_counter()
        blob = ((crop.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
        outputs = [s.run(None, {s.get_inputs()[0].name: blob})[0] for s in sessions]
        durations.append(time.perf_counter() - started)
        angles.append(np.mean(outputs, axis=0).reshape(3))
    yaw, pitch, roll = np.array(angles).reshape(-1, 3).T
    guess = rotation_from_euler(pitch, yaw, roll)
    error = geodesic_deg(guess, labels.rotation)
    return {
        "model": "fsa-net",
        "heads": len(labels),
        "recall": None,
        "geodesic_deg": {"mean": float(error.mean()), "median": float(np.median(error))},
        "mae_deg": euler_mae(guess, labels.rotation),
        "ms_per_face": float(np.median(durations) * 1e3),
        "note": "face boxes given",
    }


def _crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * (0.5 + GROWN)
    height, width = image.shape[:2]
    x0, y0 = np.maximum(np.floor(centre - half), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(centre + half), [width, height]).astype(int)
    return cv2.resize(image[y0:y1, x0:x1], (INPUT, INPUT))
