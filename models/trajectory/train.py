"""Training of the predictor: evolving winner-takes-all on the paths, soft assignment on the probabilities."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headway.models.checkpoint import read_checkpoint, write_checkpoint
from headway.models.trajectory.camera import CameraSampler
from headway.models.trajectory.config import CameraConfig, TrainingConfig
from headway.models.trajectory.data import Batch, SceneSampler, training_recordings
from headway.models.trajectory.losses import losses
from headway.models.trajectory.network import TrajectoryNetwork
from headway.models.trajectory.sized import sized_scenes
from headway.models.trajectory.train_memory import train_memory

LOG, CHECKPOINT = "training.csv", "checkpoint.pt"


@dataclass
class Progress:
    """A run that can be taken up where it was stopped: everything but the order of the batches still to come."""

    model: TrajectoryNetwork
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    rows: list[dict[str, float]] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "average": self.average}
        return state | {"rows": self.rows, "step": self.step, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.rows = state["average"], state["rows"]
        self.step, self.seconds = state["step"], state["seconds"]


def train(
    held_out: str | None,
    training: TrainingConfig,
    camera: CameraConfig,
    folder: Path | None = None,
    splits: tuple[str, ...] = ("train", "val"),
    progress: Callable[[int, dict[str, float]], None] = lambda step, row: None,
) -> TrajectoryNetwork:
    """Trains one network that never sees the scene `held_out` (None: all scenes) and returns it in eval mode.

    First everything but the memory, on recordings and on scenes as a camera sees them; then the same with more weight
    on where the paths end; then the memory alone.
    `folder` gets `training.csv`, a row every 100 steps, and a checkpoint from which a stopped run goes on; `progress`
    is called with the same rows.
    """
    torch.manual_seed(training.seed)
    model = TrajectoryNetwork().train()
    optimiser = torch.optim.AdamW(model.parameters(), training.rate, weight_decay=training.weight_decay)
    state = Progress(model, optimiser, {k: v.clone() for k, v in model.state_dict().items()})
    checkpoint = folder / CHECKPOINT if folder else None
    settings = (
        asdict(training) | {f"camera.{name}": value for name, value in asdict(camera).items()} | {"held_out": held_out}
    )
    if checkpoint and (stored := read_checkpoint(checkpoint, settings)):
        state.restore(stored)
    seed = training.seed + 1000 * state.step
    recordings = [r for split in splits for r in training_recordings(held_out, split)]
    batches = iter(SceneSampler(recordings, model.config, training, seed))
    seen = CameraSampler(recordings, model.config, camera, seed)
    random = np.random.default_rng(seed)
    sized = seen.sized(sized_scenes(recordings, model.config, camera, random))
    drawn = mixed(batches, (frames[0][0] for frames in seen.sequences(1)), sized, camera, random)
    sums: dict[str, float] = {}
    began = time.monotonic() - state.seconds
    for step in range(state.step + 1, training.steps + 1):
        batch = next(drawn)
        for group in optimiser.param_groups:
            group["lr"] = training.rate * learning_rate(step / training.steps)
        loss, parts = losses(model, batch, training, step / training.steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(state.average, model, step)
        sums = {k: sums.get(k, 0.0) + v for k, v in parts.items()}
        if step % 100 == 0:
            state.step, state.seconds = step, time.monotonic() - began
            row = {"step": step, "seconds": state.seconds} | {k: v / 100 for k, v in sums.items()}
            state.rows.append({k: round(v, 4) for k, v in row.items()})
            progress(step, state.rows[-1])
            sums = {}
            if folder and checkpoint:
                _write_log(folder / LOG, state.rows)
                write_checkpoint(checkpoint, state.state(), settings)
    model.load_state_dict(state.average)
    polish(model, drawn, training)
    train_memory(model, seen, training, camera, lambda step, row: progress(training.steps + step, row))
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return model


def mixed(
    recorded: Iterator[Batch],
    moving: Iterator[Batch],
    sized: Iterator[Batch],
    camera: CameraConfig,
    random: np.random.Generator,
) -> Iterator[Batch]:
    """Batches for ever: recorded from above, seen by a camera that moves, and by one that has no depth."""
    kinds = (moving, sized, recorded)
    shares = (camera.share, camera.sized_share, 1.0 - camera.share - camera.sized_share)
    while True:
        yield next(kinds[int(random.choice(len(kinds), p=shares))])


def polish(model: TrajectoryNetwork, batches: Iterator[Batch], training: TrainingConfig) -> None:
    """The second part: a short run from the mean weights of the first, at a low rate, winners taking all."""
    settings = replace(
        training,
        final_weight=training.polish_final_weight,
        central_weight=training.polish_central_weight,
        mean_weight=training.polish_mean_weight,
    )
    optimiser = torch.optim.AdamW(model.parameters(), training.polish_rate, weight_decay=training.weight_decay)
    average = {k: v.clone() for k, v in model.state_dict().items()}
    for step in range(1, training.polish_steps + 1):
        batch = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = training.polish_rate * learning_rate(step / training.polish_steps)
        loss, _ = losses(model, batch, settings, 1.0)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, step, most=1e-2)
    model.load_state_dict(average)


def follow(average: dict[str, Tensor], model: TrajectoryNetwork, step: int, most: float = 1e-3) -> None:
    """Moves the running mean of the weights: over the last tenth of the steps so far, at most 1 / `most` steps."""
    share = max(most, 10 / (step + 9))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            average[name].lerp_(value, share)


def learning_rate(share: float) -> float:
    """Warm-up over 2 % of the run, then a cosine to 1 %."""
    return min(share / 0.02, 1.0) * (0.505 + 0.495 * math.cos(math.pi * share))


def _write_log(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
