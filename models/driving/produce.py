"""From frames to a model folder: train, calibrate, export, evaluate, card. `headway train driving` calls this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from headway.errors import UsageError
from headway.evaluate.driving import evaluate
from headway.evaluate.roads import evaluate_world
from headway.evaluate.tub import HEIGHT, WIDTH, Drive, find_tub
from headway.export.package import package_model
from headway.json_files import finite
from headway.models.driving.calibrate import as_config, calibrate
from headway.models.driving.card import drives_card, tub_card
from headway.models.driving.config import BESIDE_SHARE, BINS, WORLD_THROTTLE, NetworkConfig, TrainConfig
from headway.models.driving.lesson import TEACHER_SCALE, ablation, lesson_of
from headway.models.driving.material import (
    CONTROLS,
    SEEDS_A_ROUND,
    Material,
    check_rounds,
    drives_material,
    merged,
    road_calibration,
    road_material,
    save_frames,
    stored_material,
    tub_material,
    unseen_drives,
    with_tub,
)
from headway.models.driving.network import DrivingNetwork
from headway.models.driving.road_card import road_card
from headway.models.driving.train import Progress, fit, predict, seconds_since, settings_of, write_log
from headway.runtime.manifest import Manifest, TensorSpec, read_manifest, write_manifest
from headway.runtime.model import open_model
from headway.stages.drive_calibration import DriveCalibration
from headway.worlds.roadworld import VEHICLE

INPUTS = {"image": TensorSpec((1, HEIGHT, WIDTH, 3), "uint8", "NHWC", "BGR")}


def outputs_of(network: DrivingNetwork) -> dict[str, TensorSpec]:
    """The graph's outputs, with a column for each control that the network gives."""
    named = CONTROLS[: 3 if network.config.brake else 2]
    return {
        "controls": TensorSpec((1, len(named)), columns={name: (i, i + 1) for i, name in enumerate(named)}),
        "bin_logits": TensorSpec((1, BINS), columns={"bins": (0, BINS)}),
        "novelty": TensorSpec((1, 1), columns={"novelty": (0, 1)}),
    }


def build(
    material: Material,
    out: Path,
    command: str,
    network_config: NetworkConfig,
    config: TrainConfig,
    progress: Progress,
) -> DrivingNetwork:
    """Trains, calibrates on what has not been seen, and writes the model folder without evaluation or card."""
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)  # now: where it cannot be made, no training is lost
    if network_config.teacher:
        network, log, shown = taught(material, network_config, config, progress)
        material = replace(material, facts={**material.facts, "distillation": shown})
    else:
        network, log = fit(material.fit, network_config, config, progress)
    calibration = calibrated(network, material)
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
        outputs_of(network),
        files={"log": "train.jsonl"},
        config=as_config(calibration),
        training=training,
        evaluation={},
        data_licence=material.licence,
    )
    return network


def calibrated(network: DrivingNetwork, material: Material) -> DriveCalibration:
    """From what the ensemble says of frames that no member has seen; where all have been learned from by some, from
    what each member says of its own fold, which errs on the wide side. Novelty, of which there is one for all members,
    knows most of those folds: see `models.driving.calibrate`."""
    if (own := material.calibration) is not None:
        return calibrated_on(network, own)
    unseen = [predict(network, held.images, m) for m, held in enumerate(material.held)]
    controls, logits, novelty = (np.concatenate([p[i] for p in unseen]) for i in range(3))
    return calibrate(controls, logits, novelty, np.concatenate([held.steering for held in material.held]))


def calibrated_on(network: DrivingNetwork, unseen: Drive) -> DriveCalibration:
    """From what the ensemble says of roadworld's frames that no member has seen."""
    return calibrate(*predict(network, unseen.images), unseen.steering, unseen.speed, VEHICLE.max_speed_mps)


def recalibrate(folder: Path) -> Manifest:
    """Calibrates a finished roadworld folder anew, as its training would today; the weights stay. The numbers measured
    before hold no longer and go, but for the parity of the graph."""
    manifest = read_manifest(folder)
    if manifest.training.get("data") != "roadworld":
        raise UsageError(f"{folder} learned from '{manifest.training.get('data')}': only roadworld can be driven here")
    network = DrivingNetwork(NetworkConfig.of(manifest.training["network"]))
    network.load_state_dict(load_file(folder / manifest.files["weights"].path))
    unseen, facts = unseen_drives()
    calibration = calibrated_on(network, unseen)
    kept = {key: value for key, value in manifest.evaluation.items() if key.startswith("parity")}
    training = {**manifest.training, "calibration": facts, "calibrated_by": "tools/renew_driving.py --calibrate"}
    manifest = replace(manifest, config=as_config(calibration), training=training, evaluation=kept)
    write_manifest(folder, manifest)
    return manifest


def taught(
    material: Material, network_config: NetworkConfig, config: TrainConfig, progress: Progress
) -> tuple[DrivingNetwork, list[dict[str, float]], dict[str, Any]]:
    """Teacher, the same student without it, and the student with it; the ablation goes into the manifest."""
    wide = replace(
        network_config,
        teacher=False,
        channels=tuple(TEACHER_SCALE * c for c in network_config.channels),
        hidden=TEACHER_SCALE * network_config.hidden,
    )
    teacher, _ = fit(material.fit, wide, config, progress)
    lessons = [lesson_of(teacher, m, drive) for m, drive in enumerate(material.fit)]
    plain, _ = fit(material.fit, replace(network_config, teacher=False), config, progress)
    network, log = fit(material.fit, network_config, config, progress, lessons)
    found = ablation(plain, network, teacher, material.held)
    return network, log, {"teacher": asdict(wide), "held_out": found.rows, "mix": found.mix}


def produce_tub(
    data: Path, out: Path, network_config: NetworkConfig, config: TrainConfig, progress: Progress
) -> dict[str, Any]:
    """`headway train driving`: writes the model folder `out` and returns the evaluation on the test blocks."""
    tub = find_tub(data)
    material = tub_material(tub, network_config.members, config.smooth_frames)
    command = (
        f"headway train driving --out {out.name} --epochs {config.epochs} --members {network_config.members} "
        f"--seed {config.seed}" + (" --teacher" if network_config.teacher else "")
    )
    save_frames(material, out.with_name(out.name + ".work"))  # now: the reference network may learn meanwhile
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
    tub: Path | None = None,
) -> dict[str, Any]:
    """`headway train driving --world roadworld`: imitation, `dagger` rounds, evaluation on unseen roads.

    tub: a second domain to learn from. The teacher, where there is one, teaches in the last round only.
    """
    members = network_config.members
    check_rounds(episodes, dagger, members)
    material = road_material(members, config.seed, episodes, recorded)
    if tub is not None:
        material = with_tub(material, tub_material(tub, members, config.smooth_frames))
    command = (
        f"headway train driving --world roadworld --out {out.name} --episodes {episodes} --dagger {dagger} "
        f"--epochs {config.epochs} --members {members} --seed {config.seed}"
        + (" --with-tub" if tub is not None else "")
        + (" --teacher" if network_config.teacher else "")
    )
    config = road_config(config, network_config)
    alone = replace(network_config, teacher=False)
    for round_ in range(1, dagger + 1):
        network = build(material, out, command, alone, config, progress)
        more = road_material(
            members, config.seed, episodes // 2, recorded, steering_of(network), round_ * SEEDS_A_ROUND
        )
        material = merged(material, more)
    material = road_calibration(material)
    material = replace(material, facts={**material.facts, "recorded_by": command})
    save_frames(material, out.with_name(out.name + ".work"))  # now: the reference network may learn meanwhile
    build(material, out, command, network_config, config, progress)
    return drive_roadworld(out, runs)


def produce_stored(
    frames: Path, out: Path, network_config: NetworkConfig, config: TrainConfig, runs: int, progress: Progress
) -> dict[str, Any]:
    """`headway train driving --world roadworld --frames FILE`: learns longer, or otherwise, from the frames that an
    earlier run recorded, DAgger rounds and all; see `stored_material`."""
    config = road_config(config, network_config)
    command = (
        f"headway train driving --world roadworld --frames {frames.name} --out {out.name} --epochs {config.epochs} "
        f"--members {network_config.members} --seed {config.seed}" + (" --teacher" if network_config.teacher else "")
    )
    build(stored_material(frames, network_config.members), out, command, network_config, config, progress)
    return drive_roadworld(out, runs)


def road_config(config: TrainConfig, network_config: NetworkConfig) -> TrainConfig:
    """Of a run in roadworld; without views from beside where a teacher has said something of the frames as they are."""
    share = 0.0 if network_config.teacher else BESIDE_SHARE
    return replace(config, mirror=False, throttle_weight=WORLD_THROTTLE, beside_share=share)


def drive_roadworld(out: Path, runs: int) -> dict[str, Any]:
    """Evaluates the written folder on unseen roads, and writes its card."""
    model = open_model(str(out.resolve()), "driving")
    report = evaluate_world(model, "roadworld", runs=runs)
    model.close()
    return finish_road(out, report)


def finish_road(out: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Puts an evaluation in roadworld into the manifest and the card of the folder that was driven."""
    rows = [drivers["headway"] for drivers in report["routes"].values()]
    report["summary"] = (
        f"roadworld, drawn roads: Fréchet {np.mean([r['frechet_m'] for r in rows]):.2f} m, completed "
        f"{np.mean([r['completed'] for r in rows]):.0%} of {len(rows) * report['runs']} unseen drives"
    )
    return finish(out, report, road_card)


def produce_drives(
    world: str,
    files: Sequence[Path],
    out: Path,
    network_config: NetworkConfig,
    config: TrainConfig,
    progress: Progress,
) -> Manifest:
    """`headway train driving --drives FILE`: from drives recorded where the world's simulator is, which is where the
    model must be evaluated too. Writes the model folder `out` without numbers."""
    config = replace(config, mirror=False, throttle_weight=WORLD_THROTTLE)
    material = drives_material(f"driving-{world}", files, network_config.members, config.seed)
    if material.facts["data"] != world:
        raise UsageError(f"{files[0]} was recorded in '{material.facts['data']}', not in '{world}'")
    command = (
        f"headway train driving --world {world} {' '.join(f'--drives {path.name}' for path in files)} --out {out.name} "
        f"--epochs {config.epochs} --members {network_config.members} --seed {config.seed}"
        + (" --teacher" if network_config.teacher else "")
    )
    save_frames(material, out.with_name(out.name + ".work"))  # now: the reference network may learn meanwhile
    build(material, out, command, network_config, config, progress)
    manifest = read_manifest(out)
    (out / "README.md").write_text(drives_card(manifest), encoding="utf-8")
    return manifest


def steering_of(network: DrivingNetwork) -> Callable[[np.ndarray], float]:
    """A network as the driver of a DAgger round."""
    return lambda image: float(predict(network, image[None])[0][0, 0])


def finish(out: Path, report: dict[str, Any], card: Callable[[Manifest, dict[str, Any]], str]) -> dict[str, Any]:
    """Puts the numbers measured on the written folder into its manifest and its card."""
    manifest = read_manifest(out)
    kept = finite({k: v for k, v in report.items() if k != "model"})
    manifest = replace(manifest, evaluation={**manifest.evaluation, **kept})
    write_manifest(out, manifest)
    (out / "README.md").write_text(card(manifest, report), encoding="utf-8")
    return report
