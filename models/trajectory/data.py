"""Training scenes: moments of recordings packed into padded batches, augmented as whole scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headway.evaluate.pedestrians import (
    SCENES,
    Moment,
    Recording,
    contiguous_valid,
    moments,
    position_noise,
    read_split,
)
from headway.models.trajectory.config import TrainingConfig, TrajectoryConfig

Array = NDArray[np.floating]
FUTURE_WANTED = 6
"""Somebody who leaves the picture earlier than this teaches nothing about where they went."""


@dataclass(frozen=True)
class Batch:
    """B scenes padded to N people. future (B, N, T, 2), known (B, N, T) 0/1, teaches (B, N) 0/1 who enters the loss.

    noise (B, N) m and relative (B, 1) 0/1: see the network."""

    positions: Tensor
    valid: Tensor
    head_direction: Tensor
    future: Tensor
    known: Tensor
    teaches: Tensor
    noise: Tensor
    relative: Tensor


def training_recordings(held_out: str | None, split: str) -> list[Recording]:
    """Recordings of `split` that never show `held_out`; None: everything there is, each file once."""
    if held_out is not None:
        return read_split(held_out, split)
    # A scene's own file is missing from its own split, so two splits together hold all.
    found = {r.name: r for scene in SCENES[:2] for r in read_split(scene, split)}
    return list(found.values())


class SceneSampler:
    """Draws batches for ever. One batch holds scenes of similar crowd size, so that little of it is padding."""

    def __init__(
        self, recordings: Sequence[Recording], network: TrajectoryConfig, training: TrainingConfig, seed: int
    ) -> None:
        self._network, self._training = network, training
        self._random = np.random.default_rng(seed)
        self._moments = [m for r in recordings for m in moments(r, network.past, network.future)]
        self._moments = [m for m in self._moments if _teaches(m).any()]

    def __len__(self) -> int:
        return len(self._moments)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            order = self._random.permutation(len(self._moments))
            pools = [order[i : i + 512] for i in range(0, len(order), 512)]
            groups: list[list[int]] = []
            for pool in pools:
                sizes = np.minimum([len(self._moments[i].ids) for i in pool], self._network.slots)
                people, members = 0, []
                for i in pool[np.argsort(sizes, kind="stable")]:
                    members.append(int(i))
                    people += min(len(self._moments[i].ids), self._network.slots)
                    if people >= self._training.people:
                        groups.append(members)
                        people, members = 0, []
            for index in self._random.permutation(len(groups)):
                yield self._batch([self._moments[i] for i in groups[index]])

    def _batch(self, chosen: Sequence[Moment]) -> Batch:
        picks = [self._crowd(m) for m in chosen]
        n = max(len(p) for p in picks)
        c = self._network
        whole = np.full((len(chosen), n, c.past + c.future, 2), np.nan)
        teaches = np.zeros((len(chosen), n))
        for row, (moment, pick) in enumerate(zip(chosen, picks, strict=True)):
            whole[row, : len(pick), : c.past] = moment.past[pick]
            whole[row, : len(pick), c.past :] = moment.future[pick]
            teaches[row, : len(pick)] = _teaches(moment)[pick]
        return pack(self._augmented(whole), teaches, c.past, self._random, self._training)

    def _crowd(self, moment: Moment) -> NDArray[np.intp]:
        """Everybody, or the 32 people round one of them where the crowd is larger."""
        if len(moment.ids) <= self._network.slots:
            return np.arange(len(moment.ids))
        now = moment.past[:, -1]
        centre = now[self._random.integers(len(now))]
        return np.argsort(np.linalg.norm(now - centre, axis=-1), kind="stable")[: self._network.slots]

    def _augmented(self, whole: Array) -> Array:
        """Turns, mirrors and scales each scene as a whole; cuts some histories short and adds noise to some."""
        random, t = self._random, self._training
        b = len(whole)
        angle = random.uniform(0, 2 * np.pi, b)
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(b, 2, 2)
        turn[:, :, 1] *= random.choice([-1.0, 1.0], (b, 1))
        turn *= np.exp(random.uniform(np.log(t.scale[0]), np.log(t.scale[1]), b))[:, None, None]
        origin = np.nanmean(whole[:, :, self._network.past - 1], axis=1)[:, None, None]
        whole = (whole - origin) @ turn[:, None].swapaxes(-1, -2)
        # The UCY files are smooth splines, ETH and a camera are not: the network must know which it looks at.
        sigma = np.exp(random.uniform(np.log(t.noise_m[0]), np.log(t.noise_m[1]), (b, 1, 1, 1)))
        sigma *= random.uniform(size=sigma.shape) < t.noise_share
        past = whole[:, :, : self._network.past]
        past += sigma * random.normal(size=past.shape)
        for row in np.flatnonzero(random.uniform(size=b) < t.short_share):
            whole[row, :, : random.integers(1, self._network.past - 1)] = np.nan
        return whole


def pack(
    whole: Array, teaches: Array, past: int, random: np.random.Generator | None = None, t: TrainingConfig | None = None
) -> Batch:
    """whole (B, N, P + T, 2) with NaN, teaches (B, N) -> tensors. With `random`, some people get a head direction."""
    b, n = whole.shape[:2]
    valid = contiguous_valid(np.asarray(whole[:, :, :past], float).reshape(b * n, past, 2)).reshape(b, n, past)
    positions = np.where(valid[..., None], whole[:, :, :past], 0.0)
    known = np.isfinite(whole[:, :, past:]).all(-1)
    known = np.logical_and.accumulate(known, axis=-1)
    head: Array = np.zeros((b, n, 2))
    if random is not None and t is not None:
        head = synthetic_heads(positions, valid, whole[:, :, past:], random, t)
    future = np.where(known[..., None], whole[:, :, past:], 0.0)
    noise = np.array([[position_noise(p, v)] for p, v in zip(positions, valid, strict=True)])
    arrays = (positions, valid, head, future, known, teaches, np.repeat(noise, n, axis=1), np.zeros((b, 1)))
    return Batch(*(torch.from_numpy(np.asarray(a, np.float32)) for a in arrays))


def synthetic_heads(
    positions: Array, valid: NDArray[np.bool_], future: Array, random: np.random.Generator, t: TrainingConfig
) -> Array:
    """(B, N, 2) head directions for some people, zero for the rest.

    No recording that may be trained on has head directions. People look where they walk now or next: half of the heads
    point along the last step, half along the next two, with a normal error of `head_noise_deg`.
    """
    past_step = (positions[:, :, -1] - positions[:, :, -2]) * valid[:, :, -2:-1]
    next_step = np.nan_to_num(future[:, :, 1] - positions[:, :, -1])
    step = np.where(random.uniform(size=(*valid.shape[:2], 1)) < 0.5, past_step, next_step)
    angle = np.arctan2(step[..., 1], step[..., 0]) + np.radians(t.head_noise_deg) * random.normal(size=step.shape[:2])
    given = (np.linalg.norm(step, axis=-1) > 0.1) & (random.uniform(size=step.shape[:2]) < t.head_share)
    return np.stack([np.cos(angle), np.sin(angle)], -1) * given[..., None]


def _teaches(moment: Moment) -> NDArray[np.bool_]:
    """(n,) people seen now and one step ago who stay long enough for a useful target."""
    seen = contiguous_valid(moment.past)[:, -2]
    return seen & np.isfinite(moment.future[:, :FUTURE_WANTED]).all(axis=(1, 2))
