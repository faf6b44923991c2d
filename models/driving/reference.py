"""The reference network `caril` (arXiv 2503.00783): ResNet-50 trunk, two branches, from the published description.

Input: 160x160 RGB / 255. The trunk is the ResNet-50 whose parameters Keras counts (convolutions with bias, stride in
the first 1x1 convolution of a stage): with the batch norms' running statistics, as Keras counts them, the network has
24,162,444 parameters. It starts from random weights here; none of ImageNet's are shipped.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINS = 11
SIZE = 160
DROPOUT = 0.3
FC_L2 = 0.01
STRAIGHT_GAIN = 4.0
"""Published label: raw steering of up to 0.25 in size, multiplied by this, so that it fills -1..1."""


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1.001e-5, momentum=0.01)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 to four times the width, plus the input (projected where the shape changes)."""

    def __init__(self, channels: int, width: int, stride: int, project: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1, stride),
            _norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            _norm(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1),
            _norm(4 * width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if project:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride), _norm(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 width, H / stride, W / stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


def _trunk() -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3),
        _norm(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for width, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(repeats):
            layers.append(Bottleneck(channels, width, stride if i == 0 else 1, project=i == 0))
            channels = 4 * width
    return nn.Sequential(*layers)


def _branch(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(64, outputs))


class CarilNetwork(nn.Module):
    """(B, 3, 160, 160) RGB 0..1 -> regressed steering (B, 1), bin logits (B, 11)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = _trunk()
        self.shared = nn.Sequential(
            nn.Linear(2048, 256), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.regression = _branch(1)
        self.bins = _branch(BINS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        h = self.shared(self.trunk(x).mean((2, 3)))
        return self.regression(h), self.bins(h)


def keras_parameter_count(network: nn.Module) -> int:
    """Parameters as Keras counts them: with running mean and variance, without torch's batch counters."""
    running = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return sum(p.numel() for p in network.parameters()) + running


def published_label(steering: Tensor, gain: float = STRAIGHT_GAIN) -> tuple[Tensor, Tensor]:
    """Raw steering (B,) -> (scaled steering (B,), bin index (B,)). Steering beyond 1 / gain is clamped to ±1."""
    scaled = torch.clamp(steering * gain, -1.0, 1.0)
    index = torch.clamp(((scaled + 1.0) / (2.0 / BINS)).floor().long(), 0, BINS - 1)
    return scaled, index


def published_loss(
    network: CarilNetwork, regression: Tensor, logits: Tensor, steering: Tensor, index: Tensor
) -> Tensor:
    """0.5 MSE + 0.5 cross-entropy + L2 of 0.01 on the weights of the fully connected layers."""
    loss = 0.5 * F.mse_loss(regression[:, 0], steering) + 0.5 * F.cross_entropy(logits, index)
    for part in (network.shared, network.regression, network.bins):
        for layer in part:
            if isinstance(layer, nn.Linear):
                loss = loss + FC_L2 * (layer.weight**2).sum()
    return loss


def published_optimizer(
    network: nn.Module, fused: bool = False
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam 1e-4, times 0.96 per 10,000 steps (smoothly: 0.96 ** (step / 10000)). fused: one kernel for all weights."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=fused or None)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.96 ** (step / 10_000))
