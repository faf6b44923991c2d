"""The published network: YOLOv5 v5.0 P6 with nine values per anchor.

Layers are numbered and their tensors named as in the released checkpoints (`model.0.conv.conv.weight`, ...,
`model.33.m.0.weight`, `model.33.anchors`), so that a state dict of theirs loads as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headway.models.directmhp.config import ANCHORS, ANCHORS_PER_LEVEL, STRIDES, TOP_K, VALUES, Variant


class Conv(nn.Module):
    """Convolution without bias, batch norm (eps 1e-3), SiLU; padded with k // 2."""

    def __init__(self, c_in: int, c_out: int, k: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, k, stride, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""
        return F.silu(self.bn(self.conv(x)))


class Focus(nn.Module):
    """Every second pixel into channels, then a 3x3 convolution: (B, 3, H, W) -> (B, c_out, H / 2, W / 2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = Conv(4 * c_in, c_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels [row, column]: (even, even), (odd, even), (even, odd), (odd, odd)."""
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(parts, 1))


class Bottleneck(nn.Module):
    """1x1 then 3x3 at full width, plus the input where there is a shortcut."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Shape is kept."""
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """cv3(concat(bottlenecks(cv1(x)), cv2(x))), hidden width half of the output."""

    def __init__(self, c_in: int, c_out: int, repeats: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = c_out // 2
        self.cv1 = Conv(c_in, hidden)
        self.cv2 = Conv(c_in, hidden)
        self.cv3 = Conv(2 * hidden, c_out)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPP(nn.Module):
    """Spatial pyramid pooling with windows 3, 5, 7."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        hidden = c_in // 2
        self.cv1 = Conv(c_in, hidden)
        self.cv2 = Conv(4 * hidden, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        x = self.cv1(x)
        return self.cv2(torch.cat([x, *(F.max_pool2d(x, k, 1, k // 2) for k in (3, 5, 7))], 1))


class Detect(nn.Module):
    """One biased 1x1 convolution a level; anchors are kept in units of the stride, as in the checkpoints."""

    anchors: Tensor

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(c, ANCHORS_PER_LEVEL * VALUES, 1) for c in channels)
        pixels = torch.tensor(ANCHORS, dtype=torch.float32)
        self.register_buffer("anchors", pixels / torch.tensor(STRIDES).view(-1, 1, 1))

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Per level (B, c, h, w) -> raw logits (B, 3, h, w, 9)."""
        out = []
        for conv, x in zip(self.m, levels, strict=True):
            b, _, h, w = x.shape
            out.append(conv(x).view(b, ANCHORS_PER_LEVEL, VALUES, h, w).permute(0, 1, 3, 4, 2))
        return out


class DirectMHP(nn.Module):
    """The whole network. Input (B, 3, H, W) float32 RGB 0..1, H and W multiples of 64."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        c, n = variant.channels, variant.repeats
        down = [
            Focus(3, c(64)),
            *(Conv(c(64), c(128), 3, 2), C3(c(128), c(128), n(3))),
            *(Conv(c(128), c(256), 3, 2), C3(c(256), c(256), n(9))),
            *(Conv(c(256), c(512), 3, 2), C3(c(512), c(512), n(9))),
            *(Conv(c(512), c(768), 3, 2), C3(c(768), c(768), n(3))),
            *(Conv(c(768), c(1024), 3, 2), SPP(c(1024), c(1024)), C3(c(1024), c(1024), n(3), False)),
        ]
        up = [
            *(Conv(c(1024), c(768)), nn.Identity(), nn.Identity(), C3(2 * c(768), c(768), n(3), False)),
            *(Conv(c(768), c(512)), nn.Identity(), nn.Identity(), C3(2 * c(512), c(512), n(3), False)),
            *(Conv(c(512), c(256)), nn.Identity(), nn.Identity(), C3(2 * c(256), c(256), n(3), False)),
        ]
        out = [
            *(Conv(c(256), c(256), 3, 2), nn.Identity(), C3(2 * c(256), c(512), n(3), False)),
            *(Conv(c(512), c(512), 3, 2), nn.Identity(), C3(2 * c(512), c(768), n(3), False)),
            *(Conv(c(768), c(768), 3, 2), nn.Identity(), C3(2 * c(768), c(1024), n(3), False)),
        ]
        head = Detect((c(256), c(512), c(768), c(1024)))
        # Identity holds the numbers of the upsampling and concatenation layers, which have no tensors.
        self.model = nn.ModuleList([*down, *up, *out, head])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Raw logits of P3..P6, each (B, 3, h, w, 9)."""
        m = self.model
        kept: dict[int, Tensor] = {}
        for i in range(12):
            x = m[i](x)
            kept[i] = x
        for conv, skip in ((12, 8), (16, 6), (20, 4)):
            x = kept[conv] = m[conv](x)
            x = torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), kept[skip]), 1)
            x = m[conv + 3](x)
        levels = [x]
        for conv, skip in ((24, 20), (27, 16), (30, 12)):
            x = m[conv + 2](torch.cat((m[conv](x), kept[skip]), 1))
            levels.append(x)
        return m[33](levels)


def decode(levels: list[Tensor], anchors: Tensor) -> Tensor:
    """Raw logits -> candidates (B, N, 9): box centre and size in input pixels, then five sigmoids.

    anchors: (4, 3, 2) in units of the stride. At 1280 x 1280, N is 102,000.
    """
    rows = []
    for logits, anchor, stride in zip(levels, anchors, STRIDES, strict=True):
        b, _, h, w, _ = logits.shape
        s = logits.sigmoid()
        grid = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1).to(s)
        centre = (2.0 * s[..., 0:2] - 0.5 + grid) * stride
        size = (2.0 * s[..., 2:4]) ** 2 * (anchor * stride).view(1, ANCHORS_PER_LEVEL, 1, 1, 2)
        rows.append(torch.cat((centre, size, s[..., 4:]), -1).reshape(b, -1, VALUES))
    return torch.cat(rows, 1)


class Exported(nn.Module):
    """What goes to ONNX: network, decode, and the TOP_K rows of highest objectness times class, best first."""

    def __init__(self, network: DirectMHP) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, S, S) float32 RGB 0..1 -> candidates (1, 300, 9)."""
        head = self.network.model[33]
        assert isinstance(head, Detect)
        rows = decode(self.network(image), head.anchors)
        best = (rows[..., 4] * rows[..., 5]).topk(min(TOP_K, rows.shape[1]), dim=1).indices
        return rows.gather(1, best.unsqueeze(-1).expand(-1, -1, VALUES))
