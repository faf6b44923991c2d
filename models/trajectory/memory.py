"""Every mode looks at what it said a moment ago: HPNet's idea as dense masked attention over a ring buffer.

The buffer holds the last R forecasts of each person, mode by mode, moved to the same moments of time. A mode's query
comes from the person's features and the mode's number, a key from how far an earlier path lies from the present one.
The answer mixes the earlier paths with the present one by these weights, plus a learned correction. With an empty
buffer the present answer goes through unchanged, bit by bit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headway.models.trajectory.answer import Answer, Drawing
from headway.models.trajectory.config import TrajectoryConfig

_LARGEST_SCORE = 10.0
"""Above the present path's own: a weight of 0.99995 of all, and its exponential is still a half-precision number."""
_HEADS = 2
"""One set of weights for the path, one for the probability."""
_WIDTH = 16
_KNOTS = 4
"""Points of a path, evenly spread to its end, that are compared and bent."""
_LATE_S = 0.25
_MOST = 0.7
"""Share that the past may have at most: what is remembered was itself mixed with what came before it, and without a
limit the forecasts of a second ago never die out (measured: the best of 20 doubled its error)."""


@dataclass(frozen=True)
class Memory:
    """Earlier forecasts, newest first. modes (B, N, R, K, T, 2) m in the axes of the scene from each person's newest
    position, at the present moments of time; log_probability (B, N, R, K), age (B, N, R) s, valid (B, N, R) 0/1."""

    modes: Tensor
    log_probability: Tensor
    age: Tensor
    valid: Tensor


class ModeMemory(nn.Module):
    """Attention of each mode over its own earlier forecasts. One step of work a frame, whatever the past."""

    at_knots: Tensor
    turn_knots: Tensor
    pick: Tensor
    own_mode: Tensor

    def __init__(self, config: TrajectoryConfig, basis: Tensor) -> None:
        super().__init__()
        looked_at = [config.future * (i + 1) // _KNOTS - 1 for i in range(_KNOTS)]
        self.token = nn.Linear(2 * _KNOTS + 2, _WIDTH)
        self.person = nn.Linear(config.width, _WIDTH)
        self.mode = nn.Parameter(torch.zeros(config.modes, _WIDTH))
        self.score = nn.Linear(_WIDTH, _HEADS)
        self.present = nn.Linear(config.width, _HEADS)
        self.value = nn.Linear(_WIDTH, 2 * _KNOTS + 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        times = torch.tensor([0.0, *(i + 1.0 for i in looked_at)])
        between = interpolation(times, config.future).T  # (KNOTS, T)
        # Coefficients of x, of y, then of the bends: x and y of each knot in turn.
        none, bends = torch.zeros_like(basis), between.repeat_interleave(2, dim=0)
        is_x = torch.tensor([1.0, 0.0]).repeat(_KNOTS)[:, None]
        self.draw = Drawing(torch.cat([basis, none, bends * is_x]), torch.cat([none, basis, bends * (1 - is_x)]))
        # (2 J, 2 KNOTS): a path's coefficients to its knots, x and y in turn.
        at_knots = torch.stack([torch.cat([basis, none]), torch.cat([none, basis])], dim=-1)[:, looked_at].flatten(1)
        self.register_buffer("at_knots", at_knots, persistent=False)
        pick = torch.kron(torch.eye(config.future)[:, looked_at], torch.eye(2))  # (2 T, 2 KNOTS)
        self.register_buffer("pick", pick, persistent=False)
        # (4, (2 KNOTS)^2): a frame to the matrix that turns every knot of a path into it.
        turn = torch.zeros(2, 2, _KNOTS, 2, _KNOTS, 2)
        for own, scene in itertools.product(range(2), range(2)):
            turn[own, scene, :, scene, :, own] = torch.eye(_KNOTS)
        self.register_buffer("turn_knots", turn.view(4, -1), persistent=False)
        self.register_buffer("own_mode", torch.eye(config.modes)[:, None], persistent=False)  # (K, 1, K)

    def forward(self, answer: Answer, memory: Memory) -> tuple[Tensor, Tensor]:
        """The answer steadied: paths (B, N, K, T, 2) in the axes of the scene, log_probability (B, N, K)."""
        b, n, r, k, t, _ = memory.modes.shape
        valid = memory.valid[..., None]  # (B, N, R, 1)
        earlier = memory.modes.view(b, n, r * k, 2 * t)
        # Selecting and turning are written as products: engines do that faster than they gather.
        turn = (answer.frame.flatten(2) @ self.turn_knots).view(b, n, 2 * _KNOTS, 2 * _KNOTS)
        knots = earlier @ self.pick @ turn
        away = (knots.view(b, n, r, k, 2 * _KNOTS) - (answer.coefficients @ self.at_knots)[:, :, None]) * valid[
            ..., None
        ]
        rise = (memory.log_probability - answer.log_probability[:, :, None]) * valid  # (B, N, R, K)
        age = (memory.age / _LATE_S)[..., None, None].expand(b, n, r, k, 1)
        token = torch.cat([(2 * away).clamp(-6, 6), rise.clamp(-6, 6)[..., None], age], dim=-1)
        # Additive attention: what a mode asks for is added to what an earlier path offers.
        asked = self.person(answer.features).view(b, n, 1, -1) + self.mode  # (B, N, K, W)
        hidden = self.token(token.flatten(0, 3)).view(b, n, r, k, _WIDTH)
        hidden = torch.relu(hidden + asked[:, :, None]).flatten(0, 3)  # (B N R K, W)
        # Softmax over the R earlier paths and the present one, which is the unit the others are measured in.
        score = self.score(hidden).view(b, n, r, k, _HEADS) - self.present(answer.features).view(b, n, 1, 1, _HEADS)
        odds = torch.exp(score.clamp(max=_LARGEST_SCORE)) * valid[..., None]
        weight = _MOST * odds / (1 + odds.sum(2, keepdim=True))
        value = self.value(hidden).view(b, n, r * k, -1)
        # The weighted sums over R as one product: row k of (K, R K) holds mode k's weights and zeros elsewhere.
        mix = (weight[..., 0][:, :, None] * self.own_mode).view(b, n, k, r * k)
        bend = mix @ value[..., :-1]  # (B, N, K, 2 KNOTS)
        kept = (1 - mix.sum(-1, keepdim=True)) * answer.coefficients
        paths = self.draw(torch.cat([kept, bend], dim=-1), answer)
        remembered = (mix @ earlier).view(b, n, k, t, 2)
        logits = answer.log_probability + (weight[..., 1] * (rise + value[..., -1].view(rise.shape))).sum(2)
        return paths + remembered, torch.log_softmax(logits, dim=-1)


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
