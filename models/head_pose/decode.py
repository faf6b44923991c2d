"""Raw maps to boxes and rotations, in torch: shared by the loss, the evaluation while training, and the ONNX graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headway.models.head_pose.config import CANDIDATES, STRIDES
from headway.models.head_pose.network import RAW_BOX, RAW_SCORE, RAW_SIGMA, RAW_SIX

LOG_SIZE_LIMIT = 6.0
"""exp(6) = 403 strides: no head is wider, and a wild weight gives no infinity."""

LOG_SIGMA_RANGE = (-4.6, 1.2)
"""0.6° to 190°: below the labels' own accuracy, and above the largest rotation."""


def grid_centres(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cell centres in pixels (A, 2) and strides (A,) for an input of `height` x `width`, levels one after another."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            (torch.arange(height // stride, device=device) + 0.5) * stride,
            (torch.arange(width // stride, device=device) + 0.5) * stride,
            indexing="ij",
        )
        centres.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((y.numel(),), float(stride), device=device))
    return torch.cat(centres), torch.cat(strides)


def flatten_maps(maps: list[Tensor]) -> Tensor:
    """Per level (B, C, h, w) -> (B, A, C), in the order of `grid_centres`."""
    return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)


def decode_boxes(raw: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """(..., C) raw rows, cell centres (..., 2), strides (...) -> boxes (..., 4) xyxy, input pixels."""
    box = raw[..., RAW_BOX]
    centre = centres + box[..., :2] * strides[..., None]
    half = 0.5 * strides[..., None] * torch.exp(box[..., 2:].clamp(max=LOG_SIZE_LIMIT))
    return torch.cat([centre - half, centre + half], -1)


def gram_schmidt(six: Tensor) -> Tensor:
    """(..., 6) -> rotations (..., 3, 3) whose first two columns span the two given vectors."""
    a, b = six[..., :3], six[..., 3:]
    x = _unit(a)
    y = _unit(b - (x * b).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, _cross(x, y)], -1)


def _unit(v: Tensor) -> Tensor:
    return v / torch.sqrt((v * v).sum(-1, keepdim=True) + 1e-12)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    # Written out: the export of torch.linalg.cross is not available in every opset.
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return torch.stack([x, y, z], -1)


class Exported(nn.Module):
    """What the device runs: uint8 image in, the best CANDIDATES rows out, sorted by score."""

    def __init__(self, network: nn.Module, height: int, width: int):
        super().__init__()
        self.network = network
        centres, strides = grid_centres(height, width)
        self.centres: Tensor
        self.strides: Tensor
        self.register_buffer("centres", centres)
        self.register_buffer("strides", strides)
        self.rows = min(CANDIDATES, len(strides))

    def forward(self, image: Tensor) -> Tensor:
        """(1, H, W, 3) uint8 BGR -> (1, CANDIDATES, 15), columns as in config.COLUMNS."""
        raw = flatten_maps(self.network(image.permute(0, 3, 1, 2).float()))
        score, index = torch.topk(raw[..., RAW_SCORE][..., 0], self.rows, dim=1, sorted=True)
        best = torch.gather(raw, 1, index[..., None].expand(-1, -1, raw.shape[-1]))
        boxes = decode_boxes(best, self.centres[index], self.strides[index])
        rotation = gram_schmidt(best[..., RAW_SIX]).flatten(-2)
        log_sigma = best[..., RAW_SIGMA].clamp(*LOG_SIGMA_RANGE)
        return torch.cat([boxes, torch.sigmoid(score)[..., None], rotation, log_sigma], -1)
