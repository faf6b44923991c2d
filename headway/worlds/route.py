"""Routes as curvature over length, and where a vehicle is on them. Pure numpy.

A route is the centre of the lane to follow. Turns blend in over RAMP_M, as a road's do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError

Array = NDArray[np.floating]

SPACING_M = 0.25
RAMP_M = 8.0
ROUTES = ("straight", "one-turn", "two-turn", "random")


@dataclass(frozen=True)
class Route:
    """points (N, 2) m, heading (N,) rad, curvature (N,) 1/m (+ left), all SPACING_M apart; starts at 0, 0 heading x."""

    points: Array
    heading: Array
    curvature: Array

    @property
    def length(self) -> float:
        """Metres."""
        return (len(self.points) - 1) * SPACING_M

    def offset(self, metres: float) -> Array:
        """(N, 2) the route moved sideways, + left."""
        normal = np.stack([-np.sin(self.heading), np.cos(self.heading)], 1)
        return self.points + metres * normal

    def locate(self, x: float, y: float, near: int = -1, window: int = 60) -> tuple[int, float]:
        """Index of the nearest point and the lateral offset there (+ left); looks only around index `near` if >= 0."""
        first = max(near - window, 0) if near >= 0 else 0
        last = near + window + 1 if near >= 0 else len(self.points)
        delta = np.array([x, y]) - self.points[first:last]
        i = int(np.argmin((delta**2).sum(1)))
        h = self.heading[first + i]
        return first + i, float(-np.sin(h) * delta[i, 0] + np.cos(h) * delta[i, 1])


def from_segments(segments: list[tuple[float, float]]) -> Route:
    """Segments (length m, curvature 1/m) joined, with curvature smoothed over RAMP_M."""
    curvature = np.concatenate([np.full(max(round(length / SPACING_M), 1), k) for length, k in segments])
    kernel = np.ones(round(RAMP_M / SPACING_M))
    padded = np.pad(curvature, (len(kernel) // 2, len(kernel) - 1 - len(kernel) // 2), mode="edge")
    curvature = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    heading = np.concatenate([[0.0], np.cumsum(curvature[:-1]) * SPACING_M])
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * SPACING_M
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps[:-1], axis=0)])
    return Route(points, heading, curvature)


def make_route(name: str, rng: np.random.Generator) -> Route:
    """One of ROUTES: after the published ones (straight, one turn, two turns), and winding random roads."""
    if name == "straight":
        return from_segments([(rng.uniform(130, 160), 0.0)])
    if name == "one-turn":
        return from_segments([(rng.uniform(45, 60), 0.0), _turn(rng), (rng.uniform(45, 60), 0.0)])
    if name == "two-turn":
        between = rng.uniform(25, 40)
        return from_segments([(45.0, 0.0), _turn(rng), (between, 0.0), _turn(rng), (45.0, 0.0)])
    if name == "random":
        return _random(rng)
    raise UsageError(f"route '{name}' is none of {', '.join(ROUTES)}")


def _turn(rng: np.random.Generator) -> tuple[float, float]:
    radius = rng.uniform(14.0, 20.0)
    return radius * np.pi / 2.0, float(rng.choice([-1.0, 1.0])) / radius


def _random(rng: np.random.Generator) -> Route:
    segments, heading = [(20.0, 0.0)], 0.0
    for _ in range(6):
        length = rng.uniform(12.0, 35.0)
        curvature = rng.uniform(-1.0, 1.0) / 15.0
        if abs(heading + curvature * length) > 2.0:  # a road that turned too far would cross itself
            curvature = -curvature
        if abs(heading + curvature * length) > 2.0:
            curvature = 0.0
        heading += curvature * length
        segments.append((length, curvature))
    return from_segments([*segments, (20.0, 0.0)])
