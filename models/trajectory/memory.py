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
_KEY = 16
_LATE_S = 0.25
_MOST = 0.6
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

    def __init__(self, config: TrajectoryConfig) -> None:
        super().__init__()
        self.config = config
        self.looked_at = [config.future * i // 4 - 1 for i in range(1, 5)]
        token = 2 * len(self.looked_at) + 3
        self.token = nn.Sequential(nn.Linear(token, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.key = nn.Linear(48, _HEADS * _KEY)
        self.query = nn.Linear(config.width, _HEADS * _KEY)
        self.mode = nn.Parameter(torch.zeros(config.modes, _HEADS * _KEY))
        self.present = nn.Linear(config.width, _HEADS)
        self.value = nn.Linear(48, 2 * len(self.looked_at) + 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        knots = torch.tensor([0.0, *(i + 1.0 for i in self.looked_at)])
        self.register_buffer("between", interpolation(knots, config.future), persistent=False)

    between: Tensor

    def forward(
        self, features: Tensor, local: Tensor, log_probability: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor]:
        """features (B, N, width), local (B, N, K, T, 2), log_probability (B, N, K) -> the last two, steadied."""
        b, n, k = local.shape[:3]
        r = memory.age.shape[2]
        valid = memory.valid[..., None]  # (B, N, R, 1)
        earlier = torch.where(valid[..., None, None] > 0.5, memory.local, local[:, :, None])
        certain = torch.where(valid > 0.5, memory.log_probability, log_probability[:, :, None])
        away = (earlier - local[:, :, None])[..., self.looked_at, :].flatten(-2)  # (B, N, R, K, 8)
        token = torch.cat(
            [
                (2 * away).clamp(-6, 6),
                (certain - log_probability[:, :, None]).clamp(-6, 6)[..., None],
                certain.clamp(min=-8)[..., None] / 4,
                (memory.age / _LATE_S)[..., None, None].expand(b, n, r, k, 1),
            ],
            dim=-1,
        )
        hidden = self.token(token)  # (B, N, R, K, 48)
        key = self.key(hidden).view(b, n, r, k, _HEADS, _KEY)
        query = (self.query(features)[:, :, None] + self.mode).view(b, n, 1, k, _HEADS, _KEY)
        score = (key * query).sum(-1) / _KEY**0.5 + 1e4 * (valid[..., None] - 1)  # (B, N, R, K, H)
        present = self.present(features)[:, :, None, None].expand(b, n, 1, k, _HEADS)
        weight = _MOST * torch.softmax(torch.cat([score, present], dim=2), dim=2)[:, :, :r]  # (B, N, R, K, H)
        for_path, for_certain = weight[..., 0:1], weight[..., 1]
        value = self.value(hidden)
        knots = (for_path * value[..., :-1]).sum(2).view(b, n, k, len(self.looked_at), 2)
        path = local + (for_path[..., None] * (earlier - local[:, :, None])).sum(2) + self.between @ knots
        logits = log_probability + (for_certain * (certain - log_probability[:, :, None] + value[..., -1])).sum(2)
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
