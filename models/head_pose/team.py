"""Processes that train one network together: each has pictures of its own, and all take the same step.

Two processes of one thread compute almost twice as many pictures a second as one; two threads in one process do not,
since the pictures are made, and the weights moved, on one of them.
"""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """rank 0 leads: it keeps the average, the log and the checkpoints. A team of one talks to nobody."""

    rank: int = 0
    size: int = 1

    def agree(self, value: float) -> float:
        """The leader's value, for everybody."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Puts the team's mean gradient in the place of each member's own."""
        if self.size == 1:
            return
        gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))


@contextmanager
def lead(size: int, work: Path, helper: Callable[..., None], *arguments: Any) -> Iterator[Team]:
    """Starts size - 1 processes that call `helper(team, *arguments)`, and gives the leader's team.

    The members meet through a file in `work`. Where one of them dies, the leader's next step raises RuntimeError.
    """
    if size == 1:
        yield Team()
        return
    work.mkdir(parents=True, exist_ok=True)
    meeting = work / f"team-{uuid.uuid4().hex}"
    context = multiprocessing.get_context("spawn")
    members = [
        context.Process(target=_member, args=(rank, size, meeting, torch.get_num_threads(), helper, arguments))
        for rank in range(1, size)
    ]
    try:
        for member in members:
            member.daemon = True
            member.start()
        _join(0, size, meeting)
        yield Team(0, size)
        for member in members:
            member.join()
    finally:
        for member in members:
            if member.is_alive():
                member.terminate()
        if dist.is_initialized():
            dist.destroy_process_group()
        meeting.unlink(missing_ok=True)


def _member(
    rank: int, size: int, meeting: Path, threads: int, helper: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(threads)
    _join(rank, size, meeting)
    helper(Team(rank, size), *arguments)
    dist.destroy_process_group()


def _join(rank: int, size: int, meeting: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one machine: no name service, no network
    dist.init_process_group("gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=size)
