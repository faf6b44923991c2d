"""From frames to a model folder: train, calibrate, export, evaluate, card. `headway train driving` calls this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headway.evaluate.driving import evaluate
from headway.evaluate.roads import evaluate_world
from headway.evaluate.tub import HEIGHT, SPLIT_PATTERN, WIDTH, Drive, find_tub, fold_blocks, read_tub, split_blocks
from headway.export.package import package_model
from headway.models.driving.calibrate import as_config, calibrate
from headway.models.driving.card import road_card, tub_card
from headway.models.driving.config import BINS, NetworkConfig, TrainConfig
from headway.models.driving.data import training_frames
from headway.models.driving.imitation import ROUTE_TURN, balanced, collect, joined
from headway.models.driving.network import DrivingNetwork
from headway.models.driving.train import Progress, fit, predict, seconds_since, settings_of, write_log
from headway.runtime.engine import open_model
from headway.runtime.manifest import Manifest, TensorSpec, read_manifest, write_manifest

INPUTS = {"image": TensorSpec((1, HEIGHT, WIDTH, 3), "uint8", "NHWC", "BGR")}
OUTPUTS = {
    "controls": TensorSpec((1, 2), columns={"steering": (0, 1), "throttle": (1, 2)}),
    "bin_logits": TensorSpec((1, BINS), columns={"bins": (0, BINS)}),
    "novelty": TensorSpec((1, 1), columns={"novelty": (0, 1)}),
}
TUB_LICENCE = "donkeycar sample tub, repository autorope/donkeycar, MIT"
ROAD_LICENCE = "none: every frame was drawn by headway/worlds"


@dataclass(frozen=True)
class Material:
    """fit[m]: what member m learns from; held[m]: what it has not seen, with the controls as they were; facts: for
    the manifest."""

    name: str
    fit: Sequence[Drive]
    held: Sequence[Drive]
    facts: dict[str, Any]
    licence: str


def tub_material(tub: Path, members: int, smooth_frames: float) -> Material:
    """Folds of the tub's training blocks."""
    drive = read_tub(tub)
    rows = [fold_blocks(len(drive), m, members) for m in range(members)]
    facts = {
        "data": "donkeycar_tub",
        "frames": {part: len(r) for part, r in split_blocks(len(drive)).items()},
        "split": f"blocks in turn: {', '.join(SPLIT_PATTERN)} (headway/evaluate/tub.py); member m leaves out "
        "the training blocks m, m + members, ...",
    }
    fits = [training_frames(drive, fit_rows, smooth_frames) for fit_rows, _ in rows]
    return Material("driving", fits, [drive.at(held) for _, held in rows], facts, TUB_LICENCE)


def road_material(
    members: int, seed: int, count: int, progress: Callable[[int, int], None], learner: Any = None, first: int = 0
) -> Material:
    """Folds of `count` recorded episodes of roadworld from seed `first` on: member m leaves out m, m + members, ..."""
    episodes = collect(range(first, first + count), progress, learner)
    rng = np.random.default_rng(seed)
    fits, held = [], []
    for m in range(members):
        own = set(range(m, count, members))
        fits.append(balanced(joined([e for i, e in enumerate(episodes) if i not in own]), rng))
        held.append(joined([episodes[i] for i in sorted(own)]))
    facts = {
        "data": "roadworld",
        "frames": {"recorded": sum(len(e.drive) for e in episodes), "fit": [len(f) for f in fits]},
        "episodes": [first, first + count - 1],
        "routes": list(ROUTE_TURN),
        "split": "by episode; member m leaves out episodes m, m + members, ...",
    }
    return Material("driving-roadworld", fits, held, facts, ROAD_LICENCE)


def merged(a: Material, b: Material) -> Material:
    """The frames of both, fold by fold: recordings of a DAgger round beside the first ones."""

    def both(x: Drive, y: Drive) -> Drive:
        return Drive(*(np.concatenate(p) for p in zip(_columns(x), _columns(y), strict=True)))

    fits = [both(x, y) for x, y in zip(a.fit, b.fit, strict=True)]
    held = [both(x, y) for x, y in zip(a.held, b.held, strict=True)]
    return replace(a, fit=fits, held=held, facts={**a.facts, "dagger": b.facts})


def _columns(drive: Drive) -> tuple[np.ndarray, ...]:
    return drive.images, drive.steering, drive.throttle


def build(
    material: Material,
    out: Path,
    command: str,
    network_config: NetworkConfig,
    config: TrainConfig,
    progress: Progress,
) -> DrivingNetwork:
    """Trains, calibrates on what each member has not seen, and writes the model folder without evaluation or card."""
    start = time.monotonic()
    network, log = fit(material.fit, network_config, config, progress)
    unseen = [predict(network, held.images, m) for m, held in enumerate(material.held)]
    controls, logits, novelty = (np.concatenate([p[i] for p in unseen]) for i in range(3))
    calibration = calibrate(controls, logits, novelty, np.concatenate([held.steering for held in material.held]))
    out.mkdir(parents=True, exist_ok=True)
    training = {
        "command": command,
        "seconds": seconds_since(start),
        **material.facts,
        **settings_of(network_config, config),
    }
    write_log(out, log, training)
    package_model(
        out,
        material.name,
        "driving",
        network,
        {"image": np.ascontiguousarray(material.held[0].images[:1])},
        INPUTS,
        OUTPUTS,
        files={"log": "train.jsonl"},
        config=as_config(calibration),
        training=training,
        evaluation={},
        data_licence=material.licence,
    )
    return network


def produce_tub(
    data: Path, out: Path, network_config: NetworkConfig, config: TrainConfig, progress: Progress
) -> dict[str, Any]:
    """`headway train driving`: writes the model folder `out` and returns the evaluation on the test blocks."""
    tub = find_tub(data)
    material = tub_material(tub, network_config.members, config.smooth_frames)
    command = (
        f"headway train driving --out {out.name} --epochs {config.epochs} --members {network_config.members} "
        f"--seed {config.seed}"
    )
    build(material, out, command, network_config, config, progress)
    model = open_model(str(out.resolve()), "driving")
    report = evaluate(model, tub)
    model.close()
    report["summary"] = (
        f"steering error {report['steering_mae']['headway']:.3f} of ±1 (mean steering "
        f"{report['steering_mae']['mean-steering']:.3f}), coverage {report['confidence']['coverage']:.0%} of a "
        f"{report['confidence']['nominal']:.0%} interval, {report['frames']} held-out frames of one indoor track"
    )
    return finish(out, report, tub_card)


def produce_road(
    out: Path,
    network_config: NetworkConfig,
    config: TrainConfig,
    episodes: int,
    dagger: int,
    runs: int,
    progress: Progress,
    recorded: Callable[[int, int], None],
) -> dict[str, Any]:
    """`headway train driving --world roadworld`: imitation, `dagger` rounds, evaluation on unseen roads."""
    members = network_config.members
    config = replace(config, mirror=False)
    material = road_material(members, config.seed, episodes, recorded)
    command = (
        f"headway train driving --world roadworld --out {out.name} --episodes {episodes} --dagger {dagger} "
        f"--epochs {config.epochs} --members {members} --seed {config.seed}"
    )
    network = build(material, out, command, network_config, config, progress)
    for round_ in range(1, dagger + 1):

        def learner(image: np.ndarray, network: DrivingNetwork = network) -> float:
            return float(predict(network, image[None])[0][0, 0])

        more = road_material(members, config.seed, episodes // 2, recorded, learner, first=round_ * 1000)
        material = merged(material, more)
        network = build(material, out, command, network_config, config, progress)
    model = open_model(str(out.resolve()), "driving")
    report = evaluate_world(model, "roadworld", runs=runs)
    model.close()
    rows = [drivers["headway"] for drivers in report["routes"].values()]
    report["summary"] = (
        f"roadworld, drawn roads: Fréchet {np.mean([r['frechet_m'] for r in rows]):.2f} m, completed "
        f"{np.mean([r['completed'] for r in rows]):.0%} of {len(rows) * runs} unseen drives"
    )
    return finish(out, report, road_card)


def finish(out: Path, report: dict[str, Any], card: Callable[[Manifest, dict[str, Any]], str]) -> dict[str, Any]:
    """Puts the numbers measured on the written folder into its manifest and its card."""
    manifest = read_manifest(out)
    kept = _without_nan({k: v for k, v in report.items() if k != "model"})
    manifest = replace(manifest, evaluation={**manifest.evaluation, **kept})
    write_manifest(out, manifest)
    (out / "README.md").write_text(card(manifest, report), encoding="utf-8")
    return report


def _without_nan(value: Any) -> Any:
    """NaN (an AUROC where no error was large, say) becomes null: JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value
