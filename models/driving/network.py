"""The compact driving network: an ensemble of small CNNs with regressed controls and an 11-bin head each.

With `teacher` each has the same two heads once more, which learn what a larger network says (dual-head distillation);
what comes out is a mixture of both pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headway.models.driving.config import BINS, HEIGHT, WIDTH, NetworkConfig


class Member(nn.Module):
    """One CNN. Normalised image (B, 3, H, W) -> controls (B, C), bin logits (B, 11), signature (B, S)."""

    mix: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        previous = 3
        for i, channels in enumerate(config.channels):
            size = 5 if i == 0 else 3
            stages.append(
                nn.Sequential(
                    nn.Conv2d(previous, channels, size, stride=2, padding=size // 2, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                )
            )
            previous = channels
        self.stages = nn.ModuleList(stages)
        self.squeeze = nn.Sequential(nn.Conv2d(previous, config.squeeze, 1), nn.ReLU())
        with torch.no_grad():
            cells = self.squeeze(self._features(torch.zeros(1, 3, HEIGHT - config.sky_rows, WIDTH))[-1]).numel()
        self.trunk = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(cells, config.hidden), nn.ReLU())
        count = 3 if config.brake else 2
        self.controls, self.bins = nn.Linear(config.hidden, count), nn.Linear(config.hidden, BINS)
        self.has_teacher = config.teacher
        if config.teacher:
            self.taught_controls, self.taught_bins = nn.Linear(config.hidden, count), nn.Linear(config.hidden, BINS)
            self.register_buffer("mix", torch.tensor(0.5))  # share of the teacher's heads

    def _features(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def hidden(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the heads read (B, hidden), and the maps of the stages."""
        maps = self._features(x)
        return self.trunk(self.squeeze(maps[-1]).flatten(1)), maps

    def expert_heads(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, hidden) -> controls (B, C), bin logits (B, 11), as the expert taught them."""
        return _in_range(self.controls(h)), self.bins(h)

    def teacher_heads(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The same, as the teacher taught them."""
        return _in_range(self.taught_controls(h)), self.taught_bins(h)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        h, maps = self.hidden(x)
        said = self.expert_heads(h)
        if self.has_teacher:
            said = mixed(said, self.teacher_heads(h), self.mix)
        return *said, _signature(maps)


def _in_range(controls: Tensor) -> Tensor:
    # Steering within -1..1, the others within 0..1: the host clamps too, but the loss should not reward overshoot.
    return torch.cat([torch.tanh(controls[:, :1]), torch.sigmoid(controls[:, 1:])], 1)


def mixed(own: tuple[Tensor, Tensor], taught: tuple[Tensor, Tensor], share: Tensor | float) -> tuple[Tensor, Tensor]:
    """Two pairs (controls, logits) as one: controls averaged, and the logarithm of the averaged probabilities. `share`
    is the second pair's."""
    p = (1 - share) * torch.softmax(own[1], -1) + share * torch.softmax(taught[1], -1)
    return (1 - share) * own[0] + share * taught[0], torch.log(p + 1e-6)


def _signature(maps: list[Tensor]) -> Tensor:
    """Mean and deviation of every channel of the middle stages: what the image is made of, not where."""
    parts = []
    for m in maps[1:4]:
        mean = m.mean((2, 3))
        parts += [mean, torch.sqrt(((m - mean[:, :, None, None]) ** 2).mean((2, 3)) + 1e-6)]
    return torch.cat(parts, 1)


class DrivingNetwork(nn.Module):
    """uint8 BGR image (1, 120, 160, 3) -> controls (1, C), bin_logits (1, 11), novelty (1, 1).

    Novelty is the Mahalanobis distance of the image's signature to those of the training images, per dimension:
    about 1 on images like them. `fit_novelty` sets its mean and whitening after training.
    """

    mean: Tensor
    scale: Tensor
    signature_mean: Tensor
    whitening: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(Member(config) for _ in range(config.members))
        size = 2 * sum(config.channels[1:4])
        self.register_buffer("mean", torch.tensor(110.0))
        self.register_buffer("scale", torch.tensor(1.0 / 60.0))
        self.register_buffer("signature_mean", torch.zeros(size))
        self.register_buffer("whitening", torch.eye(size))

    def normalised(self, image: Tensor) -> Tensor:
        """(B, 120, 160, 3) uint8 or float BGR -> (B, 3, 90, 160) float, the rows above the lane cut off."""
        x = image[:, self.config.sky_rows :].permute(0, 3, 1, 2).float()
        return (x - self.mean) * self.scale

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class; works for any batch."""
        x = self.normalised(image)
        outputs = [member(x) for member in self.members]
        controls = torch.stack([o[0] for o in outputs]).mean(0)
        # The logarithm of the mean probability: where the members disagree, the mixture is wide.
        log_p = torch.stack([torch.log_softmax(o[1], -1) for o in outputs])
        logits = torch.log(torch.exp(log_p).mean(0) + 1e-6)
        centred = (outputs[0][2] - self.signature_mean) @ self.whitening
        novelty = torch.sqrt((centred**2).mean(-1, keepdim=True))
        return controls, logits, novelty

    @torch.no_grad()
    def fit_novelty(self, signatures: Tensor, shrinkage: float = 0.1) -> None:
        """Mean and whitening from (N, S) signatures of training images; the covariance is shrunk to its diagonal."""
        x = signatures.double()
        mean = x.mean(0)
        covariance = (x - mean).T @ (x - mean) / max(len(x) - 1, 1)
        diagonal = torch.diag(covariance)
        covariance = (1 - shrinkage) * covariance + shrinkage * torch.diag(diagonal)
        covariance += 1e-4 * diagonal.mean() * torch.eye(len(diagonal), dtype=torch.float64)
        values, vectors = torch.linalg.eigh(covariance)
        self.signature_mean.copy_(mean.float())
        self.whitening.copy_((vectors / torch.sqrt(values)).float())
