"""The published loss: 0.05 CIoU + 0.7 objectness (target IoU, levels balanced 4, 1, .25, .06) + 0.1 pose.

Targets are assigned as in YOLOv5: an anchor takes a box whose sides differ from its own by less than a factor of 4, in
the cell of the box centre and the two cells nearest to it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from headway.models.directmhp.config import ANCHORS_PER_LEVEL, OBJECTNESS, POSE, STRIDES

BOX_WEIGHT, OBJECTNESS_WEIGHT, POSE_WEIGHT = 0.05, 0.7, 0.1
LEVEL_BALANCE = (4.0, 1.0, 0.25, 0.06)
ANCHOR_RATIO = 4.0
POSE_MIN_LOGIT = 0.40
"""The pose of a positive counts only where its objectness logit is above this."""


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU of boxes (N, 4) centre and size, row by row."""
    a0, a1 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b0, b1 = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inner = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(1)
    iou = inner / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inner + 1e-9)
    hull = torch.maximum(a1, b1) - torch.minimum(a0, b0)
    distance = (a[:, :2] - b[:, :2]).square().sum(1) / (hull.square().sum(1) + 1e-9)
    ratio = torch.atan(b[:, 2] / b[:, 3]) - torch.atan(a[:, 2] / (a[:, 3] + 1e-9))
    v = 4 / math.pi**2 * ratio.square()
    with torch.no_grad():
        alpha = v / (v - iou + 1 + 1e-9)
    return iou - distance - alpha * v


def assign(targets: Tensor, anchors: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positives of one level: target row, anchor, grid x, grid y, each (P,) int64.

    targets: (T, >=5) image index, centre x, y, width, height in cells of this level; anchors (3, 2) in cells.
    """
    count, (h, w) = len(targets), shape
    ratio = targets[:, None, 3:5] / anchors[None]
    row, anchor = torch.nonzero((torch.maximum(ratio, 1 / ratio).amax(-1) < ANCHOR_RATIO), as_tuple=True)
    if not count or not len(row):
        empty = torch.zeros(0, dtype=torch.int64, device=targets.device)
        return empty, empty, empty, empty
    centre = targets[row, 1:3]
    limit = centre.new_tensor([w, h])
    near, far = centre % 1 < 0.5, (limit - centre) % 1 < 0.5
    near, far = near & (centre > 1), far & (limit - centre > 1)
    picks = [
        (torch.ones_like(near[:, 0]), (0.0, 0.0)),
        (near[:, 0], (-0.5, 0.0)),
        (near[:, 1], (0.0, -0.5)),
        (far[:, 0], (0.5, 0.0)),
        (far[:, 1], (0.0, 0.5)),
    ]
    rows = torch.cat([row[mask] for mask, _ in picks])
    which = torch.cat([anchor[mask] for mask, _ in picks])
    cell = torch.cat([(centre[mask] + centre.new_tensor(shift)) for mask, shift in picks]).long()
    return rows, which, cell[:, 0].clamp(0, w - 1), cell[:, 1].clamp(0, h - 1)


def loss(levels: list[Tensor], targets: Tensor, anchors: Tensor) -> dict[str, Tensor]:
    """Loss terms of a batch, weighted; their sum is what is minimised.

    levels: raw logits (B, 3, h, w, 9). targets: (T, 8) image index, centre x, y, width, height in input pixels, then
    pitch, yaw, roll as 0..1 of their spans. anchors: (4, 3, 2) in units of the stride.
    """
    zero = levels[0].new_zeros(())
    box, objectness, pose = zero, zero, zero
    for logits, anchor, stride, balance in zip(levels, anchors, STRIDES, LEVEL_BALANCE, strict=True):
        scaled = targets.clone()
        scaled[:, 1:5] /= stride
        row, which, x, y = assign(scaled, anchor, (logits.shape[2], logits.shape[3]))
        wanted = torch.zeros_like(logits[..., OBJECTNESS])
        if len(row):
            image = scaled[row, 0].long()
            found = logits[image, which, y, x]
            s = found.sigmoid()
            centre = 2.0 * s[:, :2] - 0.5 + torch.stack((x, y), 1)
            predicted = torch.cat((centre, (2.0 * s[:, 2:4]) ** 2 * anchor[which]), 1)
            overlap = ciou(predicted, scaled[row, 1:5])
            box = box + (1 - overlap).mean()
            wanted[image, which, y, x] = overlap.detach().clamp(min=0).to(wanted.dtype)
            sure = found[:, OBJECTNESS] > POSE_MIN_LOGIT
            if sure.any():
                pose = pose + (s[sure, POSE] - scaled[row[sure], 5:8]).norm(dim=1).mean()
        objectness = objectness + balance * F.binary_cross_entropy_with_logits(logits[..., OBJECTNESS], wanted)
    batch = levels[0].shape[0]
    assert levels[0].shape[1] == ANCHORS_PER_LEVEL
    return {
        "box": BOX_WEIGHT * box * batch,
        "objectness": OBJECTNESS_WEIGHT * objectness * batch,
        "pose": POSE_WEIGHT * pose * batch,
    }
