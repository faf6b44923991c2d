"""Where forecast paths meet the wearer: how many of them, and when first.

A mode meets the wearer where its path enters the disc; one that passes outside counts less the further out it passes,
because modes are samples of where somebody may go, not walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.arrays import some

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Disc:
    """The wearer. limit_m: closest approach that is a conflict; a mode that passes soft_m outside counts a quarter;
    horizon_s: how far ahead is looked; soon_s: what comes within this time is soon."""

    limit_m: float
    soft_m: float
    horizon_s: float
    soon_s: float


@dataclass(frozen=True)
class Contacts:
    """n people. share (n,) of the modes that meet the wearer, by probability; soon (n,) of those that do so soon;
    time_s (n,) median first contact over those that meet, inf for none; closest_m (n,) of the most likely mode."""

    share: Array
    soon: Array
    time_s: Array
    closest_m: Array


def words(share: float, time_s: float, existence: float = 1.0) -> str:
    """Why a risk was raised. existence: probability that there is a person at all; named where it is not near 1."""
    if not math.isfinite(time_s):
        return "held from the frames before"
    paths = f"{100 * share:.0f} % of the expected paths pass within reach in {time_s:.1f} s"
    return paths if existence >= 0.95 else f"{paths}; a person with {100 * existence:.0f} %"


@dataclass(frozen=True)
class Approach:
    """How near each path of n people comes. closest_m (n, K); first_s (n, K) when it enters the disc, inf where it does
    not; best (n,) the most likely mode."""

    closest_m: Array
    first_s: Array
    best: NDArray[np.intp]


def meet(here: Array, modes: Array, probability: Array, step_s: float, disc: Disc) -> Contacts:
    """Where the paths of n people meet the wearer's disc round the origin.

    here (n, 2) where they are, modes (n, K, T, 2) their paths, metres; probability (n, K).
    """
    if not len(modes):
        return Contacts(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    return weigh(approach(here, modes, probability, step_s, disc), probability, disc)


def approach(here: Array, modes: Array, probability: Array, step_s: float, disc: Disc) -> Approach:
    """The geometry of `meet`."""
    horizon = disc.horizon_s / step_s  # in steps
    steps = max(1, min(modes.shape[2], math.ceil(horizon - 1e-9)))
    part = horizon - (steps - 1)  # of the last step, where the horizon ends within it
    # Each axis by itself, in one piece of memory: points side by side cost numpy three times as much.
    path = np.empty((2, *modes.shape[:2], steps + 1))
    path[..., 0], path[..., 1:] = here.T[..., None], modes[:, :, :steps].transpose(3, 0, 1, 2)
    if part < 1.0:
        path[..., -1] = path[..., -2] + part * (path[..., -1] - path[..., -2])
    near, first = _nearest_and_entry(path, disc.limit_m)  # (n, K, steps), (n, K)
    if part < 1.0:
        first = np.where(first > steps - 1, steps - 1 + part * (first - (steps - 1)), first)
    return Approach(np.sqrt(near.min(-1)), first * step_s, probability.argmax(axis=1))


def weigh(paths: Approach, probability: Array, disc: Disc) -> Contacts:
    """The shares and times of `meet`; probability (n, K) of the modes."""
    outside = np.maximum(paths.closest_m - disc.limit_m, 0)
    weight = probability * np.exp(outside * (-math.log(4) / disc.soft_m))
    share, closest = weight.sum(axis=1).clip(0, 1), paths.closest_m[np.arange(len(weight)), paths.best]
    meets = np.isfinite(paths.first_s)
    if not some(meets):  # as nearly always: there is no time to look for
        return Contacts(share, np.zeros(len(share)), np.full(len(share), np.inf), closest)
    weight[~meets] = 0.0
    # Those that pass outside have no time of their own: as many of them are soon as of those that meet.
    soon = np.where(paths.first_s <= disc.soon_s, weight, 0.0).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12)
    return Contacts(share, share * soon, _weighted_median(paths.first_s, weight), closest)


def _nearest_and_entry(path: Array, limit: float) -> tuple[Array, Array]:
    """(2, ..., S + 1) points -> (..., S) squared distance of each straight piece from the origin, and (...,) when,
    counted in steps, the disc of radius `limit` is entered, inf for never."""
    a = path[..., :-1]
    d = path[..., 1:] - a
    qa, qb = np.maximum(np.add.reduce(d * d), 1e-12), np.add.reduce(a * d)
    nearest = a + np.minimum(np.maximum(-qb / qa, 0.0), 1.0) * d
    near = np.add.reduce(nearest * nearest)
    meets = near <= limit * limit
    enter = np.full(near.shape[:-1], np.inf)
    who = meets.any(-1).nonzero()
    if len(who[0]):
        # |a + u d| = limit in the first piece that meets: the smaller root; inside from the start means now.
        piece = meets[who].argmax(-1)
        at = (*who, piece)
        qa, qb = qa[at], qb[at]
        qc = (a[0][at] ** 2 + a[1][at] ** 2) - limit * limit
        root = (-qb - np.sqrt(np.maximum(qb * qb - qa * qc, 0.0))) / qa
        enter[who] = piece + np.where(qc <= 0, 0.0, np.minimum(np.maximum(root, 0.0), 1.0))
    return near, enter


def _weighted_median(values: Array, weights: Array) -> Array:
    """(n, K), (n, K) -> (n,); inf where all weights are zero."""
    rows = np.arange(len(values))
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = values[rows[:, None], order], weights[rows[:, None], order]
    total = weights.sum(axis=1)
    middle = (weights.cumsum(axis=1) < 0.5 * total[:, None]).sum(axis=1)
    return np.where(total > 0, values[rows, np.minimum(middle, values.shape[1] - 1)], np.inf)
