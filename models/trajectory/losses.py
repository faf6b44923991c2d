"""Losses: evolving winner-takes-all on the paths, soft assignment on the probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from headway.models.trajectory.config import TrainingConfig
from headway.models.trajectory.data import Batch
from headway.models.trajectory.network import Situation, TrajectoryNetwork

CENTRAL = 0
"""The mode that is pulled by everybody, not only by those it is nearest to: the single best guess."""
_SHARP = 4.0
"""Makes a weighted mean follow the most likely mode, with a gradient."""


def losses(model: TrajectoryNetwork, batch: Batch, t: TrainingConfig, share: float) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch at `share` of the run, and what it is made of, for the log."""
    situation = Situation(batch.noise, batch.relative)
    answer = model.answer(batch.positions, batch.valid, batch.head_direction, situation)
    return path_losses(answer.placed(), answer.log_probability, batch, t, share)


def path_losses(
    modes: Tensor, log_probability: Tensor, batch: Batch, t: TrainingConfig, share: float
) -> tuple[Tensor, dict[str, float]]:
    """The same for answers already there."""
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
    # The most likely mode is judged by its error: what the argmax picks should be near on average.
    picked = (torch.softmax(_SHARP * log_probability, dim=-1) * ade.detach()).sum(-1).mean()
    loss = best + t.central_weight * central + 0.3 * entropy + t.picked_weight * picked
    if t.mean_weight:
        mean = (log_probability.exp()[..., None, None] * modes).sum(1)
        off = ((mean - future).square().sum(-1).add(1e-6).sqrt() * known).sum(-1) / count
        loss = loss + t.mean_weight * off.mean()
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
