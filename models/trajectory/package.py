"""The model folder of a trained network, and the way back."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from headway import __version__
from headway.errors import ModelError
from headway.evaluate.pedestrians import SCENES
from headway.export import renew
from headway.export.package import export_onnx, package_model
from headway.export.parity import SAME, worst_difference
from headway.models.trajectory.config import CameraConfig, TrainingConfig, TrajectoryConfig
from headway.models.trajectory.data import Batch, SceneSampler, training_recordings
from headway.models.trajectory.network import TrajectoryNetwork
from headway.models.trajectory.train import LOG
from headway.runtime.few import FEW, Few
from headway.runtime.manifest import (
    Manifest,
    TensorSpec,
    file_entries,
    read_manifest,
    verified_path,
    write_manifest,
)
from headway.runtime.onnx import OnnxEngine

NAME = "trajectory"
CALIBRATION = "calibration.json"
FEW_SLOTS = 16
"""People in the smaller of the two graphs: half of all slots, half to two thirds of the time."""
LICENCE = (
    "ETH (Pellegrini 2009, BIWI): no licence stated upstream, research data; UCY (Lerner 2007): free for use with "
    "credit. Splits as in Trajectron++ (github.com/StanfordASL/Trajectron-plus-plus, commit 1031c7b)"
)


def export(
    folder: Path,
    name: str,
    network: TrajectoryNetwork,
    held_out: str | None,
    training: TrainingConfig,
    camera: CameraConfig,
    minutes: float,
) -> Manifest:
    """Writes the model folder; the calibration file must lie there already.

    Weights are rounded to half precision first, in both files alike: nothing is lost by it (below 0.1 mm) and the files
    compress to half. Networks that leave a scene out are for evaluation only and come without the training format.
    """
    c = network.config
    rounded(network)
    seed = training.seed - (SCENES.index(held_out) if held_out else 0)
    feeds = real_feeds(network, held_out)
    manifest = package_model(
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
            "machine": f"{torch.get_num_threads()} CPU thread(s)",
            "headway": __version__,
        },
        evaluation={},
        data_licence=LICENCE,
    )
    if not held_out:
        return add_few(folder)
    (folder / manifest.files["weights"].path).unlink()
    manifest = replace(manifest, files={k: v for k, v in manifest.files.items() if k != "weights"})
    write_manifest(folder, manifest)
    return manifest


def renew_graph(folder: Path) -> dict[str, float]:
    """See export.renew; the graph for few people follows."""
    network = load(folder, None)
    differences = renew.renew_graph(folder, network, [real_feeds(network, None)])
    if FEW in read_manifest(folder).files:
        add_few(folder)
    return differences


def add_few(folder: Path) -> Manifest:
    """Adds the graph for few people (runtime/few.py) to the finished weights in `folder`, and to its manifest.

    Raises ModelError where the two graphs differ by more than SAME on a real scene.
    """
    manifest, name = read_manifest(folder), f"{NAME}-{FEW_SLOTS}.onnx"
    network = load(folder, None)
    feeds = real_feeds(network, None)
    feeds["valid"][:, FEW_SLOTS:] = 0.0
    whole = OnnxEngine(verified_path(folder, manifest, "onnx"))
    expected = {k: v[:, :FEW_SLOTS].copy() for k, v in whole.infer(feeds).items()}
    whole.close()
    said = Few(FEW_SLOTS, "valid")
    cut = said.cut(feeds)
    export_onnx(network, cut, tuple(expected), folder / name)
    few = OnnxEngine(folder / name)
    differences = worst_difference(expected, few.infer(cut), manifest.outputs)
    few.close()
    if max(differences.values()) > SAME:
        (folder / name).unlink()
        raise ModelError(f"{folder}: the graph for {FEW_SLOTS} people says something else: {differences}")
    names = {key: entry.path for key, entry in manifest.files.items()} | {FEW: name}
    manifest = replace(
        manifest,
        files=file_entries(folder, names),
        config={**manifest.config, "few": asdict(said)},
        evaluation={**manifest.evaluation, "parity_few": differences},
    )
    write_manifest(folder, manifest)
    return manifest


def real_feeds(network: TrajectoryNetwork, held_out: str | None) -> dict[str, np.ndarray]:
    """`example_feeds` of one validation scene."""
    recordings = training_recordings(held_out, "val")
    return example_feeds(network, next(iter(SceneSampler(recordings, network.config, TrainingConfig(), seed=1))))


def rounded(network: TrajectoryNetwork) -> None:
    """Rounds all weights to what half precision can say, in place."""
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(value.half().float())


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
        feeds["memory_modes"][:, :n, r] = (modes.numpy() - feeds["positions"][:, :, -1, None, None])[:, :n] + 0.1 * r
        feeds["memory_log_probability"][:, :n, r] = log_probability[:, :n].numpy()
        feeds["memory_age"][:, :n, r], feeds["memory_valid"][:, :n, r] = (r + 1) / 15, 1.0
    return feeds
