"""Constant-velocity Kalman filter on the ground, for many people at once. State (x, y, vx, vy), metres and seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def predict(state: Array, covariance: Array, dt: float, acceleration: float | Array) -> tuple[Array, Array]:
    """(n, 4), (n, 4, 4) -> the same `dt` seconds later. acceleration: m/s² per root Hz, of the walking that is not
    constant; one for all, or (n,)."""
    f = np.array(((1.0, 0.0, dt, 0.0), (0.0, 1.0, 0.0, dt), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)))
    # White noise in acceleration, integrated over dt: short frames add little, so the rate of the camera cancels out.
    a, b, c = dt**3 / 3, dt**2 / 2, dt
    q = np.array(((a, 0.0, b, 0.0), (0.0, a, 0.0, b), (b, 0.0, c, 0.0), (0.0, b, 0.0, c)))
    return state @ f.T, f @ covariance @ f.T + np.multiply.outer(np.square(acceleration), q)


def correct(state: Array, covariance: Array, seen: Array, noise: Array) -> tuple[Array, Array]:
    """Takes in positions `seen` (n, 2) with covariance `noise` (n, 2, 2). Joseph form: stays positive definite."""
    gain = covariance[:, :, :2] @ _inverse(covariance[:, :2, :2] + noise)  # (n, 4, 2)
    state = state + (gain @ (seen - state[:, :2])[..., None])[..., 0]
    keep = np.empty_like(covariance)
    keep[:] = _IDENTITY
    keep[:, :, :2] -= gain
    covariance = keep @ covariance @ keep.swapaxes(1, 2) + gain @ noise @ gain.swapaxes(1, 2)
    return state, 0.5 * (covariance + covariance.swapaxes(1, 2))


def distance_squared(state: Array, covariance: Array, seen: Array, noise: Array) -> Array:
    """(n, 4), (n, 4, 4) tracks and (m, 2), (m, 2, 2) sightings -> (n, m) squared Mahalanobis distance."""
    x, y = seen[:, 0] - state[:, 0, None], seen[:, 1] - state[:, 1, None]
    # Written out: for 2x2 matrices LAPACK and einsum cost ten times what they compute.
    a, b = covariance[:, 0, 0, None] + noise[:, 0, 0], covariance[:, 0, 1, None] + noise[:, 0, 1]
    c, d = covariance[:, 1, 0, None] + noise[:, 1, 0], covariance[:, 1, 1, None] + noise[:, 1, 1]
    return (d * x * x - (b + c) * x * y + a * y * y) / (a * d - b * c)


_IDENTITY = np.eye(4)


def _inverse(m: Array) -> Array:
    """(n, 2, 2) -> (n, 2, 2)."""
    a, b, c, d = m[:, 0, 0], m[:, 0, 1], m[:, 1, 0], m[:, 1, 1]
    found = np.empty_like(m)
    found[:, 0, 0], found[:, 0, 1], found[:, 1, 0], found[:, 1, 1] = d, -b, -c, a
    found /= (a * d - b * c)[:, None, None]
    return found
