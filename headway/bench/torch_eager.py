"""Torch eager rows of the bench: the installed weights in the network's own code, and the published reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from headway.bench.frames import Feeds
from headway.errors import EngineError, ModelError
from headway.runtime.manifest import Manifest, read_manifest, verified_path
from headway.runtime.model import model_folder

REFERENCE_SIZE = 1280

Call = Callable[[Feeds], Any]


def eager_devices() -> list[str]:
    """ "cuda" where torch has a GPU: where it runs beside the CPU."""
    return ["cuda"] if torch.cuda.is_available() else []


def eager(name: str, threads: int, device: str = "cpu") -> Callable[[Feeds], list[np.ndarray]]:
    """The installed model as its authors wrote it, fp32, weights from safetensors; raises ModelError if it differs."""
    folder = model_folder(name)
    manifest = read_manifest(folder)
    path = verified_path(folder, manifest, "weights")
    try:
        weights = load_file(path)
        network, exported = BUILD[manifest.task](manifest)
        network.load_state_dict(weights)
    # SafetensorError: a broken file; RuntimeError: other tensors; the rest: a configuration of another version
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {_line(error)}"
        raise ModelError(
            f"the weights of '{manifest.name}' are not of the network in this checkout: {reason}"
        ) from error
    torch.set_num_threads(threads)
    with _on(device):
        module = exported(network).eval().to(device)

    def call(feeds: Feeds) -> list[np.ndarray]:
        with torch.inference_mode(), _on(device):
            tensors = {k: torch.from_numpy(feeds[k]).to(device) for k in manifest.inputs}
            # By name where there are several: a manifest does not keep the order of the network's arguments.
            outputs = module(*tensors.values()) if len(tensors) == 1 else module(**tensors)
            return [t.cpu().numpy() for t in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return call


@contextmanager
def _on(device: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # above all a GPU out of memory
        raise EngineError(f"torch on {device} failed: {_line(error)}") from error


def _line(error: Exception) -> str:
    """Of torch's several lines one that is not too long."""
    return " ".join(str(error).split())[:200]


def _head_pose(manifest: Manifest) -> tuple[torch.nn.Module, Callable[[Any], torch.nn.Module]]:
    if manifest.name.startswith("directmhp"):
        from headway.models.directmhp.config import VARIANTS
        from headway.models.directmhp.network import DirectMHP
        from headway.models.directmhp.network import Exported as Reference

        return DirectMHP(VARIANTS[manifest.name.rpartition("-")[2]]), Reference
    from headway.models.head_pose.config import NetworkConfig
    from headway.models.head_pose.decode import Exported
    from headway.models.head_pose.network import HeadPoseNet

    _, height, width, _ = manifest.inputs["image"].shape
    return HeadPoseNet(NetworkConfig.of(manifest.training)), lambda network: Exported(network, height, width)


def _trajectory(manifest: Manifest) -> tuple[torch.nn.Module, Callable[[Any], Any]]:
    from headway.models.trajectory.config import TrajectoryConfig
    from headway.models.trajectory.network import TrajectoryNetwork

    return TrajectoryNetwork(TrajectoryConfig(**manifest.config.get("network", {}))), lambda network: network


def _driving(manifest: Manifest) -> tuple[torch.nn.Module, Callable[[Any], Any]]:
    from headway.models.driving.config import NetworkConfig
    from headway.models.driving.network import DrivingNetwork

    return DrivingNetwork(NetworkConfig.of(manifest.training["network"])), lambda network: network


BUILD: dict[str, Callable[[Manifest], tuple[torch.nn.Module, Callable[[Any], torch.nn.Module]]]] = {
    "head-pose": _head_pose,
    "trajectory": _trajectory,
    "driving": _driving,
}


def reference_feed() -> Feeds:
    """A picture of noise for `reference_network`."""
    return {"image": np.random.default_rng(0).random((1, 3, REFERENCE_SIZE, REFERENCE_SIZE), np.float32)}


def reference_network(threads: int) -> Call:
    """The published S network with its decode at 1280 x 1280, random weights: good for its time and nothing else."""
    from headway.models.directmhp.config import VARIANTS
    from headway.models.directmhp.network import DirectMHP, Exported

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    module = Exported(DirectMHP(VARIANTS["s"])).eval()

    def call(feeds: Feeds) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(feeds["image"]))

    return call


def with_work(make: Callable[[], Call]) -> tuple[Call, Callable[[Feeds], float]]:
    """A network, and what counts the operations of one call: torch's own count of convolutions and products."""
    call = make()

    def work(feeds: Feeds) -> float:
        with FlopCounterMode(display=False) as counter:
            call(feeds)
        return counter.get_total_flops() / 1e9

    return call, work
