"""From nothing to model folders: five leave-one-out networks, then the shipped one, calibrated on what those five got
wrong on the scenes that they had never seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from headway import __version__
from headway.errors import ModelError, UsageError
from headway.evaluate.coverage import GROUPS, LEVELS, Scores, coverage, leave_out_tables
from headway.evaluate.egocentric_run import egocentric
from headway.evaluate.kitti import kitti, sequences
from headway.evaluate.pedestrians import SCENES
from headway.evaluate.trajectory import metrics, run_network
from headway.evaluate.walk_scores import scene_scores
from headway.export.package import package_model
from headway.models.trajectory.card import write_card
from headway.models.trajectory.config import CameraConfig, TrainingConfig, TrajectoryConfig
from headway.models.trajectory.data import Batch, SceneSampler, training_recordings
from headway.models.trajectory.network import TrajectoryNetwork
from headway.models.trajectory.train import LOG, train
from headway.runtime.engine import open_model
from headway.runtime.manifest import Manifest, TensorSpec, file_entries, read_manifest, verified_path, write_manifest
from headway.stages.calibration import CONDITIONS, OWN, RECORDED, RELATIVE, Calibration

NAME = "trajectory"
LEAVE_ONE_OUT = "leave-one-out"
CALIBRATION = "calibration.json"
EVALUATION = "evaluation.json"
FLOOR_M = 0.05
"""Per step of 0.4 s: an error this small is never held against a narrow spread."""
LICENCE = (
    "ETH (Pellegrini 2009, BIWI): no licence stated upstream, research data; UCY (Lerner 2007): free for use with "
    "credit. Splits as in Trajectron++ (github.com/StanfordASL/Trajectron-plus-plus, commit 1031c7b)"
)
CALIBRATION_NOISE_M = (0.03, 0.1)
CALIBRATION_WEARERS, CALIBRATION_SEED = 12, 100
"""Pedestrians of a scene who wear the camera for the calibration, at each noise level."""
Array = NDArray[np.floating]
Progress = Callable[[str, int, int], None]


def produce_leave_one_out(
    out: Path, training: TrainingConfig, camera: CameraConfig, progress: Progress
) -> dict[str, Any]:
    """Trains, exports, evaluates and calibrates the five networks below `out`; returns the evaluation.

    A folder that a run with the same settings has finished is kept, one that it has begun goes on.
    """
    for scene in SCENES:
        train_folder(out / scene, scene, training, camera, progress)
    return calibrate_leave_one_out(out, progress)


def calibrate_leave_one_out(out: Path, progress: Progress, nominal: float = 0.9) -> dict[str, Any]:
    """Evaluates the five networks below `out` and writes their calibration, each from the four other scenes."""
    scenes: dict[str, Any] = {}
    scores: dict[str, dict[str, Scores]] = {condition: {} for condition in CONDITIONS}
    for scene in SCENES:
        model = open_model(f"{out / scene}", NAME)
        windows = run_network(model, scene, lambda d, t, s=scene: progress(f"evaluate {s}", d, t))  # type: ignore[misc]
        scenes[scene] = {"windows": len(windows.track)} | metrics(windows.errors, windows.probability)
        scores[RECORDED][scene] = windows.scores()
        for condition in (RELATIVE, OWN):
            label = f"walk in {scene}, {condition}"
            scores[condition][scene] = scene_scores(
                scene,
                model,
                CALIBRATION_NOISE_M,
                CALIBRATION_WEARERS,
                CALIBRATION_SEED,
                condition == OWN,
                lambda d, t, s=label: progress(s, d, t),  # type: ignore[misc]
            )
        model.close()
    tables = {condition: leave_out_tables(found) for condition, found in scores.items()}
    report: dict[str, Any] = {"scenes": scenes, "mean": mean_of(scenes)}
    calibrations = {}
    for scene in SCENES:
        _finish(out / scene, {c: t[scene] for c, t in tables.items()}, {"held_out": scene} | scenes[scene])
        calibrations[scene] = Calibration.parse(out / scene / CALIBRATION)
    report["coverage"] = coverage(scores[RECORDED], calibrations, nominal)
    for condition in (RELATIVE, OWN):
        report[f"coverage_{condition}"] = coverage(scores[condition], calibrations, nominal, condition)
    report["shipped_scores"] = {c: t[""].round(5).tolist() for c, t in tables.items()}
    (out / EVALUATION).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def produce(out: Path, training: TrainingConfig, camera: CameraConfig, progress: Progress) -> Manifest:
    """Everything: the five networks in `out`/leave-one-out, then the shipped network in `out`, of all scenes."""
    report = produce_leave_one_out(out / LEAVE_ONE_OUT, training, camera, progress)
    train_folder(out, None, training, camera, progress)
    return finish(out, report, progress)


def finish(out: Path, report: Mapping[str, Any], progress: Progress) -> Manifest:
    """Calibration, evaluation and card of the shipped network, from the report on the five."""
    mean = report["mean"]
    words = (
        f"leave-one-out min_ade20/min_fde20 {mean['min_ade20']:.3f}/{mean['min_fde20']:.3f} m, "
        f"ade/fde {mean['ade']:.3f}/{mean['fde']:.3f} m (constant velocity 0.534/1.148)"
    )
    evaluation = {
        "summary": words,
        "note": "The shipped network has seen all scenes; the numbers are those of five networks trained the same way, "
        "each on the scene it has never seen.",
        "leave_one_out": {k: report[k] for k in ("scenes", "mean")},
    } | {k: report[k] for k in ("coverage", "coverage_relative", "coverage_own")}
    tables = {condition: np.array(rows) for condition, rows in report["shipped_scores"].items()}
    manifest = _finish(out, tables, evaluation)
    return finish_moving(out, manifest, progress)


def finish_moving(out: Path, manifest: Manifest, progress: Progress, wearers: int = 6) -> Manifest:
    """Adds to a finished folder what the networks are worth from a moving camera, with the commands that print it."""
    folders = {scene: str((out / LEAVE_ONE_OUT / scene).resolve()) for scene in SCENES}
    walked = egocentric(folders, per_scene=wearers, progress=progress)
    keys = ("mean", "coverage", "alerts", "flicker_m")
    moving: dict[str, Any] = {
        "egocentric": {
            "command": f"headway evaluate trajectory --protocol egocentric --wearers {wearers}",
            "noise": {noise: {k: level[k] for k in keys} for noise, level in walked["noise"].items()},
        }
    }
    with suppress(UsageError):  # KITTI need not be there: it is for evaluation only
        driven = kitti(str(out.resolve()), progress=progress, labels=sequences())
        moving["kitti"] = {"command": "headway evaluate trajectory --protocol kitti"} | {
            k: driven[k] for k in ("windows", *keys)
        }
    return _finish(out, None, dict(manifest.evaluation) | moving)


def mean_of(scenes: Mapping[str, Any]) -> dict[str, float]:
    """Mean of the five scenes, each with the same weight."""
    return {k: float(np.mean([s[k] for s in scenes.values()])) for k in ("ade", "fde", "min_ade20", "min_fde20")}


def train_folder(
    folder: Path, held_out: str | None, training: TrainingConfig, camera: CameraConfig, progress: Progress
) -> None:
    """Trains and exports one network. The five scenes take the seed and the next four, in the order of the table."""
    seeded = replace(training, seed=training.seed + (SCENES.index(held_out) if held_out else 0))
    if _done(folder, seeded, camera):
        return
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    label = f"train without {held_out}" if held_out else "train on all scenes"
    steps = training.steps + camera.memory_steps
    network = train(held_out, seeded, camera, folder, progress=lambda step, row: progress(label, step, steps))
    minutes = (time.monotonic() - began) / 60
    _write_calibration(folder, dict.fromkeys(CONDITIONS, np.ones((len(GROUPS), len(LEVELS)))))
    name = f"{NAME}-{held_out}" if held_out else NAME
    export(folder, name, network, held_out, seeded, camera, minutes)


def export(
    folder: Path,
    name: str,
    network: TrajectoryNetwork,
    held_out: str | None,
    training: TrainingConfig,
    camera: CameraConfig,
    minutes: float,
) -> Manifest:
    """Writes the model folder; the calibration file must lie there already."""
    c = network.config
    seed = training.seed - (SCENES.index(held_out) if held_out else 0)
    batch = next(iter(SceneSampler(training_recordings(held_out, "val"), c, TrainingConfig(), seed=1)))
    feeds = example_feeds(network, batch)
    return package_model(
        folder,
        name,
        NAME,
        network,
        feeds,
        {k: TensorSpec(tuple(v.shape), layout="BN...") for k, v in feeds.items()},
        {
            "modes": TensorSpec((1, c.slots, c.modes, c.future, 2), columns={"x": (0, 1), "y": (1, 2)}),
            "log_probability": TensorSpec((1, c.slots, c.modes)),
        },
        files={"calibration": CALIBRATION, "training_log": LOG},
        config={"step_s": c.step_s, "network": asdict(c)},
        training={
            "command": f"headway train trajectory --out DIR --steps {training.steps} --seed {seed}",
            "data": "eth_ucy, train and val parts of "
            + (f"all scenes but {held_out}" if held_out else "all five scenes"),
            "settings": asdict(training),
            "camera": asdict(camera),
            "held_out": held_out or "",
            "minutes": round(minutes, 1),
            "machine": "one CPU thread",
            "headway": __version__,
        },
        evaluation={},
        data_licence=LICENCE,
    )


def load(folder: Path, held_out: str | None) -> TrajectoryNetwork:
    """The network of a model folder; ModelError where it may have seen `held_out`."""
    manifest = read_manifest(folder)
    if manifest.training.get("held_out") != (held_out or ""):
        raise ModelError(
            f"{folder} was trained without '{manifest.training.get('held_out')}', not without '{held_out}'"
        )
    network = TrajectoryNetwork(TrajectoryConfig(**manifest.config["network"]))
    network.load_state_dict(load_file(verified_path(folder, manifest, "weights")))
    return network.eval()


def example_feeds(network: TrajectoryNetwork, batch: Batch) -> dict[str, np.ndarray]:
    """One real scene in the fixed shapes of the contract, empty slots zero; what the network says of it twice is its
    memory."""
    c = network.config
    n = min(batch.positions.shape[1], c.slots)
    lead = (1, c.slots)
    shapes = {
        "positions": (*lead, c.past, 2),
        "valid": (*lead, c.past),
        "head_direction": (*lead, 2),
        "noise": lead,
        "relative": (1, 1),
        "memory_modes": (*lead, c.memory, c.modes, c.future, 2),
        "memory_log_probability": (*lead, c.memory, c.modes),
        "memory_age": (*lead, c.memory),
        "memory_valid": (*lead, c.memory),
    }
    feeds = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    for name in ("positions", "valid", "head_direction", "noise"):
        feeds[name][:, :n] = getattr(batch, name)[:1, :n].numpy()
    with torch.no_grad():
        modes, log_probability = network.eval()(*(torch.from_numpy(feeds[name]) for name in list(feeds)[:3]))
    for r in range(2):
        feeds["memory_modes"][:, :n, r] = modes[:, :n].numpy() + 0.1 * r
        feeds["memory_log_probability"][:, :n, r] = log_probability[:, :n].numpy()
        feeds["memory_age"][:, :n, r], feeds["memory_valid"][:, :n, r] = (r + 1) / 15, 1.0
    return feeds


def _finish(folder: Path, scores: Mapping[str, Array] | None, evaluation: Mapping[str, Any]) -> Manifest:
    """Writes calibration (None: the one there stays), card and the final manifest round an exported network."""
    if scores is not None:
        _write_calibration(folder, scores)
    manifest = read_manifest(folder)
    parity = manifest.evaluation.get("parity_torch_onnxruntime", {})
    manifest = replace(manifest, evaluation={**evaluation, "parity_torch_onnxruntime": parity})
    write_card(folder, manifest)
    names = {key: entry.path for key, entry in manifest.files.items()} | {"card": "README.md"}
    manifest = replace(manifest, files=file_entries(folder, names))
    write_manifest(folder, manifest)
    return manifest


def _write_calibration(folder: Path, scores: Mapping[str, Array]) -> None:
    content = {
        "what": "radius of step t = quantile x sqrt((floor_m[t] + spread of modes at t)^2 + variance of the track); "
        "scores: condition -> one row of quantiles at `levels` for each number of people in `people`; a score is a "
        "person's, or a group's, largest error over the path in these units, on scenes the network had never seen",
        "floor_m": [round(FLOOR_M * t, 4) for t in range(1, TrajectoryConfig().future + 1)],
        "levels": [float(v) for v in LEVELS],
        "people": list(GROUPS),
        "scores": {name: np.round(rows, 5).tolist() for name, rows in scores.items()},
    }
    (folder / CALIBRATION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _done(folder: Path, training: TrainingConfig, camera: CameraConfig) -> bool:
    if not (folder / "manifest.json").is_file():
        return False
    t = read_manifest(folder).training
    wanted = json.loads(json.dumps([asdict(training), asdict(camera)]))
    return [t.get("settings"), t.get("camera")] == wanted
