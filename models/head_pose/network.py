"""The network: a small residual trunk, a top-down neck, and one decoupled head shared by the three levels.

Fully convolutional: it trains at any size that is a multiple of 32 and exports at a fixed one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headway.models.head_pose.config import STRIDES, NetworkConfig

RAW_SCORE, RAW_SIX, RAW_SIGMA = slice(4, 5), slice(5, 11), slice(11, 12)
"""Channels of the raw maps: after centre offset and log size in strides score logit, 6D rotation, log sigma (radians).
"""

RAW_CHANNELS = 12

TAUGHT_CHANNELS = 6
"""In training: the second rotation, which a teacher taught; after it the logits of the spread rotations."""


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, unless told otherwise, ReLU."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, stride: int = 1, act: bool = True):
        layers: list[nn.Module] = [
            nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outside),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Block(nn.Module):
    """x + 3x3(1x1(x)) through half the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = ConvNorm(channels, channels // 2, 1)
        self.expand = ConvNorm(channels // 2, channels, 3, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return F.relu(x + self.expand(self.reduce(x)), inplace=True)


class Tower(nn.Module):
    """Two depthwise-separable layers with a wide first kernel: context at little cost.

    The kernels are shared by the levels, the batch norms are not: the levels' statistics differ, and a norm that has
    seen their mixture in training is wrong for each of them in use (second boxes of full score were the sign).
    """

    def __init__(self, channels: int, layers: int = 2, kernel: int = 5):
        super().__init__()
        self.wide = nn.ModuleList(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
            for _ in range(layers)
        )
        self.mix = nn.ModuleList(nn.Conv2d(channels, channels, 1, bias=False) for _ in range(layers))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(layers)) for _ in STRIDES)

    def forward(self, x: Tensor, level: int) -> Tensor:
        """(B, C, H, W) of one level -> the same shape."""
        norms: nn.ModuleList = self.norms[level]  # type: ignore[assignment]
        for wide, mix, norm in zip(self.wide, self.mix, norms, strict=True):
            x = F.relu(norm(mix(_depthwise(wide, x))), inplace=True)
        return x


def _depthwise(convolution: nn.Module, x: Tensor) -> Tensor:
    """In float32 also under autocast: torch's bfloat16 gradient of depthwise kernels takes three times as long."""
    if not torch.is_autocast_enabled("cpu"):
        return convolution(x)
    with torch.autocast("cpu", enabled=False):
        return convolution(x.float())


class HeadPoseNet(nn.Module):
    """Image in, three raw maps out."""

    def __init__(self, config: NetworkConfig | None = None):
        super().__init__()
        config = config or NetworkConfig()
        c, n = config.channels, config.neck
        self.stem = nn.Sequential(ConvNorm(3, c[0], 3, 2), ConvNorm(c[0], c[1], 3, 2))
        self.stages = nn.ModuleList()
        for level, count in enumerate(config.blocks):
            down = [] if level == 0 else [ConvNorm(c[level], c[level + 1], 3, 2)]
            self.stages.append(nn.Sequential(*down, *(Block(c[level + 1]) for _ in range(count))))
        self.lateral = nn.ModuleList(ConvNorm(ch, n, 1, act=False) for ch in c[2:])
        self.smooth = nn.ModuleList(ConvNorm(n, n, 3) for _ in STRIDES)
        self.detect_tower, self.pose_tower = Tower(n), Tower(n)
        self.detect_out, self.pose_out = nn.Conv2d(n, 5, 1), nn.Conv2d(n, 7, 1)
        self.nearest_out = nn.Conv2d(n, config.nearest, 1) if config.nearest else None
        self.taught_out = nn.Conv2d(n, TAUGHT_CHANNELS, 1) if config.taught else None
        self.mix: Tensor
        if config.taught:
            self.register_buffer("mix", torch.tensor(0.5))  # share of the second rotation in the answer
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 114.0))
        self.register_buffer("scale", torch.full((1, 3, 1, 1), 1.0 / 64.0))
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # About one cell in a hundred is a head; a fresh head is 4 strides wide; error at chance is about 2 rad.
        biases = {self.detect_out: [0.0, 0.0, *[math.log(4.0)] * 2, math.log(0.01 / 0.99)]}
        biases[self.pose_out] = [0.0] * 6 + [math.log(2.0)]
        for extra in (self.nearest_out, self.taught_out):
            if extra is not None:
                biases[extra] = [0.0] * extra.out_channels
        for out, bias in biases.items():
            nn.init.normal_(out.weight, std=0.01)
            out.bias = nn.Parameter(torch.tensor(bias))

    def trunk(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) float 0..255 BGR -> features at strides 8, 16, 32."""
        x = self.stem((image - self.mean) * self.scale)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[1:]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) float 0..255 BGR -> per level (B, RAW_CHANNELS, H / stride, W / stride).

        In training the second rotation and the logits of the spread rotations follow, where the network has them.
        """
        return [torch.cat(parts, 1) for parts in self.branches(image)]

    def branches(self, image: Tensor) -> list[list[Tensor]]:
        """The same before the channels are put together: per level box and score, pose, and what is for training."""
        tops = [lateral(x) for lateral, x in zip(self.lateral, self.trunk(image), strict=True)]
        for level in (1, 0):
            tops[level] = tops[level] + F.interpolate(tops[level + 1], scale_factor=2.0, mode="nearest")
        levels = []
        for level, (smooth, x) in enumerate(zip(self.smooth, tops, strict=True)):
            x = smooth(F.relu(x))
            turned = self.pose_tower(x, level)
            parts = [self.detect_out(self.detect_tower(x, level)), self.pose_out(turned)]
            second = None if self.taught_out is None else self.taught_out(turned)
            if self.training:
                parts += [p for p in (second, self.nearest_out and self.nearest_out(turned)) if p is not None]
            elif second is not None:
                parts[1] = torch.cat([mixed(parts[1][:, :6], second, self.mix), parts[1][:, 6:]], 1)
            levels.append(parts)
        return levels


def mixed(own: Tensor, taught: Tensor, share: Tensor | float) -> Tensor:
    """Two 6D rotations (B, 6, H, W) as one, their vectors at equal length; `share` is the second one's."""
    return (1.0 - share) * _even(own) + share * _even(taught)


def _even(six: Tensor) -> Tensor:
    a, b = six[:, :3], six[:, 3:]
    return torch.cat([unit(v, 1) for v in (a, b)], 1)


def unit(v: Tensor, axis: int) -> Tensor:
    """Vectors along `axis` at length 1; zero stays zero."""
    # A clamp, not `+ 1e-12`: torch's exporter takes so small a number for zero and leaves the addition out.
    return v / torch.sqrt((v * v).sum(axis, keepdim=True).clamp(min=1e-12))
