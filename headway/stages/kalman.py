"""Constant-velocity Kalman filter on the ground, for many people at once. State (x, y, vx, vy), metres and seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def predict(state: Array, covariance: Array, dt: float, acceleration: float) -> tuple[Array, Array]:
    """(n, 4), (n, 4, 4) -> the same `dt` seconds later. acceleration: m/s², of the walking that is not constant."""
    f = np.eye(4)
    f[0, 2] = f[1, 3] = dt
    q = np.zeros((4, 4))
    # White noise in acceleration, integrated over dt: short frames add little, so the rate of the camera cancels out.
    for axis in (0, 1):
        q[axis, axis] = dt**3 / 3
        q[axis, axis + 2] = q[axis + 2, axis] = dt**2 / 2
        q[axis + 2, axis + 2] = dt
    return state @ f.T, f @ covariance @ f.T + q * acceleration**2


def correct(state: Array, covariance: Array, seen: Array, noise: Array) -> tuple[Array, Array]:
    """Takes in positions `seen` (n, 2) with covariance `noise` (n, 2, 2). Joseph form: stays positive definite."""
    gain = covariance[:, :, :2] @ np.linalg.inv(covariance[:, :2, :2] + noise)  # (n, 4, 2)
    state = state + (gain @ (seen - state[:, :2])[..., None])[..., 0]
    keep = np.broadcast_to(np.eye(4), covariance.shape).copy()
    keep[:, :, :2] -= gain
    covariance = keep @ covariance @ keep.swapaxes(1, 2) + gain @ noise @ gain.swapaxes(1, 2)
    return state, 0.5 * (covariance + covariance.swapaxes(1, 2))


def distance_squared(state: Array, covariance: Array, seen: Array, noise: Array) -> Array:
    """(n, 4), (n, 4, 4) tracks and (m, 2), (m, 2, 2) sightings -> (n, m) squared Mahalanobis distance."""
    away = seen[None, :] - state[:, None, :2]
    spread = covariance[:, None, :2, :2] + noise[None]
    return np.einsum("nmi,nmij,nmj->nm", away, np.linalg.inv(spread), away)
