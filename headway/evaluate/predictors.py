"""Predictors that need no learning, to stand beside the network: every table prints them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headway.stages.heads_up import filter_weights

Array = NDArray[np.floating]
Predictor = Callable[[Array, int], Array]
"""(n, P, 2) past without gaps, newest last, and a number of steps T -> (n, T, 2)."""


def constant_velocity(past: Array, future: int) -> Array:
    """Goes on with the last displacement."""
    step = past[:, -1] - past[:, -2]
    return past[:, -1:] + step[:, None] * np.arange(1, future + 1)[:, None]


def line_fit(past: Array, future: int) -> Array:
    """Goes on along the least-squares line through the whole past, from where that line is now."""
    t = np.arange(past.shape[1]) - (past.shape[1] - 1.0)
    centred = t - t.mean()
    slope = np.einsum("t,ntd->nd", centred, past) / (centred**2).sum()
    now = past.mean(axis=1) - slope * t.mean()
    return now[:, None] + slope[:, None] * np.arange(1, future + 1)[:, None]


def heads_up(past: Array, future: int) -> Array:
    """The published HEADS-UP filter, seen from the newest position, one frame a step.

    It starts from x0 = 0, the wearer, so where the origin lies matters: here it is the mean of everybody's last
    position, which is kind to it.
    """
    origin = past[:, -1].mean(axis=0)
    place, velocity = filter_weights(past.shape[1])
    local = past - origin
    start, step = (np.einsum("t,ntd->nd", w, local) for w in (place, velocity))
    return origin + start[:, None] + step[:, None] * np.arange(future)[:, None]


BASELINES: dict[str, Predictor] = {"constant-velocity": constant_velocity, "line-fit": line_fit, "heads-up": heads_up}
