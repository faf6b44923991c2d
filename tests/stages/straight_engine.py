"""An engine that walks on in straight lines: what the tests of forecast and risk run where the network's skill is not
the matter. It fulfils the trajectory contract with exact, known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from headway.runtime.manifest import Manifest, TensorSpec, file_entries
from headway.runtime.model import Model

SLOTS, PAST, MODES, FUTURE, STEP_S = 32, 8, 20, 12, 0.4


class StraightEngine:
    """Mode 0 goes on with the last displacement, with half of the probability; mode k turns off sideways by k x 2 cm
    a step. Remembers what it was fed."""

    name = "straight"

    def __init__(self) -> None:
        self.fed: dict[str, np.ndarray] = {}

    def infer(self, feeds):
        self.fed = {k: v.copy() for k, v in feeds.items()}
        positions = feeds["positions"]
        step = positions[:, :, -1] - positions[:, :, -2]
        t = np.arange(1, FUTURE + 1)[:, None]
        straight = positions[:, :, -1:, :] + step[:, :, None] * t
        side = np.stack([-step[..., 1], step[..., 0]], -1) / (np.linalg.norm(step, axis=-1, keepdims=True) + 1e-9)
        fan = 0.02 * np.arange(MODES)[:, None, None] * t
        modes = straight[:, :, None] + fan * side[:, :, None, None]
        probability = np.full((*positions.shape[:2], MODES), 0.5 / (MODES - 1))
        probability[:, :, 0] = 0.5
        return {"modes": modes.astype(np.float32), "log_probability": np.log(probability).astype(np.float32)}

    def close(self) -> None:
        pass


def straight_model(folder: Path, scores: object = (1.0, 2.0), slots: int = SLOTS) -> Model:
    """A model folder with a calibration file, round a StraightEngine. scores: quantiles for levels 0.5 and 0.9, or a
    dict of condition -> one row of them; slots: people in one call."""
    folder.mkdir(exist_ok=True)
    calibration = {"floor_m": [0.05 * (t + 1) for t in range(FUTURE)], "levels": [0.5, 0.9], "scores": scores}
    (folder / "calibration.json").write_text(json.dumps(calibration))
    (folder / "straight.onnx").write_bytes(b"")
    manifest = Manifest(
        name="straight",
        task="trajectory",
        files=file_entries(folder, {"onnx": "straight.onnx", "calibration": "calibration.json"}),
        inputs={
            "positions": TensorSpec((1, slots, PAST, 2)),
            "valid": TensorSpec((1, slots, PAST)),
            "head_direction": TensorSpec((1, slots, 2)),
        },
        outputs={
            "modes": TensorSpec((1, slots, MODES, FUTURE, 2)),
            "log_probability": TensorSpec((1, slots, MODES)),
        },
        parameters=0,
        config={"step_s": STEP_S},
    )
    return Model(manifest, StraightEngine(), folder)
