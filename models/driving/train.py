"""`headway train driving`: trains the ensemble on the tub, calibrates, exports, writes card and log, by one command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headway.evaluate.tub import Drive
from headway.models.driving.config import BINS, NetworkConfig, TrainConfig
from headway.models.driving.data import augment
from headway.models.driving.lesson import Lesson
from headway.models.driving.network import DrivingNetwork, Member
from headway.stages.drive import BIN_CENTRES, BIN_WIDTH

Progress = Callable[[int, int, dict[str, float]], None]


def soft_bin_labels(steering: Tensor, width: float) -> Tensor:
    """(B,) steering -> (B, 11) label that spreads over neighbouring bins; `width` is its deviation in bins."""
    z = (steering[:, None] - torch.tensor(BIN_CENTRES, dtype=torch.float32)) / (width * BIN_WIDTH)
    return torch.softmax(-0.5 * z * z, -1)


def losses(said: tuple[Tensor, Tensor], batch: Drive, config: TrainConfig) -> Tensor:
    """Of controls (B, C) and bin logits (B, 11): Huber on the controls, cross-entropy on the soft bins."""
    controls, logits = said
    steering = torch.from_numpy(batch.steering)
    total = config.regression_weight * F.huber_loss(controls[:, 0], steering, delta=0.2)
    total = total + config.throttle_weight * F.huber_loss(controls[:, 1], torch.from_numpy(batch.throttle), delta=0.1)
    if controls.shape[1] > 2:
        total = total + config.brake_weight * F.huber_loss(controls[:, 2], torch.from_numpy(batch.brake), delta=0.1)
    return total + F.cross_entropy(logits, soft_bin_labels(steering, config.soft_bins))


def train_member(
    network: DrivingNetwork,
    index: int,
    drive: Drive,
    config: TrainConfig,
    progress: Progress,
    lesson: Lesson | None = None,
) -> list[dict[str, float]]:
    """Trains one member from its own seed; one log row an epoch. The last epoch is kept: nothing is selected on
    the calibration or test blocks. lesson: what a teacher says of these frames, for networks with teacher heads."""
    torch.manual_seed(config.seed + index)
    rng = np.random.default_rng(config.seed + index)
    member: Member = network.members[index]  # type: ignore[assignment]  # torch types members as Module
    for module in member.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.reset_parameters()
    steps = (len(drive) + config.batch - 1) // config.batch
    optimizer = torch.optim.AdamW(member.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps * config.epochs)
    log = []
    for epoch in range(config.epochs):
        member.train()
        total = 0.0
        for rows in np.array_split(rng.permutation(len(drive)), steps):
            batch, mirrored = augment(drive.at(rows), rng, config)
            h, _ = member.hidden(network.normalised(torch.from_numpy(batch.images)))
            loss = losses(member.expert_heads(h), batch, config)
            if lesson is not None:
                loss = loss + config.teacher_weight * lesson.loss(member.teacher_heads(h), rows, mirrored)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(member.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        row = {"member": index, "epoch": epoch, "loss": total / len(drive)}
        log.append(row)
        progress(index * config.epochs + epoch + 1, len(network.members) * config.epochs, row)
    member.eval()
    return log


@torch.no_grad()
def predict(
    network: DrivingNetwork, images: np.ndarray, member: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 120, 160, 3) uint8 -> controls (N, C), logits (N, 11), novelty (N,) as float64 arrays.

    With `member`, controls and logits are that member's alone.
    """
    network.eval()
    parts = []
    for chunk in np.array_split(images, max(len(images) // 64, 1)):
        image = torch.from_numpy(np.ascontiguousarray(chunk))
        controls, logits, novelty = network(image)
        if member is not None:
            controls, logits, _ = network.members[member](network.normalised(image))
        parts.append((controls, logits, novelty))
    controls, logits, novelty = (torch.cat([p[i] for p in parts]).double().numpy() for i in range(3))
    return controls, logits, novelty[:, 0]


@torch.no_grad()
def signatures(network: DrivingNetwork, images: np.ndarray) -> Tensor:
    """(N, S) signatures of images as the novelty measure sees them."""
    member = network.members[0].eval()
    chunks = np.array_split(images, max(len(images) // 64, 1))
    return torch.cat([member(network.normalised(torch.from_numpy(c)))[2] for c in chunks])


def fit(
    folds: Sequence[Drive],
    network_config: NetworkConfig,
    config: TrainConfig,
    progress: Progress,
    lessons: Sequence[Lesson] | None = None,
) -> tuple[DrivingNetwork, list[dict[str, float]]]:
    """Trains member m on folds[m] (and lessons[m]), and the novelty measure on the frames of the first member."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    # The image arrives with its channels last: weights in the same order save a fifth of the time on a CPU.
    network = DrivingNetwork(network_config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves this overload out of its stubs
    log: list[dict[str, float]] = []
    for index in range(network_config.members):
        log += train_member(network, index, folds[index], config, progress, lessons[index] if lessons else None)
    rng = np.random.default_rng(config.seed)
    images = folds[0].images
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    varied = augment(folds[0], rng, config)[0].images
    shown = (images, mirrored, varied) if config.mirror else (images, varied)
    network.fit_novelty(torch.cat([signatures(network, x) for x in shown]))
    return network.to(memory_format=torch.contiguous_format).eval(), log


def write_log(folder: Path, log: list[dict[str, float]], settings: dict[str, Any]) -> None:
    """train.jsonl: one line of settings, then one line an epoch."""
    lines = [json.dumps(settings), *(json.dumps({k: round(v, 5) for k, v in row.items()}) for row in log)]
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def settings_of(network_config: NetworkConfig, config: TrainConfig) -> dict[str, Any]:
    """What a run was made with."""
    return {"network": asdict(network_config), "train": asdict(config), "bins": BINS, "torch": torch.__version__}


def seconds_since(start: float) -> float:
    """Wall seconds since `start` (time.monotonic)."""
    return round(time.monotonic() - start, 1)
