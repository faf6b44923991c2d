"""Where forecast paths meet the wearer: how many of them, and when first.

A mode meets the wearer where its path enters the disc; one that passes outside counts less the further out it passes,
because modes are samples of where somebody may go, not walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Disc:
    """The wearer. limit_m: closest approach that is a conflict; a mode that passes soft_m outside counts a quarter;
    horizon_s: how far ahead is looked."""

    limit_m: float
    soft_m: float
    horizon_s: float


@dataclass(frozen=True)
class Contacts:
    """n people. share (n,) of the modes that meet the wearer, by probability; time_s (n,) median first contact over
    those, inf for none; closest_m (n,) of the most likely mode; reachable (n,) whether the conformal tube reaches the
    wearer's disc."""

    share: Array
    time_s: Array
    closest_m: Array
    reachable: NDArray[np.bool_]


def words(share: float, time_s: float, existence: float = 1.0) -> str:
    """Why a risk was raised. existence: probability that there is a person at all; named where it is not near 1."""
    if not math.isfinite(time_s):
        return "held from the frames before"
    paths = f"{100 * share:.0f} % of the expected paths pass within reach in {time_s:.1f} s"
    return paths if existence >= 0.95 else f"{paths}; a person with {100 * existence:.0f} %"


@dataclass(frozen=True)
class Approach:
    """How near each path of n people comes. closest_m (n, K); first_s (n, K) when it enters the disc, inf where it does
    not; best (n,) the most likely mode; reachable (n,) whether the tube of radius round it reaches the disc."""

    closest_m: Array
    first_s: Array
    best: NDArray[np.intp]
    reachable: NDArray[np.bool_]


def meet(here: Array, modes: Array, probability: Array, radius: Array, step_s: float, disc: Disc) -> Contacts:
    """Where the paths of n people meet the wearer's disc round the origin.

    here (n, 2) where they are, modes (n, K, T, 2) their paths, metres; probability (n, K); radius (n, T) metres round
    the most likely mode.
    """
    if not len(modes):
        return Contacts(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    return weigh(approach(here, modes, probability, radius, step_s, disc), probability, disc)


def approach(here: Array, modes: Array, probability: Array, radius: Array, step_s: float, disc: Disc) -> Approach:
    """The geometry of `meet`."""
    limit = disc.limit_m
    steps = max(1, min(modes.shape[2], math.ceil(disc.horizon_s / step_s - 1e-9)))
    # Each axis by itself, in one piece of memory: points side by side cost numpy three times as much.
    path = np.empty((2, *modes.shape[:2], steps + 1))
    path[..., 0], path[..., 1:] = here.T[..., None], modes[:, :, :steps].transpose(3, 0, 1, 2)
    near, first = _nearest_and_entry(path[0], path[1], limit)  # (n, K, steps), (n, K)
    best, people = probability.argmax(axis=1), np.arange(len(modes))
    reachable = np.asarray((near[people, best] - radius[:, :steps] <= limit).any(axis=1))
    return Approach(near.min(-1), first * step_s, best, reachable)


def weigh(paths: Approach, probability: Array, disc: Disc) -> Contacts:
    """The shares and times of `meet`; probability (n, K) of the modes."""
    outside = np.maximum(paths.closest_m - disc.limit_m, 0)
    weight = probability * np.exp(outside * (-math.log(4) / disc.soft_m))
    time = _weighted_median(paths.first_s, np.where(np.isfinite(paths.first_s), weight, 0.0))
    closest = paths.closest_m[np.arange(len(weight)), paths.best]
    return Contacts(weight.sum(axis=1).clip(0, 1), time, closest, paths.reachable)


def _nearest_and_entry(px: Array, py: Array, limit: float) -> tuple[Array, Array]:
    """(..., S + 1) points -> (..., S) distance of each straight piece from the origin, and (...,) when, counted in
    steps, the disc of radius `limit` is entered, inf for never."""
    ax, ay = px[..., :-1], py[..., :-1]
    dx, dy = px[..., 1:] - ax, py[..., 1:] - ay
    qa, qb = dx * dx + dy * dy, ax * dx + ay * dy
    moves = np.where(qa > 1e-12, qa, 1.0)
    u = np.minimum(np.maximum(-qb / moves, 0.0), 1.0)
    x, y = ax + u * dx, ay + u * dy
    near = np.sqrt(x * x + y * y)
    meets = near <= limit
    *path, piece = meets.nonzero()
    enter = np.full(near.shape, np.inf)
    if len(piece):
        # |a + u d| = limit: the smaller root is where the disc is entered; inside from the start means now.
        qa, qb, qc = qa[meets], qb[meets], ax[meets] ** 2 + ay[meets] ** 2 - limit**2
        root = (-qb - np.sqrt(np.maximum(qb * qb - qa * qc, 0.0))) / moves[meets]
        enter[(*path, piece)] = piece + np.where(qc <= 0, 0.0, np.minimum(np.maximum(root, 0.0), 1.0))
    return near, enter.min(-1)


def _weighted_median(values: Array, weights: Array) -> Array:
    """(n, K), (n, K) -> (n,); inf where all weights are zero."""
    rows = np.arange(len(values))
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = values[rows[:, None], order], weights[rows[:, None], order]
    total = weights.sum(axis=1)
    middle = (weights.cumsum(axis=1) < 0.5 * total[:, None]).sum(axis=1)
    return np.where(total > 0, values[rows, np.minimum(middle, values.shape[1] - 1)], np.inf)
