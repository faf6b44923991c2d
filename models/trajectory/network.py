"""The predictor: all people of one moment in one call, each in their own frame, each looking at the others.

Every person's last position is their origin and their walking direction their x axis, so the answer turns and shifts
with the scene. A person's features are an MLP over the history; dense masked attention over the neighbours adds what
the others do; twenty paths come out as smooth offsets from constant velocity, with a log probability each. Last, every
mode looks at what it said a moment ago (`memory.py`).
B scenes, N people, P = 8 past steps, T = 12 future steps, K = 20 modes, R = 4 remembered forecasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headway.models.trajectory.answer import Answer, Drawing
from headway.models.trajectory.config import TrajectoryConfig
from headway.models.trajectory.memory import Memory, ModeMemory

_STANDING_M = 0.05
"""Below this mean displacement a step (0.4 s) a person stands: the direction then comes from the head, if known."""
_RECENCY = 0.7
"""Weight of a step against the next newer one in the mean velocity."""


_NOISE_UNIT_M = 0.1


@dataclass(frozen=True)
class Situation:
    """How the positions were measured. noise (B, N) m: standard deviation of each person's position, 0 for recordings
    from above; relative (B, 1) 0/1: whether motion is relative to a camera that may move itself."""

    noise: Tensor
    relative: Tensor


class TrajectoryNetwork(nn.Module):
    """positions (B, N, P, 2) m, valid (B, N, P) 0/1, head_direction (B, N, 2), noise (B, N) m, relative (B, 1) 0/1,
    memory_modes (B, N, R, K, T, 2) m from each person's newest position, memory_log_probability (B, N, R, K),
    memory_age (B, N, R) s and memory_valid (B, N, R) 0/1 -> modes (B, N, K, T, 2) m and log_probability (B, N, K),
    both float32, in the axes of `positions`.

    A slot counts as a person where its newest step is valid; the valid steps must be an unbroken run up to it. Empty
    slots answer finite numbers without meaning. Remembered paths must lie at the same moments of time as the answer.
    """

    basis: Tensor
    to_first: Tensor

    def __init__(self, config: TrajectoryConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or TrajectoryConfig()
        own = c.past * 2 + (c.past - 1) * 2 + c.past + 1 + 3 + 2
        self.own = nn.Sequential(nn.Linear(own, c.width), nn.ReLU(), nn.Linear(c.width, c.width), nn.ReLU())
        self.neighbours = NeighbourAttention(c)
        self.trunk = nn.Sequential(nn.Linear(c.width + c.pair, c.width), nn.ReLU(), Residual(c.width))
        self.paths = nn.Linear(c.width, c.modes * c.basis * 2)
        self.newest = nn.Linear(c.width, c.modes)
        self.logits = nn.Sequential(nn.Linear(c.width, c.width // 2), nn.ReLU(), nn.Linear(c.width // 2, c.modes))
        self.register_buffer("basis", smooth_basis(c.future, c.basis))
        none = torch.zeros_like(self.basis)
        self.draw = Drawing(torch.cat([self.basis, none]), torch.cat([none, self.basis]))
        to_first = torch.kron(torch.eye(2), torch.eye(c.basis)[:1])  # (2, 2 J): x and y to their first coefficients
        self.register_buffer("to_first", to_first, persistent=False)
        self.memory = ModeMemory(c, self.basis)

    def forward(
        self,
        positions: Tensor,
        valid: Tensor,
        head_direction: Tensor,
        noise: Tensor | None = None,
        relative: Tensor | None = None,
        memory_modes: Tensor | None = None,
        memory_log_probability: Tensor | None = None,
        memory_age: Tensor | None = None,
        memory_valid: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See the class. What is left out is zero: exact positions, no moving camera, no memory."""
        situation = None if noise is None or relative is None else Situation(noise, relative)
        answer = self.answer(positions, valid, head_direction, situation)
        if memory_modes is None or memory_log_probability is None or memory_age is None or memory_valid is None:
            return answer.placed(), answer.log_probability
        return self.memory(answer, Memory(memory_modes, memory_log_probability, memory_age, memory_valid))

    def answer(
        self, positions: Tensor, valid: Tensor, head_direction: Tensor, situation: Situation | None = None
    ) -> Answer:
        """The network without its memory; None: recorded from above."""
        c = self.config
        b, n = positions.shape[:2]
        last = positions[:, :, -1]  # (B, N, 2)
        history = (positions - last[:, :, None]) * valid[..., None]
        moved = valid[:, :, 1:] * valid[:, :, :-1]  # (B, N, P-1)
        steps = (history[:, :, 1:] - history[:, :, :-1]) * moved[..., None]
        velocity = recent_mean(steps, moved)  # (B, N, 2) metres a step
        frame = walking_frame(velocity, head_direction)  # (B, N, 2, 2), rows are the person's axes

        speed = length(velocity)
        known = length(head_direction).clamp(max=1.0)
        if situation is None:
            measured = torch.zeros(b, n, 2, dtype=positions.dtype, device=positions.device)
        else:
            measured = torch.stack([situation.noise / _NOISE_UNIT_M, situation.relative.expand(b, n)], dim=-1)
        own = torch.cat(
            [
                rotate(history, frame).flatten(2),
                rotate(steps, frame).flatten(2),
                valid,
                speed,
                rotate(head_direction[:, :, None], frame)[:, :, 0],
                known,
                measured,
            ],
            dim=-1,
        )
        # From here on one row is one person: engines multiply matrices, and would reshape around every layer.
        person = self.own(own.flatten(0, 1))  # (B N, width)
        social = self.neighbours(person, last, velocity, frame, valid[:, :, -1])
        features = self.trunk(torch.cat([person, social], dim=-1))

        # An exact recording says most in its newest step, a noisy one in the mean: each mode takes its own share.
        share = torch.sigmoid(self.newest(features)).view(b, n, c.modes, 1)
        last_step = torch.where(moved[:, :, -1:] > 0.5, steps[:, :, -1], velocity)
        # The first time function is 2 t / T: walking on at a pace is T / 2 times the pace of it.
        pair = rotate(0.5 * c.future * torch.stack([velocity, last_step], dim=2), frame)  # (B, N, 2, 2)
        straight = torch.cat([1 - share, share], dim=-1) @ pair @ self.to_first  # (B, N, K, 2 J)
        coefficients = self.paths(features).view(straight.shape) + straight
        log_probability = torch.log_softmax(self.logits(features), dim=-1).view(b, n, c.modes)
        return Answer(coefficients, log_probability, features, frame, last, self.draw)


class NeighbourAttention(nn.Module):
    """For each person, attention over everybody within reach; nobody there gives zeros (a null neighbour)."""

    of_head: Tensor

    def __init__(self, config: TrajectoryConfig) -> None:
        super().__init__()
        self.reach = config.reach_m
        # (heads, pair) 0/1: which features belong to which head. With it each head is a row of one matrix product.
        of_head = torch.eye(config.heads).repeat_interleave(config.pair // config.heads, dim=1)
        self.register_buffer("of_head", of_head, persistent=False)
        self.query = nn.Linear(config.width, config.pair)
        self.other = nn.Linear(config.width, config.pair)
        self.relation = nn.Sequential(nn.Linear(9, config.pair), nn.ReLU(), nn.Linear(config.pair, config.pair))

    def forward(self, person: Tensor, last: Tensor, velocity: Tensor, frame: Tensor, present: Tensor) -> Tensor:
        """person (B N, width), last and velocity (B, N, 2), frame (B, N, 2, 2), present (B, N) -> (B N, pair)."""
        b, n = last.shape[:2]
        away = last[:, None] - last[:, :, None]  # (B, N, N, 2): from person i to person j
        motion = velocity[:, None] - velocity[:, :, None]
        distance = length(away)
        # Steps until the two are closest if both walk on as they do, and how close that is.
        closing = (-(away * motion).sum(-1, keepdim=True) / ((motion * motion).sum(-1, keepdim=True) + 0.01)).clamp(
            0, 12
        )
        nearest = length(away + closing * motion)
        relation = torch.cat(
            [
                rotate(away, frame),
                rotate(motion, frame),
                rotate(velocity[:, None].expand(b, n, n, 2), frame),
                1.0 / (distance + 0.5),
                closing / 12,
                1.0 / (nearest + 0.5),
            ],
            dim=-1,
        )
        relation = self.relation(relation.flatten(0, 2)).view(b, n, n, -1)
        message = torch.relu(relation + self.other(person).view(b, 1, n, -1))  # (B, N, N, pair)
        query = self.query(person).view(b, n, 1, -1) * self.of_head  # (B, N, heads, pair)
        score = query @ message.transpose(-1, -2) / math.sqrt(self.of_head.shape[1] / len(self.of_head))
        unseen = 1 - present[:, None] * (1 - torch.eye(n, dtype=last.dtype, device=last.device))
        unseen = torch.maximum(unseen, (distance[..., 0] > self.reach).to(last.dtype))
        score = score - 1e4 * unseen[:, :, None]  # (B, N, heads, N)
        score = torch.cat([score, torch.zeros_like(score[..., :1])], dim=-1)
        weight = torch.softmax(score, dim=-1)[..., :-1]
        return ((weight @ message) * self.of_head).sum(2).flatten(0, 1)


class Residual(nn.Module):
    """x + MLP(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return torch.relu(x + self.inner(x))


def smooth_basis(steps: int, functions: int) -> Tensor:
    """(functions, steps) time functions that vanish at time zero: t/T, then sines with growing frequency."""
    t = torch.arange(1, steps + 1) / steps
    rows = [2 * t] + [torch.sin(math.pi * k * t / 2) for k in range(1, functions)]
    return torch.stack(rows)


def recent_mean(steps: Tensor, moved: Tensor) -> Tensor:
    """(B, N, P-1, 2) displacements with their 0/1 mask -> (B, N, 2) mean that leans on the newest."""
    weight = _RECENCY ** torch.arange(steps.shape[2] - 1, -1, -1, dtype=steps.dtype, device=steps.device) * moved
    return (steps * weight[..., None]).sum(2) / weight.sum(-1, keepdim=True).clamp(min=1e-6)


def walking_frame(velocity: Tensor, head_direction: Tensor) -> Tensor:
    """(B, N, 2, 2) whose rows are the person's x axis (walking direction) and y axis (to their left).

    Somebody who stands takes the direction of the head; without one, the scene's x axis.
    """
    scene = torch.tensor([1.0, 0.0], dtype=velocity.dtype, device=velocity.device)
    direction = torch.where(length(head_direction) > 0.5, head_direction, scene)
    walking = (length(velocity) > _STANDING_M).to(velocity.dtype)
    x = walking * velocity + (1 - walking) * direction
    x = x / length(x)
    return torch.stack([x, torch.stack([-x[..., 1], x[..., 0]], dim=-1)], dim=-2)


def rotate(vectors: Tensor, frame: Tensor) -> Tensor:
    """(B, N, M, 2) scene axes -> the same in each person's axes, `frame` (B, N, 2, 2)."""
    return vectors @ frame.transpose(-1, -2)


def length(vectors: Tensor) -> Tensor:
    """(..., 2) -> (..., 1), with a finite gradient at zero."""
    return torch.sqrt((vectors * vectors).sum(-1, keepdim=True) + 1e-12)
