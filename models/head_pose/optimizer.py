"""Muon for the kernels, AdamW for the rest.

Muon (K. Jordan and others, 2024) steps along the orthogonalised momentum of a weight matrix. What it
brought here and what a step costs: docs/decisions.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_FAN_IN = 64
"""Kernels with fewer inputs a channel (the first convolution, depthwise ones) are left to AdamW: as matrices they have
next to no rank to orthogonalise."""

OUTPUT_CHANNELS = 12
"""So are the output layers, whose rows mean different things."""


class Optimizer:
    """One step for all parameters of a network with a convolutional trunk in channels_last."""

    def __init__(self, network: nn.Module, rate: float, kernel_rate: float, weight_decay: float):
        kernels = [p for p in network.parameters() if _is_matrix(p)]
        chosen = {id(p) for p in kernels}
        rest = [p for p in network.parameters() if id(p) not in chosen]
        # torch's Muon takes matrices alone: these share the kernels' memory.
        self._pairs = [(p, nn.Parameter(_matrix(p.data))) for p in kernels]
        self._muon = torch.optim.Muon([m for _, m in self._pairs], lr=kernel_rate, weight_decay=weight_decay)
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
