"""The mean of the weights that a run began with and those that it ended with.

Between the two the loss hardly rises where the run was short and its rate low, and what the run has forgotten comes
back while most of what it has learned stays: WiSE-FT (Wortsman et al., Robust fine-tuning of zero-shot models, 2022).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from headway.models.head_pose.grow import read_grown


@torch.no_grad()
def draw_back(network: nn.Module, start: Path, share: float) -> None:
    """Moves the weights of `network`, batch statistics too, this share of the way to those of `start`, a safetensors
    file of this architecture or of a smaller one. Raises UsageError where it is not."""
    state = network.state_dict()
    for name, before in read_grown(start, state).items():
        if before.dtype.is_floating_point:
            state[name].lerp_(before, share)
