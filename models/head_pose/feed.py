"""Batches of training pictures: made where they are asked for, or by processes that work ahead of a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from headway.models.head_pose.data import Sample, packed
from headway.models.head_pose.loss import Targets

AHEAD = 2
"""Batches that a process keeps ready."""

NICENESS = 5
"""Of these processes: the one that feeds the GPU goes first."""


class Source(Protocol):
    """An endless stream of samples, such as `crops.Sampler`."""

    def batch(self, count: int) -> list[Sample]:
        """The next `count` samples."""
        ...

    def reseed(self, seed: int, rank: int = 0) -> None:
        """Starts another stream; those of different ranks differ."""
        ...


class Feed:
    """An endless stream of batches of `count` samples: images (B, S, S, 3) uint8 and their targets.

    workers: processes that make them ahead, each from its own part of the stream that `seed` names; 0: nobody does, and
    the source goes on as it is. The processes are forks, so that they share the decoded pictures; they end with the
    feed.
    """

    def __init__(self, source: Source, count: int, workers: int = 0, seed: int = 0):
        self._source, self._count = source, count
        self._ready: Iterator[tuple[Tensor, ...]] | None = None
        if workers:
            loader: DataLoader[tuple[Tensor, ...]] = DataLoader(
                _Ahead(source, count, seed),
                batch_size=None,
                num_workers=workers,
                prefetch_factor=AHEAD,
                multiprocessing_context="fork",
                worker_init_fn=_worker,
                pin_memory=torch.cuda.is_available(),
            )
            self._ready = iter(loader)

    def next(self) -> tuple[Tensor, Targets]:
        """The next batch."""
        if self._ready is None:
            return packed(self._source.batch(self._count))
        images, *rest = next(self._ready)
        return images, Targets(*rest)


class _Ahead(IterableDataset[tuple[Tensor, ...]]):
    def __init__(self, source: Source, count: int, seed: int):
        self._source, self._count, self._seed = source, count, seed

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = get_worker_info()
        self._source.reseed(self._seed, worker.id if worker else 0)
        while True:
            images, targets = packed(self._source.batch(self._count))
            yield (images, *vars(targets).values())


def _worker(_: int) -> None:
    os.nice(NICENESS)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
