"""Real pedestrians seen from a moving car: KITTI tracking labels with the car's own orientation and velocity, at 10 Hz.

The labelled 3D boxes stand in for the detector: their positions in the camera frame are turned into semi-local axes by
the recorded orientation and the calibrated rotation between camera and IMU, nothing else.
Evaluation only (CC BY-NC-SA).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import AlertCount, pooled
from headway.evaluate.cases import Cases
from headway.evaluate.coverage import coverage
from headway.evaluate.egocentric import Walk
from headway.evaluate.kitti_labels import labelled, read_calibration, read_motion
from headway.evaluate.walk_run import RULES, Errors, drawn, run_walk, table
from headway.paths import data_folder
from headway.runtime.model import open_model
from headway.stages.calibration import OWN, RELATIVE, Calibration

Array = NDArray[np.floating]

RATE = 10.0
_NOISE_M = 0.1
"""What the labels are good for, told to the filter; nothing is added to them."""
_ROLL, _PITCH, _YAW, _FORWARD, _LEFT, _UP = 3, 4, 5, 8, 9, 10
"""Columns of an oxts row: radians in the world, metres per second in the car's axes."""


def sequences() -> list[Path]:
    """Label files of `kitti_tracking` in which pedestrians appear."""
    folder = data_folder("kitti_tracking")
    return [p for p in sorted((folder / "label").glob("*.txt")) if " Pedestrian " in p.read_text()]


def read_sequence(label: Path) -> Walk:
    """One sequence as a walk of its camera; the calibration and oxts files lie beside the label folder."""
    root = label.parent.parent
    oxts = read_motion(root / "oxts" / label.name)
    people = labelled(label, len(oxts))
    ids, camera = people.ids, people.place
    car = car_orientation(oxts)
    orientation = car @ camera_to_car(root / "calib" / label.name)
    world = np.einsum("fij,fpj->fpi", orientation, camera)[..., :2]
    velocity = np.einsum("fij,fj->fi", car, oxts[:, [_FORWARD, _LEFT, _UP]])[:, :2]
    ahead = orientation[:, :2, 2]
    return Walk(
        name=label.stem,
        rate=RATE,
        noise_m=_NOISE_M,
        ids=ids,
        relative=world,
        seen=np.isfinite(world[..., 0]),
        measured=world,
        yaw=np.arctan2(ahead[:, 1], ahead[:, 0]),
        velocity=velocity,
    )


def car_orientation(oxts: Array) -> Array:
    """(F, 30) -> (F, 3, 3) rotation from the car (x forward, y left, z up) to world-aligned axes."""
    roll, pitch, yaw = oxts[:, _ROLL], oxts[:, _PITCH], oxts[:, _YAW]
    zero, one = np.zeros(len(oxts)), np.ones(len(oxts))

    def stack(*values: Array) -> Array:
        return np.stack(values, axis=-1).reshape(-1, 3, 3)

    about_x = stack(one, zero, zero, zero, np.cos(roll), -np.sin(roll), zero, np.sin(roll), np.cos(roll))
    about_y = stack(np.cos(pitch), zero, np.sin(pitch), zero, one, zero, -np.sin(pitch), zero, np.cos(pitch))
    about_z = stack(np.cos(yaw), -np.sin(yaw), zero, np.sin(yaw), np.cos(yaw), zero, zero, zero, one)
    return about_z @ about_y @ about_x


def camera_to_car(calibration: Path) -> Array:
    """(3, 3) rotation from the rectified camera to the IMU's axes."""
    values = read_calibration(calibration)
    return (values["R_rect"] @ values["Tr_velo_cam"][:, :3] @ values["Tr_imu_velo"][:, :3]).T


def kitti(
    model_name: str,
    nominal: float = 0.9,
    progress: Callable[[str, int, int], None] = lambda s, d, t: None,
    labels: Sequence[Path] | None = None,
    cases: dict[str, Cases] | None = None,
) -> dict[str, Any]:
    """All sequences with pedestrians, with odometry and without ("headway-no-odometry"). Keys: see architecture.

    `cases` takes the worst, under ""."""
    model = open_model(model_name, "trajectory")
    scenes: dict[str, Any] = {}
    everything, blind, worst = Errors(), Errors(), Cases()
    counts: dict[str, list[AlertCount]] = {}
    labels = sequences() if labels is None else labels
    for number, label in enumerate(labels):
        walk = read_sequence(label)
        one, no_odometry = Errors(), Errors()
        found = {m: AlertCount() for m in RULES}
        run_walk(walk, model, nominal, found, one, cases=worst)
        run_walk(walk.without_odometry(), model, nominal, {m: AlertCount() for m in found}, no_odometry)
        for entry in found:
            counts.setdefault(entry, []).append(found[entry])
        scenes[walk.name] = {"windows": len(one.inside), "models": merged(one, no_odometry)}
        everything.add(one)
        blind.add(no_odometry)
        progress("kitti", number + 1, len(labels))
    if cases is not None:
        cases[""] = worst
    name, digest, calibration = model.name, model.manifest.hash, Calibration.read(model)
    model.close()
    return {
        "protocol": "kitti",
        "data": "kitti_tracking",
        "model": {"name": name, "hash": digest},
        "scenes": scenes,
        "windows": len(everything.inside),
        "mean": merged(everything, blind),
        "mean_is": "over all windows, because some sequences have hardly any",
        "coverage": covered(everything, calibration, nominal, OWN),
        "coverage_no_odometry": covered(blind, calibration, nominal, RELATIVE),
        "alerts": {m: pooled(c).summary() for m, c in counts.items()},
        "contacts": everything.contacts.summary(),
        "flicker_m": {m: float(np.mean(everything.flicker_m[m])) for m in ("headway", "constant-velocity")},
    }


def covered(errors: Errors, calibration: Calibration, nominal: float, condition: str) -> dict[str, Any] | None:
    """Coverage with radii calibrated on walkers, none of them from KITTI; None where nobody was scored."""
    scores = errors.scores.scores()
    if not len(scores):
        return None
    return coverage({"kitti": scores}, {"kitti": calibration}, nominal, condition) | {"drawn": drawn([errors])}


def merged(one: Errors, no_odometry: Errors) -> dict[str, dict[str, float]]:
    """The table of `one` with the network's row of `no_odometry` added."""
    found, blind = table(one), table(no_odometry)
    return found | ({"headway-no-odometry": blind["headway"]} if "headway" in blind else {})
