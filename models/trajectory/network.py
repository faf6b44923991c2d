"""The predictor: all people of one moment in one call, each in their own frame, each looking at the others.

Every person's last position is their origin and their walking direction their x axis, so the answer turns and shifts
with the scene; who stands (`_STANDING_M`) and whose head direction is not told has the scene's x axis, and answers that
depend on them shift with the scene but do not turn with it. A person's features are an MLP over the history; dense
masked attention over the neighbours adds what the others do; twenty paths come out as smooth offsets from constant
velocity, with a log probability each. Last, every mode looks at what it said a moment ago (`memory.py`).
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
    differences: Tensor
    covers: Tensor
    recency: Tensor

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
        steps = torch.eye(c.past)[1:] - torch.eye(c.past)[:-1]  # (P-1, P): positions to displacements
        self.register_buffer("differences", torch.cat([torch.eye(c.past), steps]), persistent=False)
        # (P, 2 P - 1): a displacement is known where its older end is, since the valid steps are an unbroken run.
        covers = torch.cat([torch.eye(c.past), torch.eye(c.past)[:, :-1]], dim=1)
        self.register_buffer("covers", covers, persistent=False)
        recency = _RECENCY ** torch.arange(c.past - 2, -1, -1.0)
        self.register_buffer("recency", torch.cat([torch.zeros(c.past), recency])[None], persistent=False)
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
        last = positions[:, :, -1:]  # (B, N, 1, 2), as everything that each person has one of
        # Positions from the last one, then displacements: (B, N, 2 P - 1, 2), zero where unknown.
        known = (valid @ self.covers)[..., None]
        seen = (self.differences @ (positions - last)) * known
        velocity = (self.recency @ seen) / (self.recency @ known).clamp(min=1e-6)  # metres a step; the newest say most
        head = head_direction[:, :, None]
        frame = walking_frame(velocity, head)  # (B, N, 2, 2), rows are the person's axes

        if situation is None:
            situation = Situation(positions.new_zeros(b, n), positions.new_zeros(b, 1))
        own = torch.cat(
            [
                rotate(seen, frame).flatten(2),
                valid,
                length(velocity)[..., 0],
                rotate(head, frame)[:, :, 0],
                length(head)[..., 0].clamp(max=1.0),
                situation.noise[..., None] / _NOISE_UNIT_M,
                situation.relative[..., None].expand(b, n, 1),
            ],
            dim=-1,
        )
        # From here on one row is one person: engines multiply matrices, and would reshape around every layer.
        person = self.own(own.flatten(0, 1))  # (B N, width)
        social = self.neighbours(person, last, velocity, frame, valid[:, :, -1])
        features = self.trunk(torch.cat([person, social], dim=-1))

        # An exact recording says most in its newest step, a noisy one in the mean: each mode takes its own share.
        share = torch.sigmoid(self.newest(features)).view(b, n, c.modes, 1)
        last_step = torch.where(known[:, :, -1:] > 0.5, seen[:, :, -1:], velocity)
        # The first time function is 2 t / T: walking on at a pace is T / 2 times the pace of it.
        pair = rotate(torch.cat([velocity, last_step], dim=2), frame)  # (B, N, 2, 2)
        straight = torch.cat([1 - share, share], dim=-1) @ pair @ (0.5 * c.future * self.to_first)  # (B, N, K, 2 J)
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
        """person (B N, width), last and velocity (B, N, 1, 2), frame (B, N, 2, 2), present (B, N) -> (B N, pair)."""
        b, n = present.shape
        others_velocity = velocity.view(b, 1, n, 2)
        away = last.view(b, 1, n, 2) - last  # (B, N, N, 2): from person i to person j
        motion = others_velocity - velocity
        distance = length(away)
        # Steps until the two are closest if both walk on as they do, and how close that is.
        apart = -0.01 - (motion * motion).sum(-1, keepdim=True)
        closing = ((away * motion).sum(-1, keepdim=True) / apart).clamp(0, 12)
        nearest = length(away + closing * motion)
        relation = torch.cat(
            [
                rotate(away, frame),
                rotate(motion, frame),
                rotate(others_velocity.expand(b, n, n, 2), frame),
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
        hidden = torch.where(distance.view(b, n, 1, n) > self.reach, -1e4, 1e4 * present.view(b, 1, 1, n) - 1e4)
        # Nobody is their own neighbour: in that place stands the null one, with the score 0 and nothing to say.
        others = 1 - torch.eye(n, dtype=last.dtype, device=last.device)[:, None]  # (N, 1, N)
        weight = torch.softmax((score + hidden) * others, dim=-1) * others  # (B, N, heads, N)
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


def walking_frame(velocity: Tensor, head_direction: Tensor) -> Tensor:
    """(B, N, 1, 2) each -> (B, N, 2, 2) whose rows are the person's x axis (walking direction) and y axis (to the left
    of it).

    Somebody who stands takes the direction of the head; without one, the scene's x axis.
    """
    scene = torch.tensor([1.0, 0.0], dtype=velocity.dtype, device=velocity.device)
    direction = torch.where(length(head_direction) > 0.5, head_direction, scene)
    x = torch.where(length(velocity) > _STANDING_M, velocity, direction)
    x = x / length(x)
    # Both rows by one product: x itself, and x turned a quarter to the left.
    both = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, -1.0, 0.0]], dtype=velocity.dtype, device=velocity.device)
    return (x @ both).view(*x.shape[:2], 2, 2)


def rotate(vectors: Tensor, frame: Tensor) -> Tensor:
    """(B, N, M, 2) scene axes -> the same in each person's axes, `frame` (B, N, 2, 2)."""
    return vectors @ frame.transpose(-1, -2)


def length(vectors: Tensor) -> Tensor:
    """(..., 2) -> (..., 1), with a finite gradient at zero."""
    return torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
