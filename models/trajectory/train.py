"""Training of the predictor: evolving winner-takes-all on the paths, soft assignment on the probabilities."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from headway.models.trajectory.config import TrainingConfig
from headway.models.trajectory.data import Batch, SceneSampler, training_recordings
from headway.models.trajectory.network import TrajectoryNetwork

CENTRAL = 0
"""The mode that is pulled by everybody, not only by those it is nearest to: the single best guess."""
CONTINUED_SHARE, CONTINUED_RATE = 0.6, 0.67
"""Where a continued run enters the annealing, and its share of the learning rate."""


def train(
    held_out: str | None,
    training: TrainingConfig,
    log: Path | None = None,
    splits: tuple[str, ...] = ("train",),
    start: TrajectoryNetwork | None = None,
    progress: Callable[[int, dict[str, float]], None] = lambda step, row: None,
) -> TrajectoryNetwork:
    """Trains one network that never sees the scene `held_out` (None: all scenes) and returns it in eval mode.

    `start`: a network to go on from; it must not have seen the scene either. Its modes are apart already, so winners
    take nearly all from the beginning.

    `log` gets a CSV row every 100 steps; `progress` is called with the same.
    """
    torch.manual_seed(training.seed)
    model = (start or TrajectoryNetwork()).train()
    first_share = 0.0 if start is None else CONTINUED_SHARE * training.anneal
    rate = training.rate * (1.0 if start is None else CONTINUED_RATE)
    recordings = [r for split in splits for r in training_recordings(held_out, split)]
    sampler = SceneSampler(recordings, model.config, training, training.seed)
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=training.weight_decay)
    average = {k: v.clone() for k, v in model.state_dict().items()}
    rows: list[dict[str, float]] = []
    sums: dict[str, float] = {}
    began = time.monotonic()
    for step, batch in zip(range(1, training.steps + 1), sampler, strict=False):
        for group in optimiser.param_groups:
            group["lr"] = rate * learning_rate(step / training.steps)
        share = first_share + (1 - first_share) * step / training.steps
        loss, parts = losses(model, batch, training, share)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, step)
        sums = {k: sums.get(k, 0.0) + v for k, v in parts.items()}
        if step % 100 == 0:
            row = {"step": step, "seconds": time.monotonic() - began} | {k: v / 100 for k, v in sums.items()}
            rows.append({k: round(v, 4) for k, v in row.items()})
            progress(step, rows[-1])
            sums = {}
            if log is not None:
                _write_log(log, rows)
    model.load_state_dict(average)
    return model.eval()


def follow(average: dict[str, Tensor], model: TrajectoryNetwork, step: int) -> None:
    """Moves the running mean of the weights: over the last tenth of the steps so far, at most a thousand steps."""
    share = max(1e-3, 10 / (step + 9))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            average[name].lerp_(value, share)


def learning_rate(share: float) -> float:
    """Warm-up over 2 % of the run, then a cosine to 1 %."""
    return min(share / 0.02, 1.0) * (0.505 + 0.495 * math.cos(math.pi * share))


def losses(model: TrajectoryNetwork, batch: Batch, t: TrainingConfig, share: float) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch at `share` of the run, and what it is made of, for the log."""
    modes, log_probability = model(batch.positions, batch.valid, batch.head_direction)
    rows = batch.teaches > 0
    modes, log_probability = modes[rows], log_probability[rows]  # (M, K, T, 2), (M, K)
    known, future = batch.known[rows], batch.future[rows]
    error = (modes - future[:, None]).square().sum(-1).add(1e-6).sqrt() * known[:, None]  # (M, K, T)
    count = known.sum(-1)
    ade = error.sum(-1) / count[:, None]
    last = (count - 1).long()[:, None, None].expand(-1, error.shape[1], 1)
    fde = error.gather(-1, last)[..., 0]
    distance = ade + t.final_weight * fde  # (M, K)

    # Evolving winner-takes-all: first every mode is pulled by its nearest half, in the end only the best one.
    k = modes.shape[1]
    winners = max(1, round(k ** (1 - share / t.anneal))) if share < t.anneal else 1
    nearest = distance.topk(winners, dim=-1, largest=False).values
    best = nearest.mean(-1).mean()
    central = distance[:, CENTRAL].mean()
    # The probabilities learn which mode lies close, not which is closest by a hair.
    target = torch.softmax(-ade.detach() / t.soft_m, dim=-1)
    entropy = -(target * log_probability).sum(-1).mean()
    loss = best + 0.5 * central + 0.3 * entropy
    chosen = log_probability.argmax(-1, keepdim=True)
    ade, fde = ade.detach(), fde.detach()
    parts = {
        "min_ade": float(ade.min(-1).values.mean()),
        "min_fde": float(fde.min(-1).values.mean()),
        "ade": float(ade.gather(-1, chosen).mean()),
        "fde": float(fde.gather(-1, chosen).mean()),
        "central_ade": float(ade[:, CENTRAL].mean()),
        "cross_entropy": float(entropy.detach()),
    }
    return loss, parts


def _write_log(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
