"""From nothing to model folders: five leave-one-out networks, then the shipped one, calibrated on what those five got
wrong on the scenes that they had never seen."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.evaluate.coverage import GROUPS, LEVELS, Scores, coverage, leave_out_tables
from headway.evaluate.egocentric import HEAD_SIZE
from headway.evaluate.egocentric_run import egocentric
from headway.evaluate.head_direction import head_direction
from headway.evaluate.kitti import kitti, sequences
from headway.evaluate.memory_effect import memory_effect
from headway.evaluate.pedestrians import SCENES
from headway.evaluate.trajectory import metrics, run_network
from headway.evaluate.walk_scores import scene_scores
from headway.models.trajectory.card import write_card
from headway.models.trajectory.config import CameraConfig, TrainingConfig, TrajectoryConfig
from headway.models.trajectory.package import CALIBRATION, NAME, export
from headway.models.trajectory.train import train
from headway.runtime.manifest import Manifest, file_entries, read_manifest, write_manifest
from headway.runtime.model import Model, open_model
from headway.stages.calibration import (
    BY_SIZE,
    CONDITIONS,
    OWN,
    RECORDED,
    RELATIVE,
    SPREAD_BY_SIZE,
    Calibration,
)

LEAVE_ONE_OUT = "leave-one-out"
EVALUATION = "evaluation.json"
FLOOR_M = 0.05
"""Per step of 0.4 s: an error this small is never held against a narrow spread."""
WALKED = (RELATIVE, OWN, *BY_SIZE.values())
"""The conditions of a camera that moves."""
CALIBRATION_LEVELS = {c: (HEAD_SIZE, HEAD_SIZE) if c in BY_SIZE.values() else ("0.03", "0.1") for c in WALKED}
CALIBRATION_WEARERS, CALIBRATION_SEED = 10, 100
"""Pedestrians of a scene who wear the camera for the calibration, at each noise level."""
NOMINAL = 0.9
"""Share of paths inside the radius for which coverage is measured."""
WEARERS = 6
"""Of each scene, in the numbers of a new model from a moving camera."""
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
    return calibrate_leave_one_out(out, {scene: judged(out, scene, progress) for scene in SCENES})


def judged(out: Path, scene: str, progress: Progress) -> tuple[dict[str, Any], dict[str, Scores]]:
    """Accuracy on `scene` of the network below `out` that never saw it, and its scores in every condition."""
    model = open_model(f"{out / scene}", NAME)
    windows = run_network(model, scene, lambda d, t: progress(f"evaluate {scene}", d, t))
    accuracy = {"windows": len(windows.track)} | metrics(windows.errors, windows.probability)
    scores = {RECORDED: windows.scores()} | {c: walked_scores(model, scene, c, progress) for c in WALKED}
    model.close()
    return accuracy, scores


def walked_scores(model: Model, scene: str, condition: str, progress: Progress) -> Scores:
    """Scores in one condition of a camera that moves, of a network that never saw `scene`."""
    return scene_scores(
        scene,
        model,
        CALIBRATION_LEVELS[condition],
        CALIBRATION_WEARERS,
        CALIBRATION_SEED,
        condition in (OWN, BY_SIZE[OWN]),
        lambda d, t: progress(f"walk in {scene}, {condition}", d, t),
    )


def calibrate_leave_one_out(out: Path, found: Mapping[str, tuple[dict[str, Any], dict[str, Scores]]]) -> dict[str, Any]:
    """Writes the calibration of the five networks below `out`, each from the four other scenes, and the evaluation.

    found: scene -> what `judged` says of it.
    """
    scenes = {scene: accuracy for scene, (accuracy, _) in found.items()}
    scores = {condition: {scene: s[condition] for scene, (_, s) in found.items()} for condition in CONDITIONS}
    return _calibrated(out, {"scenes": scenes, "mean": mean_of(scenes)}, scores)


def _calibrated(out: Path, report: Mapping[str, Any], scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, Any]:
    """Writes the calibration of the five networks, and `report` with the coverage. scores: condition -> scene -> what
    was scored; the tables of other conditions stay as they are."""
    tables = {condition: leave_out_tables(values) for condition, values in scores.items()}
    calibrations = {}
    for scene, accuracy in report["scenes"].items():
        rows = {c: t[scene] for c, t in tables.items()}
        _finish(out / scene, _tables(out / scene) | rows, {"held_out": scene} | accuracy)
        calibrations[scene] = Calibration.parse(out / scene / CALIBRATION)
    found = {coverage_key(c): coverage(values, calibrations, NOMINAL, c) for c, values in scores.items()}
    shipped = report.get("shipped_scores", {}) | {c: t[""].round(5).tolist() for c, t in tables.items()}
    report = {**report, **found, "shipped_scores": shipped}
    (out / EVALUATION).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def renew_calibration(out: Path, conditions: Sequence[str], progress: Progress) -> Manifest:
    """Scores a finished folder and the five networks below it anew in `conditions` of a camera that moves; accuracy and
    the other conditions stay as they are. Raises UsageError where the five are not there."""
    below = out / LEAVE_ONE_OUT
    try:
        report = json.loads((below / EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{below / EVALUATION} is no evaluation of the five networks: {error}") from error
    scores: dict[str, dict[str, Scores]] = {condition: {} for condition in conditions}
    for scene in SCENES:
        with TemporaryDirectory() as copy:
            # A score does not depend on the quantile in use, but without one a stage does not begin.
            folder = Path(shutil.copytree(below / scene, Path(copy) / scene))
            blank = np.ones((len(GROUPS), len(LEVELS)))
            _finish(folder, dict.fromkeys(CONDITIONS, blank), read_manifest(folder).evaluation)
            model = open_model(str(folder), NAME)
            for condition in conditions:
                scores[condition][scene] = walked_scores(model, scene, condition, progress)
            model.close()
    report = _calibrated(below, report, scores)
    tables = {c: np.array(report["shipped_scores"][c]) for c in conditions}
    covered = {coverage_key(c): report[coverage_key(c)] for c in conditions}
    return _finish(out, _tables(out) | tables, {**read_manifest(out).evaluation, **covered})


def coverage_key(condition: str) -> str:
    """Key of the coverage in a condition, in the report on the five networks and in the manifest."""
    return "coverage" if condition == RECORDED else f"coverage_{condition}"


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
    } | {coverage_key(c): report[coverage_key(c)] for c in CONDITIONS}
    tables = {condition: np.array(rows) for condition, rows in report["shipped_scores"].items()}
    manifest = _finish(out, tables, evaluation)
    return finish_moving(out, manifest, progress)


def finish_moving(out: Path, manifest: Manifest, progress: Progress) -> Manifest:
    """Adds to a finished folder what the networks are worth from a moving camera, what the memory and head directions
    change, with the commands that print it. Data that are for evaluation only need not be there."""
    folders = {scene: str((out / LEAVE_ONE_OUT / scene).resolve()) for scene in SCENES}
    walked = egocentric(folders, per_scene=WEARERS, progress=progress)
    command = f"headway evaluate trajectory --protocol egocentric --wearers {WEARERS}"
    moving: dict[str, Any] = {"egocentric": _walked(walked, command)}
    without_scenes = memory_effect(folders, per_scene=WEARERS, progress=progress)
    for level in without_scenes["noise"].values():
        del level["scenes"]
    moving["memory"] = {
        "command": f"headway evaluate trajectory --protocol memory --wearers {WEARERS}",
        "noise": without_scenes["noise"],
    }
    with suppress(UsageError):
        heads = head_direction(folders, progress)
        moving["head_direction"] = {"command": "headway evaluate trajectory --data head_orientation"} | {
            k: heads[k] for k in ("what", "windows", "pooled")
        }
    with suppress(UsageError):
        driven = kitti(str(out.resolve()), progress=progress, labels=sequences())
        moving["kitti"] = _driven(driven, "headway evaluate trajectory --protocol kitti")
    return _finish(out, None, dict(manifest.evaluation) | moving)


_KEPT = ("mean", "coverage", "alerts", "contacts", "flicker_m")
"""What a manifest keeps of an evaluation from a moving camera."""


def _walked(report: Mapping[str, Any], command: str) -> dict[str, Any]:
    return {"command": command, "noise": {n: {k: level[k] for k in _KEPT} for n, level in report["noise"].items()}}


def _driven(report: Mapping[str, Any], command: str) -> dict[str, Any]:
    return {"command": command} | {k: report[k] for k in ("windows", *_KEPT, "coverage_no_odometry")}


def renew_moving(folder: Path, report: Mapping[str, Any]) -> Manifest:
    """Puts an evaluation that `headway evaluate trajectory --json` wrote in the place of the one of its protocol in a
    finished folder. Raises UsageError where a manifest keeps none of that protocol."""
    kept = {"egocentric": _walked, "kitti": _driven}
    protocol = report.get("protocol")
    if protocol not in kept:
        raise UsageError(f"protocol {protocol!r}: only {' and '.join(kept)} can be renewed")
    command = " ".join(w for w in re.sub(r"--(json|html|jobs) \S+", "", report["command"]).split())
    evaluation = dict(read_manifest(folder).evaluation)
    return _finish(folder, None, evaluation | {protocol: kept[protocol](report, command)})


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


def _tables(folder: Path) -> dict[str, Array]:
    """Condition -> quantiles in the calibration of a folder, however old it is."""
    raw = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
    return {name: np.array(rows) for name, rows in raw["scores"].items()}


def _write_calibration(folder: Path, scores: Mapping[str, Array]) -> None:
    content = {
        "what": "radius of step t = quantile x sqrt((floor_m[t] + a x spread of modes at t)^2 + variance of the "
        f"track), a = 1, {SPREAD_BY_SIZE:g} for who is placed by the size of their head; scores: condition -> one row "
        "of quantiles at `levels` for each number of people in `people`; a score is a person's, or a group's, largest "
        "error over the path in these units, on scenes the network had never seen",
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
