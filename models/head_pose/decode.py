"""Raw maps to boxes and rotations, in torch: shared by the loss, the evaluation while training, and the ONNX graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headway.models.head_pose.config import CANDIDATES, STRIDES
from headway.models.head_pose.network import RAW_SCORE, HeadPoseNet, unit

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


def grid_places(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The same as one table (A, 5): x, y, stride, minus half a stride, plus half a stride."""
    centres, strides = grid_centres(height, width, device)
    return torch.cat([centres, strides[:, None] * strides.new_tensor([1.0, -0.5, 0.5])], 1)


def decode_boxes(raw: Tensor, places: Tensor, axis: int = -1) -> Tensor:
    """Raw channels and rows of `grid_places`, both along `axis` -> boxes along it: xyxy, input pixels."""
    axis %= raw.dim()
    offset, size, _ = raw.split([2, 2, raw.shape[axis] - 4], axis)
    xy, stride, edges = places.split([2, 1, 2], axis)
    centre, scale = xy + offset * stride, torch.exp(size.clamp(max=LOG_SIZE_LIMIT))
    corners = centre.unsqueeze(axis) + edges.unsqueeze(axis + 1) * scale.unsqueeze(axis)  # which corner, then x and y
    return corners.flatten(axis, axis + 1)


def gram_schmidt(six: Tensor, axis: int = -1) -> Tensor:
    """6D rotations along `axis` -> 3 x 3 in its place, whose first two columns span the two given vectors."""
    axis %= six.dim()
    a, b = six.unsqueeze(axis + 1).split(3, axis)
    x = unit(a, axis)
    y = unit(b - (x * b).sum(axis, keepdim=True) * x, axis)
    return torch.cat([x, y, _cross(x, y, axis)], axis + 1)


def _cross(a: Tensor, b: Tensor, axis: int) -> Tensor:
    # Written out: the export of torch.linalg.cross is not available in every opset.
    left, right = (torch.tensor(order, device=a.device) for order in ((1, 2, 0, 2, 0, 1), (2, 0, 1, 1, 2, 0)))
    plus, minus = (a.index_select(axis, left) * b.index_select(axis, right)).split(3, axis)
    return plus - minus


class Exported(nn.Module):
    """What the device runs: uint8 image in, the best CANDIDATES rows out, sorted by score.

    Channels stay in front of cells to the end: whatever turns or copies the maps of all cells costs a kernel on a GPU.
    """

    def __init__(self, network: HeadPoseNet, height: int, width: int):
        super().__init__()
        self.network = network
        self.places: Tensor
        self.register_buffer("places", grid_places(height, width).T[None].contiguous())  # (1, 5, A)
        self.rows = min(CANDIDATES, self.places.shape[-1])

    def forward(self, image: Tensor) -> Tensor:
        """(1, H, W, 3) uint8 BGR -> (1, CANDIDATES, 15), columns as in config.COLUMNS."""
        levels = self.network.branches(image.permute(0, 3, 1, 2).float())
        detected, posed = (torch.cat([m.flatten(2) for m in maps], 2) for maps in zip(*levels, strict=True))
        score, index = torch.topk(detected[:, RAW_SCORE.start], self.rows, dim=1, sorted=True)
        index = index.flatten()
        best, pose, places = (t.index_select(2, index) for t in (detected, posed, self.places))  # (1, C, CANDIDATES)
        six, log_sigma = pose.split([6, 1], 1)
        parts = [
            decode_boxes(best, places, 1),
            torch.sigmoid(score)[:, None],
            gram_schmidt(six, 1).flatten(1, 2),
            log_sigma.clamp(*LOG_SIGMA_RANGE),
        ]
        return torch.cat(parts, 1).transpose(1, 2)
