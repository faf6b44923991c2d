"""Sizes of the network and settings of its training, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

STRIDES = (8, 16, 32)
CANDIDATES = 300
"""Rows of the graph's output: fixed shape for the engines, and the largest crowd that is answered in full."""

COLUMNS = {"box": (0, 4), "score": (4, 5), "rotation": (5, 14), "log_sigma": (14, 15)}
"""Columns of `candidates`. log_sigma is the natural logarithm of the expected geodesic error in radians."""

BOX, SCORE, ROTATION, LOG_SIGMA = (slice(*COLUMNS[name]) for name in ("box", "score", "rotation", "log_sigma"))


@dataclass(frozen=True)
class NetworkConfig:
    """Channels of the trunk at strides 2, 4, 8, 16, 32, residual blocks at strides 4..32, channels of neck and head.

    nearest: in training the pose branch also says which of so many evenly spread rotations is nearest; 0: it does not.
    taught: a second rotation that learns what a larger network says (dual-head distillation); the answer is a mixture.
    """

    channels: tuple[int, int, int, int, int] = (16, 32, 64, 128, 160)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
    neck: int = 64
    nearest: int = 72
    taught: bool = False

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> NetworkConfig:
        """From a manifest's `training`; those without a network are of the first weights: nano, nothing beside it."""
        if "network" not in training:
            return cls(nearest=0)
        stored = dict(training["network"])
        channels, blocks = tuple(stored.pop("channels")), tuple(stored.pop("blocks"))
        return cls(channels, blocks, **stored)


SIZES = {"small": NetworkConfig((24, 48, 96, 192, 256), (1, 2, 3, 2), 96), "nano": NetworkConfig()}
"""2.3 and 0.8 million parameters."""

NAMES = {"small": "head-pose", "nano": "head-pose-nano"}
"""Of the models that they become."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms and the assignment of heads to cells."""

    score: float = 1.0
    box: float = 2.0
    pose: float = 2.0
    sigma: float = 0.1
    nearest: float = 0.5  # cross-entropy over the spread rotations: a gradient also where the 6D answer is far off
    nearest_deg: float = 20.0  # width of its soft label
    taught: float = 2.0  # of the second rotation, against what the teacher says
    # A head of size s = sqrt(w h) px is learnt at every level with low <= s < high; the ranges overlap so that a size
    # between two levels is seen by both.
    size_ranges: tuple[tuple[float, float], ...] = ((0.0, 40.0), (26.0, 96.0), (64.0, 1e9))
    # Cells whose centre lies within this many strides of the box centre are positive: 3 x 3 cells or a little less.
    radius: float = 1.25


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Times count from the start of the run, resumed time included."""

    seed: int = 0
    # Crop start: small pictures filled by one head, so that the pose terms see a head in nearly every pixel computed.
    crop_size: int = 64
    crop_batch: int = 48
    crop_share: float = 0.35
    # Until here crops and frames take turns, then frames alone set the statistics of the batch norms.
    mixed_share: float = 0.85
    frame_size: int = 256
    frame_batch: int = 8
    # In place of every so many-th frame step: larger frames, scaled for heads that fill them. In the smaller ones no
    # head is as large as a near one is in use, and those were missed.
    large_each: int = 5  # 0: none
    large_size: int = 384
    large_batch: int = 4
    large_from_px: float = 110.0
    learning_rate: float = 4e-3  # AdamW: norms, depthwise kernels, first and last layers
    kernel_learning_rate: float = 0.04  # Muon: all other kernels
    weight_decay: float = 0.02
    warmup_steps: int = 100
    # The raw 6D squared error has a gradient everywhere; the geodesic error takes over after this share of the run.
    raw_pose_share: float = 0.12
    ema: float = 0.998
    minimum_visibility: float = 0.3
    photo_share: float = 0.2
    distractor_share: float = 0.3  # of the frames
    # Mean teacher on photographs without labels (see pseudo.py): every so many steps, from this share of the run on.
    teach_each: int = 6
    teach_batch: int = 8
    teach_from: float = 0.5
    teach_every: int = 400  # steps between two rounds of new labels
    teach_kept: float = 0.85  # share of the found heads that count, those with the least entropy
    teach_score: float = 0.35
    cover_share: float = 0.5  # of these pictures have a part of the head covered
    checkpoint_s: float = 120.0

    def continued(self) -> TrainConfig:
        """The settings of a run that starts from trained weights: neither crop start nor raw 6D error."""
        return replace(self, crop_share=0.0, raw_pose_share=0.0)

    def rated(self, share: float) -> TrainConfig:
        """With such a share of both learning rates."""
        rate, kernel_rate = share * self.learning_rate, share * self.kernel_learning_rate
        return replace(self, learning_rate=rate, kernel_learning_rate=kernel_rate)

    def enlarged(self, times: int) -> TrainConfig:
        """With batches so many times as large: what a GPU needs to be busy. Photographs without labels are few: they
        are rehearsed and taught half as often, instead of in batches as large."""
        if times == 1:
            return self
        names = ("crop_batch", "frame_batch", "large_batch")
        batches = {name: times * getattr(self, name) for name in names}
        seldom = {name: 2 * getattr(self, name) for name in ("teach_each", "teach_every")}
        return replace(self, **batches, **seldom, teach_batch=min(times, 4) * self.teach_batch)
