"""Dual-head distillation: one rotation learns the labels, a second one what a larger network says of the same crops.

What the device answers is a mixture of the two; its share is chosen on validation crops, and every share that was tried
is printed in the card, so that it can be seen whether the teacher helped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from headway.evaluate.head_labels import HeadLabels
from headway.models.head_pose.config import LossConfig, NetworkConfig
from headway.models.head_pose.crops import Pictures, Sampler
from headway.models.head_pose.data import collate
from headway.models.head_pose.decode import flatten_maps, gram_schmidt, grid_centres
from headway.models.head_pose.loss import assign, geodesic
from headway.models.head_pose.network import RAW_SIX, HeadPoseNet
from headway.runtime.manifest import read_manifest

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
CROPS, BATCH = 768, 48


def load_network(folder: Path) -> HeadPoseNet:
    """The network of a model folder, ready to be asked; raises ModelError where the folder is none."""
    manifest = read_manifest(folder)
    network = HeadPoseNet(NetworkConfig.of(manifest.training))
    network.load_state_dict(load_file(folder / manifest.files["weights"].path))
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.no_grad()
def choose_mix(network: HeadPoseNet, images: Pictures, labels: HeadLabels, size: int) -> dict[str, float]:
    """Sets the share of the second rotation that is best on crops of these labels; share -> mean error in degrees."""
    sampler = Sampler(images, labels, size, np.random.default_rng(0), around_heads=True, augment=False)
    batches = [collate(sampler.batch(BATCH)) for _ in range(CROPS // BATCH)]
    centres, strides = grid_centres(size, size)
    errors = {}
    for share in MIXES:
        network.mix.fill_(share)
        angles = []
        for pictures, targets in batches:
            raw = flatten_maps(network(pictures))
            a = assign(targets, len(raw), centres, strides, LossConfig())
            angles.append(geodesic(gram_schmidt(raw[a.image, a.cell][:, RAW_SIX]), targets.rotation[a.head]))
        errors[f"{share:g}"] = float(torch.rad2deg(torch.cat(angles).mean()))
    network.mix.fill_(float(min(errors, key=errors.__getitem__)))
    return errors
