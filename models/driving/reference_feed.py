"""Batches for the reference network, cut on the device that learns: all frames lie there from the start.

Which frames a step learns from follows from the seed and its number alone, so that a resumed run goes on in the same
order, whatever device it goes on on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from headway.evaluate.tub import Drive


class Feed:
    """The batches of every epoch. 10,000 frames take 600 MB of the device; a batch takes nothing from the host."""

    def __init__(self, drive: Drive, batch: int, seed: int, mirror: bool, device: str = "cpu") -> None:
        self.steps = steps_an_epoch(len(drive), batch)
        self._images = torch.from_numpy(np.ascontiguousarray(drive.images)).to(device)
        self._steering = torch.from_numpy(drive.steering).to(device)
        self._seed, self._mirror, self._device = seed, mirror, device
        self._epoch = -1

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (B, 120, 160, 3) uint8 BGR and steering (B,) of the step, counted over all epochs."""
        epoch, at = divmod(step, self.steps)
        if epoch != self._epoch:
            self._begin(epoch)
        chosen = slice(*self._edges[at : at + 2])
        rows = self._order[chosen]
        images, steering = self._images.index_select(0, rows), self._steering.index_select(0, rows)
        if self._mirror:  # the bin follows from the steering by itself, k -> 10 - k
            turned = self._turned[chosen]
            images = torch.where(turned[:, None, None, None], images.flip(2), images)
            steering = torch.where(turned, -steering, steering)
        return images, steering

    def _begin(self, epoch: int) -> None:
        rng = np.random.default_rng([self._seed, epoch])
        parts = np.array_split(rng.permutation(len(self._steering)), self.steps)
        turned = [
            np.random.default_rng([self._seed, epoch, at]).random(len(rows)) < 0.5 for at, rows in enumerate(parts)
        ]
        self._order = torch.from_numpy(np.concatenate(parts)).to(self._device)
        self._turned = torch.from_numpy(np.concatenate(turned)).to(self._device)
        self._edges = np.cumsum([0, *map(len, parts)]).tolist()
        self._epoch = epoch


def steps_an_epoch(frames: int, batch: int) -> int:
    """Batches in one pass over the frames."""
    return -(-frames // batch)
