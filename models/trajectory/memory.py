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
_LATE_S, _AWAY_M = 0.25, 0.5
"""Units of a memory's age and of how far an earlier path lies from the present one."""
_FURTHEST = 6.0
"""In such units, and in those of log probability: more says no more."""
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
        self.register_buffer("at_knots", at_knots / _AWAY_M, persistent=False)
        pick = torch.kron(torch.eye(config.future)[:, looked_at], torch.eye(2))  # (2 T, 2 KNOTS)
        self.register_buffer("pick", pick / _AWAY_M, persistent=False)
        # (4, (2 KNOTS)^2): a frame to the matrix that turns every knot of a path into it.
        turn = torch.zeros(2, 2, _KNOTS, 2, _KNOTS, 2)
        for own, scene in itertools.product(range(2), range(2)):
            turn[own, scene, :, scene, :, own] = torch.eye(_KNOTS)
        self.register_buffer("turn_knots", turn.view(4, -1), persistent=False)
        self.register_buffer("own_mode", torch.eye(config.modes)[:, None], persistent=False)  # (K, 1, K)

    def forward(self, answer: Answer, memory: Memory) -> tuple[Tensor, Tensor]:
        """The answer steadied: paths (B, N, K, T, 2) in the axes of the scene, log_probability (B, N, K)."""
        b, n, r, k, t, _ = memory.modes.shape
        valid = memory.valid.view(b, n, r, 1, 1)
        now = answer.log_probability.view(b, n, 1, k)
        earlier = memory.modes.view(b, n, r * k, 2 * t)
        # Selecting and turning are written as products: engines do that faster than they gather.
        turn = (answer.frame.view(b, n, 1, 4) @ self.turn_knots).view(b, n, 2 * _KNOTS, 2 * _KNOTS)
        knots = (earlier @ self.pick @ turn).view(b, n, r, k, 2 * _KNOTS)
        away = knots - (answer.coefficients @ self.at_knots)[:, :, None]
        rise = memory.log_probability - now  # (B, N, R, K)
        age = (memory.age / _LATE_S).view(b, n, r, 1, 1).expand(b, n, r, k, 1)
        token = (torch.cat([away, rise[..., None], age], dim=-1) * valid).clamp(-_FURTHEST, _FURTHEST)
        # Additive attention: what a mode asks for is added to what an earlier path offers.
        asked = self.person(answer.features).view(b, n, 1, -1) + (self.mode + self.token.bias)  # (B, N, K, W)
        hidden = torch.relu(token @ self.token.weight.T + asked[:, :, None])  # (B, N, R, K, W)
        said = hidden @ torch.cat([self.score.weight, self.value.weight]).T
        score, bend, shift = (said + torch.cat([self.score.bias, self.value.bias])).split([_HEADS, 2 * _KNOTS, 1], -1)
        # Softmax over the R earlier paths and the present one, which is the unit the others are measured in.
        score = score - self.present(answer.features).view(b, n, 1, 1, _HEADS)
        odds = torch.exp(score.clamp(max=_LARGEST_SCORE)) * valid
        weight = _MOST * odds / (1 + odds.sum(2, keepdim=True))
        of_path, of_probability = weight.split(1, -1)  # (B, N, R, K, 1) each
        # The weighted sums over R as one product: row k of (K, R K) holds mode k's weights and zeros elsewhere.
        mix = (of_path.view(b, n, 1, r, k) * self.own_mode).view(b, n, k, r * k)
        kept = (1 - mix.sum(-1, keepdim=True)) * answer.coefficients
        bent = mix @ bend.reshape(b, n, r * k, 2 * _KNOTS)  # (B, N, K, 2 KNOTS)
        paths = self.draw.points(torch.cat([kept, bent], dim=-1), answer) + mix @ earlier
        logits = now + (of_probability.view(b, n, r, k) * (rise + shift.view(b, n, r, k))).sum(2, keepdim=True)
        return paths.view(b, n, k, t, 2), torch.log_softmax(logits, dim=-1).view(b, n, k)


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
