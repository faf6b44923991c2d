"""`headway evaluate driving`: open loop on held-out blocks of a tub, through the DriveStage that runs on the device.

The human's steering is the reference, + to the left. Every block starts with a fresh stage, as after a seek. Frames of
a block are alike: with five test blocks of 30 frames the numbers of this table carry wide margins, and the interval
given for the steering error is a bootstrap over blocks, not over frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.evaluate.confidence import auroc, expected_calibration_error, reliability
from headway.evaluate.reference_drivers import reference_drivers
from headway.evaluate.tub import FRAME_RATE_HZ, HEIGHT, WIDTH, Drive, blocks, find_tub, read_tub, split_blocks
from headway.runtime.model import Model
from headway.stages.drive import DriveStage, bin_of
from headway.types import DriveState, Frame, Steering

Array = NDArray[np.floating]

START_NS = 1_700_000_000_000_000_000
BOOTSTRAP = 2000
SEED = 7


def run(stage: DriveStage, images: NDArray[np.uint8]) -> list[Steering]:
    """The stage's answers to consecutive images, from a fresh start, at FRAME_RATE_HZ."""
    stage.reset()
    step = int(1e9 / FRAME_RATE_HZ)
    return [stage(Frame(stamp_ns=START_NS + i * step, image=image)) for i, image in enumerate(images)]


def evaluate(model: Model, data: Path, part: str = "test", reference: Model | None = None) -> dict[str, Any]:
    """The report on one part ("test" or "train") of the tub at or below `data`; `reference`: the published network."""
    drive = read_tub(find_tub(data))
    train = drive.at(split_blocks(len(drive))["train"])
    stage = DriveStage(model)
    answers: list[Steering] = []
    rows: list[NDArray[np.int64]] = []
    for name, block in blocks(len(drive)):
        if name == part:
            answers += run(stage, drive.images[block])
            rows.append(block)
    if not rows:
        raise UsageError(f"the tub at or below {data} has {len(drive)} frames: no {part} block is among them")
    frames = drive.at(np.concatenate(rows))
    regression = np.array([stage.infer(image).steering for image in frames.images])
    report = open_loop(answers, frames, regression, float(train.steering.mean()), stage.calibration.small_error)
    report["confidence"]["nominal"] = stage.calibration.nominal
    if reference is not None:
        for name, driver in reference_drivers(reference).items():
            steered = np.array([driver.steering(image)[0] for image in frames.images])
            report["steering_mae"][name] = float(np.abs(steered - frames.steering).mean())
            report["bin_accuracy"][name] = float((bin_of(steered) == bin_of(frames.steering)).mean())
    return {
        "world": "tub",
        "routes": {},
        "part": part,
        "frames": len(frames),
        "blocks": [[int(b[0]), int(b[-1])] for b in rows],
        **report,
        "steering_mae_95": block_interval(np.abs(_steering(answers) - frames.steering), [len(b) for b in rows]),
        "unfamiliar": unfamiliar(stage),
        "model": {"name": model.name, "hash": model.manifest.hash},
    }


def open_loop(
    answers: list[Steering], frames: Drive, regression: Array, mean_steering: float, small_error: float
) -> dict[str, Any]:
    """Errors and confidence of `answers` against the human's controls; `regression` is the scalar head alone."""
    fused, human = _steering(answers), frames.steering.astype(float)
    error = np.abs(fused - human)
    correct = error <= small_error
    confidence = np.array([a.confidence for a in answers])
    low, high = np.array([a.interval for a in answers]).T
    states = [a.state for a in answers]
    return {
        "steering_mae": {
            "headway": float(error.mean()),
            "headway-regression": float(np.abs(regression - human).mean()),
            "mean-steering": float(np.abs(mean_steering - human).mean()),
        },
        "bin_accuracy": {
            "headway": float((bin_of(fused) == bin_of(human)).mean()),
            "headway-regression": float((bin_of(regression) == bin_of(human)).mean()),
        },
        "confidence": {
            "ece": expected_calibration_error(confidence, correct),
            "auroc": auroc(confidence, correct),
            "coverage": float(((low <= human) & (human <= high)).mean()),
            "mean_half_width": float((high - low).mean() / 2.0),
            "small_error": small_error,
            "share_small": float(correct.mean()),
            "reliability": reliability(confidence, correct),
        },
        "states": {state.name.lower(): states.count(state) for state in DriveState},
    }


def unfamiliar(stage: DriveStage) -> dict[str, Any]:
    """Three seconds each of images that are no road: what the stage claims at most, and where it ends."""
    rng = np.random.default_rng(SEED)
    count, shape = int(3 * FRAME_RATE_HZ), (HEIGHT, WIDTH, 3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    checks = np.repeat(((rows // 15 + columns // 15) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    kinds = {
        "black": np.zeros((count, *shape), np.uint8),
        "white": np.full((count, *shape), 255, np.uint8),
        "noise": rng.integers(0, 256, (count, *shape), np.uint8),
        "checkerboard": np.broadcast_to(checks, (count, *shape)),
    }
    report = {}
    for kind, images in kinds.items():
        answers = run(stage, images)
        report[kind] = {
            "confidence": max(a.confidence for a in answers),
            "state": answers[-1].state.name.lower(),
            "throttle": answers[-1].throttle,
        }
    return report


def block_interval(values: Array, lengths: list[int]) -> list[float]:
    """95 % interval of the mean by a seeded bootstrap over blocks of the given lengths."""
    rng = np.random.default_rng(SEED)
    parts = np.split(values, np.cumsum(lengths)[:-1])
    sums, sizes = np.array([p.sum() for p in parts]), np.array(lengths)
    draws = rng.integers(0, len(parts), (BOOTSTRAP, len(parts)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    return [float(q) for q in np.quantile(means, [0.025, 0.975])]


def _steering(answers: list[Steering]) -> Array:
    return np.array([a.steering for a in answers])
