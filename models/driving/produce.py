"""From a tub to a model folder: train, calibrate, export, evaluate, card. `headway train driving` calls `produce`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from headway.evaluate.driving import evaluate
from headway.evaluate.tub import HEIGHT, SPLIT_PATTERN, WIDTH, find_tub, read_tub, split_blocks
from headway.export.package import package_model
from headway.models.driving.calibrate import as_config, calibrate
from headway.models.driving.card import write_card
from headway.models.driving.config import BINS, NetworkConfig, TrainConfig
from headway.models.driving.data import training_frames
from headway.models.driving.train import Progress, fit, predict, seconds_since, settings_of, write_log
from headway.runtime.engine import open_model
from headway.runtime.manifest import TensorSpec, read_manifest, write_manifest

INPUTS = {"image": TensorSpec((1, HEIGHT, WIDTH, 3), "uint8", "NHWC", "BGR")}
OUTPUTS = {
    "controls": TensorSpec((1, 2), columns={"steering": (0, 1), "throttle": (1, 2)}),
    "bin_logits": TensorSpec((1, BINS), columns={"bins": (0, BINS)}),
    "novelty": TensorSpec((1, 1), columns={"novelty": (0, 1)}),
}
DATA_LICENCE = "donkeycar sample tub, repository autorope/donkeycar, MIT"


def produce(
    data: Path, out: Path, network_config: NetworkConfig, config: TrainConfig, progress: Progress
) -> dict[str, Any]:
    """Writes the model folder `out` and returns the evaluation on the test blocks, which its card holds too."""
    start = time.monotonic()
    tub = find_tub(data)
    drive = read_tub(tub)
    parts = split_blocks(len(drive))
    train = training_frames(drive, parts["train"], config.smooth_frames)
    network, log = fit(train, network_config, config, progress)
    held = drive.at(parts["calibration"])
    calibration = calibrate(*predict(network, held.images), held.steering)
    out.mkdir(parents=True, exist_ok=True)
    training = {
        "command": f"headway train driving --out {out.name} --epochs {config.epochs} "
        f"--members {network_config.members} --seed {config.seed}",
        "seconds": seconds_since(start),
        "data": "donkeycar_tub",
        "frames": {part: len(rows) for part, rows in parts.items()},
        "split": f"blocks in turn: {', '.join(SPLIT_PATTERN)}; see headway/evaluate/tub.py",
        **settings_of(network_config, config),
    }
    write_log(out, log, training)
    package_model(
        out,
        "driving",
        "driving",
        network,
        {"image": np.ascontiguousarray(held.images[:1])},
        INPUTS,
        OUTPUTS,
        files={"log": "train.jsonl"},
        config=as_config(calibration),
        training=training,
        evaluation={},
        data_licence=DATA_LICENCE,
    )
    return finish(out, tub)


def finish(out: Path, tub: Path) -> dict[str, Any]:
    """Evaluates the written folder as a device would load it, and puts the numbers into manifest and card."""
    from dataclasses import replace

    model = open_model(str(out.resolve()), "driving")
    report = evaluate(model, tub)
    model.close()
    manifest = read_manifest(out)
    kept = {k: v for k, v in report.items() if k not in ("model", "routes")}
    manifest = replace(manifest, evaluation={**manifest.evaluation, **kept})
    write_manifest(out, manifest)
    write_card(out, manifest, report)
    return report
