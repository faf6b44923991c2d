"""A driving network whose outputs the test sets, and a calibration for it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from headway.runtime.manifest import FileEntry, Manifest, TensorSpec
from headway.runtime.model import Model
from headway.stages import drive as d
from headway.stages.drive_calibration import DriveCalibration
from headway.types import Frame

START = 1_700_000_000_000_000_000
CALIBRATION = DriveCalibration(
    temperature=1.5,
    regression_sigma=0.2,
    conformal_scale=1.4,
    nominal=0.9,
    confidence_intercept=-3.0,
    confidence_slope=2.5,
    small_error=0.18,
    novelty_limit=1.5,
    slow_width=0.25,
    recover_width=0.3,
    handover_width=0.6,
)


class Scripted:
    """An engine whose outputs the test sets: what the stage makes of them is what is tested."""

    name = "scripted"

    def __init__(self, steering: float = 0.2, throttle: float = 0.8, novelty: float = 1.0, peak: float = 8.0) -> None:
        self.steering, self.throttle, self.novelty, self.peak = steering, throttle, novelty, peak
        self.seen: np.ndarray | None = None

    def infer(self, feeds):
        self.seen = feeds["image"].copy()
        logits = np.zeros((1, 11), np.float32)
        logits[0, int(d.bin_of(np.array(self.steering)))] = self.peak
        return {
            "controls": np.array([[self.steering, self.throttle]], np.float32),
            "bin_logits": logits,
            "novelty": np.array([[self.novelty]], np.float32),
        }

    def close(self) -> None:
        pass


def model_with(engine: Scripted, config: dict | None = None) -> Model:
    manifest = Manifest(
        name="driving",
        task="driving",
        files={"onnx": FileEntry("x", "0")},
        inputs={"image": TensorSpec((1, 120, 160, 3), "uint8", "NHWC", "BGR")},
        outputs={
            "controls": TensorSpec((1, 2), columns={"steering": (0, 1), "throttle": (1, 2)}),
            "bin_logits": TensorSpec((1, 11), columns={"bins": (0, 11)}),
            "novelty": TensorSpec((1, 1), columns={"novelty": (0, 1)}),
        },
        parameters=0,
        config=asdict(CALIBRATION) if config is None else config,
    )
    return Model(manifest, engine, Path())


def frame(i: int = 0, shape: tuple[int, ...] = (120, 160, 3)) -> Frame:
    return Frame(stamp_ns=START + i * 50_000_000, image=np.full(shape, 90, np.uint8))
