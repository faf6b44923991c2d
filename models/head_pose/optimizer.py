"""Muon for the kernels, AdamW for the rest.

Muon (K. Jordan and others, 2024) steps along the orthogonalised momentum of a weight matrix. `torch.optim.Muon` does
so in bfloat16, which processors without it emulate: docs/decisions.md has the cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_FAN_IN = 64
"""Kernels with fewer inputs a channel (the first convolution, depthwise ones) are left to AdamW: as matrices they have
next to no rank to orthogonalise."""

OUTPUT_CHANNELS = 12
"""So are the output layers, whose rows mean different things."""

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)
"""x -> a x + b x^3 + c x^5 drives every singular value above about 0.01 to 0.7 .. 1.2 in ROUNDS rounds (Jordan)."""
ROUNDS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """(..., m, n) float32 -> the matrices of the same singular vectors whose singular values are about 1.

    The odd polynomial P of X is Q(X Xt) X, and all Q commute, so the rounds run on the small Gram matrix and the wide
    one is multiplied once: a third of the work of doing it in the wide shape.
    """
    tall = matrix.shape[-2] > matrix.shape[-1]
    wide = matrix.mT if tall else matrix
    x = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    a, b, c = QUINTIC
    total = torch.eye(gram.shape[-1], device=matrix.device)
    one = a * total
    for _ in range(ROUNDS):
        q = one + b * gram + c * (gram @ gram)
        total = q @ total
        gram = q @ gram @ q
    x = total @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, scaled by sqrt(rows / columns) where that is above 1; decoupled decay.

    Matrices of one shape move together: a GPU waits for the launch of small kernels, not for their work.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch wants two overloads
        """Moves every matrix that has a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for shape in dict.fromkeys(p.shape for p in moved):
                alike = [p for p in moved if p.shape == shape]
                gradients = [p.grad for p in alike]
                momenta = [self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in alike]
                torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
                ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)
                directions = orthogonalised(torch.stack(list(ahead)))
                torch._foreach_mul_(alike, 1 - group["lr"] * group["weight_decay"])
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                torch._foreach_add_(alike, list(directions.unbind()), alpha=-rate)


class Optimizer:
    """One step for all parameters of a network with a convolutional trunk in channels_last."""

    def __init__(self, network: nn.Module, rate: float, kernel_rate: float, weight_decay: float):
        kernels = [p for p in network.parameters() if _is_matrix(p)]
        chosen = {id(p) for p in kernels}
        rest = [p for p in network.parameters() if id(p) not in chosen]
        # Muon takes matrices: these share the kernels' memory.
        self._pairs = [(p, nn.Parameter(_matrix(p.data))) for p in kernels]
        self._muon = Muon([m for _, m in self._pairs], kernel_rate, weight_decay)
        decayed = {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay}
        self._adam = torch.optim.AdamW(
            [decayed, {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0}], lr=rate
        )
        self._rates = ((self._muon, kernel_rate), (self._adam, rate))

    def set_share(self, share: float) -> None:
        """Sets every learning rate to `share` of its full value."""
        for optimizer, rate in self._rates:
            for group in optimizer.param_groups:
                group["lr"] = share * rate

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for p, _ in self._pairs:
            p.grad = None
        self._adam.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Moves every parameter."""
        for p, matrix in self._pairs:
            matrix.grad = None if p.grad is None else _matrix(p.grad.contiguous(memory_format=torch.channels_last))
        self._muon.step()
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict`."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def _is_matrix(p: Tensor) -> bool:
    return p.ndim == 4 and p[0].numel() >= SMALLEST_FAN_IN and len(p) > OUTPUT_CHANNELS


def _matrix(kernel: Tensor) -> Tensor:
    """(O, I, h, w) channels_last -> (O, h w I) on the same memory."""
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1)
