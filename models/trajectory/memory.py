"""Every mode looks at what it said a moment ago: HPNet's idea as dense masked attention over a ring buffer.

The buffer holds the last R forecasts of each person, mode by mode, moved to the same moments of time. A mode's query
comes from the person's features and the mode's number, a key from how far an earlier path lies from the present one.
The answer mixes the earlier paths with the present one by these weights, plus a learned correction. With an empty
buffer the present answer goes through unchanged, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headway.models.trajectory.config import TrajectoryConfig

_HEADS = 2
"""One set of weights for the path, one for the probability."""
_WIDTH = 16
_LATE_S = 0.25
_MOST = 0.7
"""Share that the past may have at most: what is remembered was itself mixed with what came before it, and without a
limit the forecasts of a second ago never die out (measured: the best of 20 doubled its error)."""


@dataclass(frozen=True)
class Memory:
    """Earlier forecasts, newest first. local (B, N, R, K, T, 2) m in the person's present axes at the present moments
    of time, log_probability (B, N, R, K), age (B, N, R) s, valid (B, N, R) 0/1."""

    local: Tensor
    log_probability: Tensor
    age: Tensor
    valid: Tensor


class ModeMemory(nn.Module):
    """Attention of each mode over its own earlier forecasts. One step of work a frame, whatever the past."""

    between: Tensor

    def __init__(self, config: TrajectoryConfig) -> None:
        super().__init__()
        self.looked_at = [config.future * i // 4 - 1 for i in range(1, 5)]
        knots = 2 * len(self.looked_at)
        self.token = nn.Linear(knots + 2, _WIDTH)
        self.person = nn.Linear(config.width, _WIDTH)
        self.mode = nn.Parameter(torch.zeros(config.modes, _WIDTH))
        self.score = nn.Linear(_WIDTH, _HEADS)
        self.present = nn.Linear(config.width, _HEADS)
        self.value = nn.Linear(_WIDTH, knots + 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        times = torch.tensor([0.0, *(i + 1.0 for i in self.looked_at)])
        self.register_buffer("between", interpolation(times, config.future), persistent=False)

    def forward(
        self, features: Tensor, local: Tensor, log_probability: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor]:
        """features (B, N, width), local (B, N, K, T, 2), log_probability (B, N, K) -> the last two, steadied."""
        b, n, k, t, _ = local.shape
        valid = memory.valid[..., None]  # (B, N, R, 1)
        # Masked at the source: what an empty slot holds must not even reach the arithmetic.
        away = (memory.local - local[:, :, None]) * valid[..., None, None]  # (B, N, R, K, T, 2)
        rise = (memory.log_probability - log_probability[:, :, None]) * valid  # (B, N, R, K)
        token = torch.cat(
            [
                (2 * away[..., self.looked_at, :].flatten(-2)).clamp(-6, 6),
                rise.clamp(-6, 6)[..., None],
                (memory.age / _LATE_S)[..., None, None].expand(*rise.shape, 1),
            ],
            dim=-1,
        )
        # Additive attention: what a mode asks for is added to what an earlier path offers.
        asked = self.person(features)[:, :, None] + self.mode  # (B, N, K, W)
        hidden = torch.relu(self.token(token) + asked[:, :, None])  # (B, N, R, K, W)
        score = self.score(hidden) + 1e4 * (valid[..., None] - 1)  # (B, N, R, K, H)
        present = self.present(features)[:, :, None, None].expand(b, n, 1, k, _HEADS)
        weight = _MOST * torch.softmax(torch.cat([score, present], dim=2), dim=2)[:, :, :-1]
        value = self.value(hidden)
        knots = (weight[..., 0:1] * value[..., :-1]).sum(2).view(b, n, k, len(self.looked_at), 2)
        # (B, N, K, 1, R) @ (B, N, K, R, 2T): the weighted sum of the paths without a temporary for each.
        drawn = weight[..., 0].movedim(2, -1)[..., None, :] @ away.flatten(-2).movedim(2, -2)
        path = local + drawn.view(b, n, k, t, 2) + self.between @ knots
        logits = log_probability + (weight[..., 1] * (rise + value[..., -1])).sum(2)
        return path, torch.log_softmax(logits, dim=-1)


def interpolation(knots: Tensor, steps: int) -> Tensor:
    """(J + 1,) knot times, the first 0 with the value 0 -> (steps, J): values at the other knots to every step."""
    times = torch.arange(1, steps + 1, dtype=torch.float32)
    left = (torch.searchsorted(knots, times) - 1).clamp(0, len(knots) - 2)
    share = (times - knots[left]) / (knots[left + 1] - knots[left])
    table = torch.zeros(steps, len(knots))
    rows = torch.arange(steps)
    table[rows, left] += 1 - share
    table[rows, left + 1] += share
    return table[:, 1:]
