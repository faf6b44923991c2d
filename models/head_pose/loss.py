"""Assignment of heads to cells, and the terms of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from headway.models.head_pose.config import STRIDES, LossConfig
from headway.models.head_pose.decode import (
    LOG_SIGMA_RANGE,
    decode_boxes,
    flatten_maps,
    gram_schmidt,
    grid_centres,
    grid_places,
)
from headway.models.head_pose.network import RAW_CHANNELS, RAW_SCORE, RAW_SIGMA, RAW_SIX, TAUGHT_CHANNELS
from headway.models.head_pose.rotations import nearness, spread_rotations


@dataclass(frozen=True)
class Targets:
    """Labels of a batch. boxes (M, 4) xyxy input pixels; rotation (M, 3, 3) ray-relative; image (M,) row in the batch;
    ignore (M,) bool: too little of the head is visible, neither wanted nor an error."""

    boxes: Tensor
    rotation: Tensor
    image: Tensor
    ignore: Tensor

    def to(self, device: torch.device) -> Targets:
        """On another device."""
        return Targets(*(t.to(device, non_blocking=True) for t in vars(self).values()))


@dataclass(frozen=True)
class Assignment:
    """Which cell learns which head. image, cell, head: (P,) long; silent (B, A) bool: cells without a score target."""

    image: Tensor
    cell: Tensor
    head: Tensor
    silent: Tensor


def assign(targets: Targets, batch: int, centres: Tensor, strides: Tensor, config: LossConfig) -> Assignment:
    """Cells near a head's centre, on the levels for its size; of two heads that want one cell the smaller has it.

    A head whose radius holds no cell has the nearest one on its best level. Ignored heads have none, and silence the
    cells inside their box.
    """
    boxes, device = targets.boxes, targets.boxes.device
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
    scale = size.prod(1).sqrt()
    low, high = (torch.tensor(v, device=device) for v in zip(*config.size_ranges, strict=True))
    level = torch.log2(strides / STRIDES[0]).round().long()
    fits = (scale[:, None] >= low[level]) & (scale[:, None] < high[level])  # (M, A)
    offset = (centres[None] - middle[:, None]).abs()
    distance = offset.amax(-1)
    inside = (offset < 0.5 * size[:, None]).all(-1)
    near = fits & (distance < config.radius * strides) & inside
    near[torch.arange(len(boxes), device=device), torch.where(fits, distance, torch.inf).argmin(1)] = True

    silent = torch.zeros(batch, len(strides), dtype=torch.bool, device=device)
    ignored, cell = torch.nonzero(inside & targets.ignore[:, None], as_tuple=True)
    silent[targets.image[ignored], cell] = True

    head, cell = torch.nonzero(near & ~targets.ignore[:, None], as_tuple=True)
    rank = torch.empty_like(targets.image)
    rank[torch.argsort(scale)] = torch.arange(len(boxes), device=device)
    place = targets.image[head] * len(strides) + cell
    best = torch.full((batch * len(strides),), len(boxes), device=device).scatter_reduce(0, place, rank[head], "amin")
    won = best[place] == rank[head]
    head, cell = head[won], cell[won]
    silent[targets.image[head], cell] = False
    return Assignment(targets.image[head], cell, head, silent)


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """(P, 4) and (P, 4) xyxy -> IoU (P,) and generalised IoU (P,)."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    iou = inner / union.clamp(min=1e-6)
    return iou, iou - (outer - union) / outer.clamp(min=1e-6)


def geodesic(a: Tensor, b: Tensor) -> Tensor:
    """Angle in radians between rotations (..., 3, 3), with a gradient that stays finite at 0 and at 180 degrees."""
    chord = torch.sqrt(((a - b) ** 2).sum((-1, -2)) + 1e-8) / math.sqrt(8.0)
    return 2.0 * torch.asin(chord.clamp(max=0.9995))


def quality_focal(logit: Tensor, quality: Tensor) -> Tensor:
    """Binary cross-entropy against a quality 0..1, weighted by the squared distance from it."""
    weight = (torch.sigmoid(logit) - quality).detach().square()
    return weight * F.binary_cross_entropy_with_logits(logit, quality, reduction="none")


class HeadPoseLoss:
    """The loss for one input size. taught: the network has a second rotation (`NetworkConfig.taught`)."""

    def __init__(
        self,
        height: int,
        width: int,
        config: LossConfig | None = None,
        taught: bool = False,
        device: torch.device | None = None,
    ):
        self.config, self.taught = config or LossConfig(), taught
        self.centres, self.strides = grid_centres(height, width, device)
        self.places = grid_places(height, width, device)
        self._spread: Tensor | None = None

    def __call__(
        self, maps: list[Tensor], targets: Targets, raw_pose: float = 0.0, teacher: list[Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the loss and its terms, which stay on the device: to read one is to wait for it.

        raw_pose: share 0..1 of the raw 6D error in the pose term. teacher: a larger network's raw maps of the same
        pictures, for the second rotation of a network that has one.
        """
        c, raw = self.config, flatten_maps(maps)
        a = assign(targets, len(raw), self.centres, self.strides, c)
        rows, count = raw[a.image, a.cell], max(len(a.head), 1)
        boxes = decode_boxes(rows, self.places[a.cell])
        iou, giou = generalised_iou(boxes, targets.boxes[a.head])

        quality = torch.zeros(raw.shape[:2], device=raw.device)
        quality[a.image, a.cell] = iou.detach().clamp(0.0, 1.0)
        score = (quality_focal(raw[..., RAW_SCORE][..., 0], quality) * ~a.silent).sum() / count

        wanted = targets.rotation[a.head]
        six, wanted_six = rows[:, RAW_SIX], torch.cat([wanted[..., 0], wanted[..., 1]], -1)
        angle = geodesic(gram_schmidt(six), wanted)
        raw_error = (six - wanted_six).square().sum(-1)
        pose = ((1 - raw_pose) * angle + (raw_pose + 0.05) * raw_error).sum() / count
        # Laplace negative log likelihood; the residual is detached so that uncertainty cannot slow the pose down.
        log_sigma = rows[:, RAW_SIGMA][:, 0].clamp(*LOG_SIGMA_RANGE)
        sigma = (log_sigma + angle.detach() * torch.exp(-log_sigma)).sum() / count

        box = (1 - giou).sum() / count
        total = c.score * score + c.box * box + c.pose * pose + c.sigma * sigma
        extra = rows[:, RAW_CHANNELS:]
        if teacher is not None:
            said = flatten_maps(teacher)[a.image, a.cell][:, RAW_SIX]
            taught = geodesic(gram_schmidt(extra[:, :TAUGHT_CHANNELS]), gram_schmidt(said))
            total = total + c.taught * taught.sum() / count
        total = total + c.nearest * self._nearest(extra[:, TAUGHT_CHANNELS * self.taught :], wanted) / count
        terms = {"score": score, "box": box, "angle_deg": torch.rad2deg(angle).sum() / count, "sigma": sigma}
        return total, {"loss": total.detach(), **{k: v.detach() for k, v in terms.items()}}

    def _nearest(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of the spread rotations; 0 for a network that does not tell them apart."""
        if logits.shape[1] == 0:
            return logits.sum()
        if self._spread is None or len(self._spread) != logits.shape[1]:
            self._spread = spread_rotations(logits.shape[1]).to(logits.device)
        soft = nearness(wanted, self._spread, self.config.nearest_deg)
        return -(soft * torch.log_softmax(logits, -1)).sum()
