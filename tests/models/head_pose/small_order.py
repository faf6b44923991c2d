"""An order for a training that is over in seconds."""

from __future__ import annotations

from pathlib import Path

from headway.models.head_pose.config import TrainConfig
from headway.models.head_pose.fit import Limit
from headway.models.head_pose.produce import Order

CONFIG = TrainConfig(
    crop_size=64, crop_batch=4, frame_size=64, frame_batch=2, photo_share=0.0, teach_each=0, large_each=0
)


def order(folder: Path, steps: int) -> Order:
    parent = folder.parent
    return Order(
        folder, parent / "val", parent / "out", parent / "work", Limit(steps=steps), CONFIG, 64, 96, "test", size="nano"
    )
