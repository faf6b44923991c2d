"""Second part of the training: the memory learns on sequences of successive frames, the rest stays as it is.

The network without memory is therefore exactly what the first part made of it, and what the memory does can be judged
by switching it off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from headway.evaluate.pedestrians import STEP_S
from headway.models.trajectory.answer import Answer
from headway.models.trajectory.camera import CameraSampler
from headway.models.trajectory.config import CameraConfig, TrainingConfig
from headway.models.trajectory.data import Batch
from headway.models.trajectory.losses import path_losses
from headway.models.trajectory.memory import Memory
from headway.models.trajectory.network import Situation, TrajectoryNetwork

_TURN_M = 0.25
"""What it counts, in metres, when all of the probability moves from one mode to another, halved."""
_MISSED = 0.1
"""Share of the remembered forecasts that are taken away, as where a frame was left out."""


def train_memory(
    model: TrajectoryNetwork,
    sampler: CameraSampler,
    training: TrainingConfig,
    camera: CameraConfig,
    progress: Callable[[int, dict[str, float]], None] = lambda step, row: None,
) -> TrajectoryNetwork:
    """Trains `model.memory` and returns the model in eval mode. `progress` gets a row every 50 steps."""
    torch.manual_seed(training.seed)
    model.eval()
    optimiser = torch.optim.AdamW(model.memory.parameters(), camera.memory_rate, weight_decay=1e-4)
    random = np.random.default_rng(training.seed)
    sums: dict[str, float] = {}
    for step, (frames, dt) in zip(range(1, camera.memory_steps + 1), sampler.sequences(camera.frames), strict=False):
        share = step / camera.memory_steps
        for group in optimiser.param_groups:
            group["lr"] = camera.memory_rate * min(share / 0.05, 1.0) * (0.505 + 0.495 * math.cos(math.pi * share))
        loss, parts = sequence_loss(model, frames, dt, training, camera, random)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.memory.parameters(), 1.0)
        optimiser.step()
        sums = {k: sums.get(k, 0.0) + v for k, v in parts.items()}
        if step % 50 == 0:
            progress(step, {k: round(v / 50, 4) for k, v in sums.items()})
            sums = {}
    return model.eval()


def sequence_loss(
    model: TrajectoryNetwork,
    frames: Sequence[Batch],
    dt: float,
    training: TrainingConfig,
    camera: CameraConfig,
    random: np.random.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Accuracy in all frames but the first, and agreement of each with the one before it."""
    rows = frames[-1].teaches > 0
    accuracy, agreement, flicker_without = [], [], []
    past: list[tuple[Tensor, Tensor, Tensor]] = []  # newest first: paths, log probability, valid
    bare: tuple[Tensor, Tensor] | None = None
    parts: dict[str, float] = {}
    for batch in frames:
        with torch.no_grad():
            answer = picked(model, batch, rows)
        paths, log_probability = answer.placed(), answer.log_probability
        if past:
            memory = remembered(answer, past, dt, model.config.memory, random)
            paths, log_probability = model.memory(answer, memory)
        present = batch.valid[rows][None, :, -1] * batch.teaches[rows][None]
        if past:
            seen = present * past[0][2]
            agreement.append(jump(past[0][0], past[0][1], paths, log_probability, dt, seen))
            if bare is not None:
                flicker_without.append(float(jump(*bare, answer.placed(), answer.log_probability, dt, seen)))
            loss, parts = path_losses(paths[0], log_probability[0], only(batch, rows), training, 1.0)
            accuracy.append(loss)
        bare = answer.placed(), answer.log_probability
        past = [(paths, log_probability, present), *past][: model.config.memory]
    agree = torch.stack(agreement).mean()
    parts = parts | {"jump": float(agree.detach()), "jump_without": float(np.mean(flicker_without))}
    return torch.stack(accuracy).mean() + camera.agreement * agree, parts


def picked(model: TrajectoryNetwork, batch: Batch, rows: Tensor) -> Answer:
    """What the network says of the people in `rows` (B, N) without memory, as one scene (1, M, ...)."""
    situation = Situation(batch.noise, batch.relative)
    a = model.answer(batch.positions, batch.valid, batch.head_direction, situation)
    features = a.features[rows.flatten()]
    coefficients, log_probability, frame, last = (
        f[rows][None] for f in (a.coefficients, a.log_probability, a.frame, a.last)
    )
    return Answer(coefficients, log_probability, features, frame, last, a.draw)


def only(batch: Batch, rows: Tensor) -> Batch:
    """The people in `rows` (B, N) as (M, ...); what is not per person is left out."""
    fields = (batch.positions, batch.valid, batch.head_direction, batch.future, batch.known, batch.teaches, batch.noise)
    return Batch(*[*(f[rows] for f in fields), batch.relative])


def remembered(
    answer: Answer, past: Sequence[tuple[Tensor, Tensor, Tensor]], dt: float, slots: int, random: np.random.Generator
) -> Memory:
    """The forecasts in `past`, newest first, moved to the present moments of time; missing ones are masked."""
    filled = [past[min(r, len(past) - 1)] for r in range(slots)]
    paths = torch.stack([moved_on(p, (r + 1) * dt / STEP_S) for r, (p, _, _) in enumerate(filled)], dim=2)
    certain = torch.stack([c for _, c, _ in filled], dim=2)
    valid = torch.stack([v * float(r < len(past)) for r, (_, _, v) in enumerate(filled)], dim=2)
    keep = torch.from_numpy((random.uniform(size=valid.shape) > _MISSED).astype(np.float32))
    age = (torch.arange(1, slots + 1) * dt).expand(valid.shape)
    return Memory(paths - answer.last[:, :, None, None], certain, age, valid * keep)


def moved_on(paths: Tensor, steps: float) -> Tensor:
    """(..., T, 2) -> the same paths `steps` (0 to 3) of the time grid later; beyond the end they go straight on."""
    last, speed = paths[..., -1:, :], paths[..., -1:, :] - paths[..., -2:-1, :]
    further = torch.cat([paths, *(last + i * speed for i in range(1, 5))], dim=-2)
    whole, share = int(steps), steps - int(steps)
    t = paths.shape[-2]
    return (1 - share) * further[..., whole : whole + t, :] + share * further[..., whole + 1 : whole + 1 + t, :]


def jump(old: Tensor, old_log: Tensor, new: Tensor, new_log: Tensor, dt: float, seen: Tensor) -> Tensor:
    """Mean distance between two successive forecasts (1, M, K, T, 2) at the same moments: of every mode, weighted by
    its probability, and what their probabilities changed."""
    before = moved_on(old, dt / STEP_S)
    apart = (before - new).square().sum(-1).add(1e-6).sqrt().mean(-1)  # (1, M, K)
    every = (new_log.exp().detach() * apart).sum(-1)
    # Of the probabilities only their change counts: otherwise modes that stand still would win.
    turned = (new_log.exp() - old_log.exp()).abs().sum(-1)
    return ((every + _TURN_M * turned) * seen).sum() / seen.sum().clamp(min=1)
