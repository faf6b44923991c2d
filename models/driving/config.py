"""Settings of the driving network and its training, one comment a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.evaluate.tub import HEIGHT, WIDTH
from headway.stages.drive import BINS

__all__ = ["BESIDE_SHARE", "BINS", "HEIGHT", "WIDTH", "WORLD_THROTTLE", "NetworkConfig", "TrainConfig"]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network: an ensemble of small convolutional members, averaged in the graph."""

    members: int = 5  # one a fold, each from its own seed; their disagreement widens the bins
    channels: tuple[int, ...] = (16, 24, 32, 48, 64)  # one stride-2 stage each: 120x160 -> 4x5
    squeeze: int = 24  # channels kept per cell before the map is flattened: steering depends on where things are
    hidden: int = 96  # features that the heads read
    dropout: float = 0.2
    brake: bool = True  # a third control beside steering and throttle
    teacher: bool = False  # a second pair of heads that learns what a larger teacher says; the outputs are mixed
    sky_rows: int = 30  # rows cut off the top of the image: the tub's spectators and lamps say nothing of the lane

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> NetworkConfig:
        """From a manifest's `training.network`; networks of before had neither brake nor teacher."""
        return cls(**{"brake": False, "teacher": False, **stored, "channels": tuple(stored["channels"])})


WORLD_THROTTLE = 8.0
"""Weight of the throttle where an expert drives: at 1 the network came into bends faster than it."""


BESIDE_SHARE = 0.25
"""`TrainConfig.beside_share` in roadworld: at a half, drives on the lane got worse."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run; the seed of member m is seed + m."""

    seed: int = 20250211
    epochs: int = 25
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    regression_weight: float = 4.0  # of the Huber loss on steering, beside the cross-entropy of the bins
    throttle_weight: float = 1.0  # in worlds WORLD_THROTTLE
    brake_weight: float = 1.0
    teacher_weight: float = 1.0  # of what the teacher heads learn, beside what the expert heads learn
    soft_bins: float = 0.6  # width of the soft bin label, in bins: neighbours of the right bin are nearly right
    smooth_frames: float = 3.0  # deviation, in frames, of the smoothing of the training labels over time
    mirror: bool = True  # flips: not where the side of the road matters, a mirrored right lane is a left one
    beside_share: float = 0.0  # of frames seen from beside the lane (beside.py): where the camera is known
    beside_m: float = 2.0  # farthest step aside
    beside_askew: float = 0.1  # rad, largest turn with it
    threads: int = 1
