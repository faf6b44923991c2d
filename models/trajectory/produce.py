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
from safetensors.torch import load_file

from headway import __version__
from headway.errors import ModelError, UsageError
from headway.evaluate.egocentric_run import egocentric
from headway.evaluate.kitti import kitti, sequences
from headway.evaluate.pedestrians import SCENES
from headway.evaluate.trajectory import LEVELS, Windows, calibrate, coverage, metrics, run_network
from headway.export.package import package_model
from headway.models.trajectory.card import write_card
from headway.models.trajectory.config import TrainingConfig, TrajectoryConfig
from headway.models.trajectory.data import SceneSampler, training_recordings
from headway.models.trajectory.network import TrajectoryNetwork
from headway.models.trajectory.train import train
from headway.runtime.engine import open_model
from headway.runtime.manifest import Manifest, TensorSpec, file_entries, read_manifest, verified_path, write_manifest

NAME = "trajectory"
LEAVE_ONE_OUT = "leave-one-out"
CALIBRATION = "calibration.json"
EVALUATION = "evaluation.json"
LOG = "training.csv"
FLOOR_M = 0.05
"""Per step of 0.4 s: an error this small is never held against a narrow spread."""
LICENCE = (
    "ETH (Pellegrini 2009, BIWI): no licence stated upstream, research data; UCY (Lerner 2007): free for use with "
    "credit. Splits as in Trajectron++ (github.com/StanfordASL/Trajectron-plus-plus, commit 1031c7b)"
)
Progress = Callable[[str, int, int], None]


def produce_leave_one_out(
    out: Path, training: TrainingConfig, progress: Progress, start: Path | None = None
) -> dict[str, Any]:
    """Trains, exports, evaluates and calibrates the five networks below `out`; returns the evaluation.

    A folder that a run with the same settings has finished is kept, so that an interrupted run goes on. `start`: a
    folder of five such networks to go on from.
    """
    for number, scene in enumerate(SCENES):
        folder = out / scene
        if not _done(folder, training):
            seeded = replace(training, seed=training.seed + number)
            _train_folder(folder, f"{NAME}-{scene}", scene, seeded, progress, start / scene if start else None)
    windows = {}
    for scene in SCENES:
        model = open_model(f"{out / scene}", NAME)
        windows[scene] = run_network(model, scene, lambda d, t, s=scene: progress(f"evaluate {s}", d, t))  # type: ignore[misc]
        model.close()
    report = summary(windows)
    for scene in SCENES:
        scores = calibrate(windows, leave_out=scene)
        _finish(out / scene, scores, {"held_out": scene} | report["scenes"][scene])
    report["shipped_scores"] = calibrate(windows)
    (out / EVALUATION).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def produce(out: Path, training: TrainingConfig, progress: Progress, start: Path | None = None) -> Manifest:
    """Everything: the five networks in `out`/leave-one-out, then the shipped network in `out`, of all scenes."""
    report = produce_leave_one_out(out / LEAVE_ONE_OUT, training, progress, start / LEAVE_ONE_OUT if start else None)
    if not _done(out, training):
        _train_folder(out, NAME, None, training, progress, start)
    mean, cover = report["mean"], report["coverage"]
    words = (
        f"leave-one-out min_ade20/min_fde20 {mean['min_ade20']:.3f}/{mean['min_fde20']:.3f} m, "
        f"ade/fde {mean['ade']:.3f}/{mean['fde']:.3f} m (constant velocity 0.534/1.148)"
    )
    evaluation = {
        "summary": words,
        "note": "The shipped network has seen all scenes; the numbers are those of five networks trained the same way, "
        "each on the scene it has never seen.",
        "leave_one_out": {k: report[k] for k in ("scenes", "mean")},
        "coverage": cover,
    }
    manifest = _finish(out, report["shipped_scores"], evaluation)
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
    scores = json.loads((out / CALIBRATION).read_text(encoding="utf-8"))["scores"]
    return _finish(out, scores, dict(manifest.evaluation) | moving)


def summary(windows: Mapping[str, Windows], nominal: float = 0.9) -> dict[str, Any]:
    """Accuracy of each scene and the mean, and coverage."""
    scenes = {s: {"windows": len(w.track)} | metrics(w.errors, w.probability) for s, w in windows.items()}
    keys = ("ade", "fde", "min_ade20", "min_fde20")
    mean = {k: float(np.mean([s[k] for s in scenes.values()])) for k in keys}
    return {"scenes": scenes, "mean": mean, "coverage": coverage(windows, nominal)}


def _train_folder(
    folder: Path, name: str, held_out: str | None, training: TrainingConfig, progress: Progress, start: Path | None
) -> Manifest:
    before: list[dict[str, Any]] = []
    network = None
    if start is not None:
        network, before = load(start, held_out)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    label = f"train without {held_out}" if held_out else "train on all scenes"
    network = train(
        held_out,
        training,
        folder / LOG,
        ("train", "val"),
        network,
        progress=lambda step, row: progress(label, step, training.steps),
    )
    minutes = (time.monotonic() - began) / 60
    _write_calibration(folder, [1.0] * len(LEVELS))
    rounds = [*before, {"settings": asdict(training), "minutes": round(minutes, 1)}]
    return export(folder, name, network, held_out, rounds)


def export(
    folder: Path,
    name: str,
    network: TrajectoryNetwork,
    held_out: str | None,
    rounds: list[dict[str, Any]],
) -> Manifest:
    """Writes the model folder; the calibration file must lie there already. `rounds`: settings of every run so far."""
    c = network.config
    first = SCENES.index(held_out) if held_out else 0
    commands = [
        f"headway train trajectory --out DIR{i} --steps {r['settings']['steps']} --seed {r['settings']['seed'] - first}"
        + (f" --start DIR{i - 1}" if i else "")
        for i, r in enumerate(rounds)
    ]
    batch = next(iter(SceneSampler(training_recordings(held_out, "val"), c, TrainingConfig(), seed=1)))
    feeds = example_feeds(batch.positions[:1], batch.valid[:1], batch.head_direction[:1], c)
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
            "command": "; ".join(commands),
            "data": "eth_ucy, train and val parts of "
            + (f"all scenes but {held_out}" if held_out else "all five scenes"),
            "settings": rounds[-1]["settings"],
            "rounds": rounds,
            "held_out": held_out or "",
            "minutes": round(sum(r["minutes"] for r in rounds), 1),
            "machine": "one CPU thread",
            "headway": __version__,
        },
        evaluation={},
        data_licence=LICENCE,
    )


def load(folder: Path, held_out: str | None) -> tuple[TrajectoryNetwork, list[dict[str, Any]]]:
    """The network of a model folder and how it was trained; ModelError where it may have seen `held_out`."""
    manifest = read_manifest(folder)
    if manifest.training.get("held_out") != (held_out or ""):
        raise ModelError(
            f"{folder} was trained without '{manifest.training.get('held_out')}', not without '{held_out}'"
        )
    network = TrajectoryNetwork(TrajectoryConfig(**manifest.config["network"]))
    network.load_state_dict(load_file(verified_path(folder, manifest, "weights")))
    t = manifest.training
    return network, list(t.get("rounds") or [{"settings": t["settings"], "minutes": t["minutes"]}])


def example_feeds(
    positions: torch.Tensor, valid: torch.Tensor, head: torch.Tensor, c: TrajectoryConfig
) -> dict[str, np.ndarray]:
    """One real scene in the fixed shapes of the contract, empty slots zero."""
    n = min(positions.shape[1], c.slots)
    feeds = {
        "positions": np.zeros((1, c.slots, c.past, 2), np.float32),
        "valid": np.zeros((1, c.slots, c.past), np.float32),
        "head_direction": np.zeros((1, c.slots, 2), np.float32),
    }
    for name, tensor in zip(feeds, (positions, valid, head), strict=True):
        feeds[name][:, :n] = tensor[:, :n].numpy()
    return feeds


def _finish(folder: Path, scores: list[float], evaluation: Mapping[str, Any]) -> Manifest:
    """Writes calibration, card and the final manifest round a network that is already exported."""
    _write_calibration(folder, scores)
    manifest = read_manifest(folder)
    parity = manifest.evaluation.get("parity_torch_onnxruntime", {})
    manifest = replace(manifest, evaluation={**evaluation, "parity_torch_onnxruntime": parity})
    write_card(folder, manifest)
    names = {key: entry.path for key, entry in manifest.files.items()} | {"card": "README.md"}
    manifest = replace(manifest, files=file_entries(folder, names))
    write_manifest(folder, manifest)
    return manifest


def _write_calibration(folder: Path, scores: list[float]) -> None:
    content = {
        "what": "radius of step t = score(nominal) x (floor_m[t] + spread of the modes at t); a score is a track's "
        "largest error over the path in these units, on scenes that the network had never seen, one vote a person",
        "floor_m": [round(FLOOR_M * t, 4) for t in range(1, TrajectoryConfig().future + 1)],
        "levels": [float(v) for v in LEVELS],
        "scores": [round(float(v), 5) for v in scores],
    }
    (folder / CALIBRATION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _done(folder: Path, training: TrainingConfig) -> bool:
    if not (folder / "manifest.json").is_file():
        return False
    settings = dict(read_manifest(folder).training.get("settings", {}))
    wanted = json.loads(json.dumps(asdict(training)))
    return {k: v for k, v in settings.items() if k != "seed"} == {k: v for k, v in wanted.items() if k != "seed"}
