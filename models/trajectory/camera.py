"""Training scenes as a camera's tracker sees them: noisy, filtered, at the camera's rate, often relative to the wearer.

Recorded people walk along splines, white noise is put on their positions and the constant-velocity filter of the
tracker runs over them at 15 Hz. The filter is linear and everybody of the same age has the same gains, so the filter
of a relative position is the difference of two filtered ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headway.evaluate.egocentric import dense
from headway.evaluate.pedestrians import STEP_S, Recording
from headway.models.trajectory.config import CameraConfig, TrajectoryConfig
from headway.models.trajectory.data import FUTURE_WANTED, Batch
from headway.stages import kalman
from headway.stages.tracks import TrackConfig

Array = NDArray[np.floating]

_STEADY = 60
"""Frames after which the filter's gains no longer change."""


@dataclass(frozen=True)
class Filtered:
    """One recording at `rate` and one noise level. truth, place, velocity, smooth (F, P, 2), age (F, P) frames since
    the person came, -1 where nobody is; smooth: the filter over exact positions; sigma (F, P) m of `place`."""

    truth: Array
    place: Array
    velocity: Array
    smooth: Array
    age: NDArray[np.int64]
    sigma: Array


def gains(noise_m: float, rate: float) -> tuple[Array, Array]:
    """(frames, 2) gains on position and velocity, and (frames,) m standard deviation, of the tracker's filter."""
    c = TrackConfig()
    noise = np.eye(2)[None] * noise_m**2
    covariance: Array = np.zeros((1, 4, 4))
    covariance[:, :2, :2] = noise
    covariance[:, 2, 2] = covariance[:, 3, 3] = c.first_speed**2
    state: Array = np.zeros((1, 4))
    found, sigma = [[1.0, 0.0]], [noise_m]
    for _ in range(_STEADY):
        state, covariance = kalman.predict(state, covariance, 1 / rate, c.acceleration)
        spread = covariance[0, 0, 0] + noise_m**2
        found.append([covariance[0, 0, 0] / spread, covariance[0, 2, 0] / spread])
        state, covariance = kalman.correct(state, covariance, np.zeros((1, 2)), noise)
        sigma.append(float(np.sqrt(covariance[0, 0, 0])))
    return np.array(found), np.array(sigma)


def filtered(positions: Array, noise_m: float, rate: float, random: np.random.Generator) -> Filtered:
    """positions (F, P, 2) from `dense` -> what the tracker makes of them."""
    gain, sigma = gains(max(noise_m, 0.01), rate)
    here = np.isfinite(positions[..., 0])
    seen = positions + noise_m * random.normal(size=positions.shape)
    place, velocity, smooth, speed = (np.full(positions.shape, np.nan) for _ in range(4))
    age = np.full(here.shape, -1)
    for f in range(len(positions)):
        age[f] = np.where(here[f], (age[f - 1] if f else -1) + 1, -1)
        new, old = np.flatnonzero(age[f] == 0), np.flatnonzero(age[f] > 0)
        for measured, at, moving in ((seen, place, velocity), (positions, smooth, speed)):
            at[f, new], moving[f, new] = measured[f, new], 0.0
            g = gain[np.minimum(age[f, old], _STEADY)]
            expected = at[f - 1, old] + moving[f - 1, old] / rate
            surprise = measured[f, old] - expected
            at[f, old] = expected + g[:, :1] * surprise
            moving[f, old] = moving[f - 1, old] + g[:, 1:] * surprise
    small = [a.astype(np.float32) for a in (positions, place, velocity, smooth, sigma[np.clip(age, 0, _STEADY)])]
    return Filtered(small[0], small[1], small[2], small[3], age, small[4])


class CameraSampler:
    """Draws batches for ever: (frames of a sequence, oldest first, seconds between two of them)."""

    def __init__(
        self, recordings: Sequence[Recording], network: TrajectoryConfig, camera: CameraConfig, seed: int
    ) -> None:
        self._network, self._camera = network, camera
        self._random = np.random.default_rng(seed)
        self._stride = round(STEP_S * camera.rate)
        self._scenes = []
        for recording in recordings:
            positions = dense(recording, camera.rate)
            self._scenes.append([filtered(positions, n, camera.rate, self._random) for n in camera.noise_m])
        sizes = np.array([np.isfinite(s[0].truth[..., 0]).sum() for s in self._scenes], float)
        self._share = np.sqrt(sizes) / np.sqrt(sizes).sum()

    def sized(self, scenes: Sequence[list[Array]]) -> Iterator[Batch]:
        """Batches of moments from `sized.sized_scenes`, turned and scaled as the others."""
        while True:
            drawn: list[list[Array]] = []
            while sum(s[0].shape[1] for s in drawn) < self._camera.people:
                drawn.append(scenes[int(self._random.integers(len(scenes)))])
            yield self._packed(drawn, 1, self._camera.sized_scale)[0]

    def sequences(self, frames: int) -> Iterator[tuple[list[Batch], float]]:
        """Batches of the same people in `frames` successive frames."""
        while True:
            apart = int(self._random.choice(self._camera.frames_apart))
            scenes: list[list[Array]] = []
            people = 0
            while people < self._camera.people:
                drawn = self._scene(frames, apart)
                if drawn is not None:
                    scenes.append(drawn)
                    people += drawn[0].shape[1]
            yield self._packed(scenes, frames, self._camera.scale), apart / self._camera.rate

    def _scene(self, frames: int, apart: int) -> list[Array] | None:
        """past (S, n, P, 2), future (S, n, T, 2), sigma (S, n), relative () of one moment and those before it."""
        c, random, stride = self._network, self._random, self._stride
        levels = self._scenes[int(random.choice(len(self._scenes), p=self._share))]
        scene = levels[int(random.integers(len(levels)))]
        f = int(random.integers(frames * apart, len(scene.truth)))
        people = np.flatnonzero(scene.age[f] >= 1)
        if not len(people):
            return None
        relative = random.uniform() < self._camera.relative_share and len(people) > 1
        wearer = None
        if relative and random.uniform() > self._camera.still_share:
            wearer = int(random.choice(people))
            people = people[people != wearer]
        centre = scene.truth[f, wearer if wearer is not None else random.choice(people)]
        near = np.argsort(np.linalg.norm(scene.truth[f, people] - centre, axis=1), kind="stable")
        people = people[near[: c.slots]]
        now = f - apart * np.arange(frames - 1, -1, -1)
        back = now[:, None] - stride * np.arange(c.past - 1, -1, -1)
        ahead = now[:, None] + stride * np.arange(1, c.future + 1)
        past = taken(scene.place, back, people)
        young = ~np.isfinite(past[:, :, -2, 0])
        known = scene.velocity[now][:, people]
        future = taken(scene.truth, ahead, people)
        if wearer is not None:
            own = taken(scene.smooth, back, np.array([wearer]))
            past = past - own
            before = scene.smooth[now - 1, wearer]
            known = known - ((scene.smooth[now, wearer] - before) * self._camera.rate)[:, None]
            future = future - taken(scene.truth, ahead, np.array([wearer]))
        past[:, :, -2] = np.where(young[..., None], past[:, :, -1] - STEP_S * known, past[:, :, -2])
        sigma = scene.sigma[now][:, people]
        return [past, future, sigma, np.array(float(relative))]

    def _packed(self, scenes: list[list[Array]], frames: int, scales: tuple[float, float]) -> list[Batch]:
        c, random = self._network, self._random
        b, n = len(scenes), max(s[0].shape[1] for s in scenes)
        whole = np.full((frames, b, n, c.past + c.future, 2), np.nan)
        sigma = np.zeros((frames, b, n))
        for row, (past, future, noise, _) in enumerate(scenes):
            whole[:, row, : past.shape[1], : c.past] = past
            whole[:, row, : past.shape[1], c.past :] = future
            sigma[:, row, : past.shape[1]] = noise
        angle = random.uniform(0, 2 * np.pi, b)
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(b, 2, 2)
        turn[:, :, 1] *= random.choice([-1.0, 1.0], (b, 1))
        scale = np.exp(random.uniform(np.log(scales[0]), np.log(scales[1]), b))
        with np.errstate(invalid="ignore"):
            origin = np.nan_to_num(np.nanmean(whole[-1, :, :, c.past - 1], axis=1))
            whole = (whole - origin[:, None, None]) @ (turn * scale[:, None, None])[:, None].swapaxes(-1, -2)
        relative = torch.tensor([[float(s[3])] for s in scenes], dtype=torch.float32)
        return [self._batch(whole[i], sigma[i] * scale[:, None], relative) for i in range(frames)]

    def _batch(self, whole: Array, sigma: Array, relative: Tensor) -> Batch:
        p = self._network.past
        finite = np.asarray(np.isfinite(whole).all(axis=-1))
        valid = np.flip(np.logical_and.accumulate(np.flip(finite[..., :p], axis=-1), axis=-1), axis=-1)
        known = np.logical_and.accumulate(finite[..., p:], axis=-1)
        teaches = valid[..., -2] & known[..., :FUTURE_WANTED].all(-1)
        filled = np.nan_to_num(whole)
        head = np.zeros((*whole.shape[:2], 2))
        arrays = (
            filled[:, :, :p] * valid[..., None],
            valid,
            head,
            filled[:, :, p:] * known[..., None],
            known,
            teaches,
            sigma * valid[..., -1],
        )
        return Batch(*[*(torch.from_numpy(np.asarray(a, np.float32)) for a in arrays), relative])


def taken(values: Array, frames: NDArray[np.int64], people: NDArray[np.intp]) -> Array:
    """values (F, P, 2), frames (S, L) -> (S, n, L, 2), NaN before the first and after the last frame."""
    inside = (frames >= 0) & (frames < len(values))
    found = values[np.clip(frames, 0, len(values) - 1)][:, :, people]
    return np.where(inside[..., None, None], found, np.nan).swapaxes(1, 2)
