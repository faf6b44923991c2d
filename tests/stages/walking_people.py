"""Walking people as heads in a camera's image: what the tests of tracking, forecast and risk look at."""

from __future__ import annotations

import numpy as np

from headway.geometry import OPTICAL_TO_BODY, from_semi_local, project
from headway.types import Camera, Heads, Odometry, View

CAMERA = Camera(width=640, height=480, fx=500.0, fy=500.0, cx=320.0, cy=240.0)
START_NS = 1_700_000_000_000_000_000
HEAD_M = 0.23


def stamp(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def view(seconds: float, orientation=OPTICAL_TO_BODY, velocity=None, camera=CAMERA, depth=None) -> View:
    odometry = None if velocity is None else Odometry(stamp(seconds), np.array([*velocity, 0.0]), 0.0)
    return View(
        stamp_ns=stamp(seconds), camera=camera, orientation=orientation, odometry=odometry, depth=depth, unsure=""
    )


def heads(positions, orientation=OPTICAL_TO_BODY, camera=CAMERA, rotation=None, sigma_deg=10.0) -> Heads:
    """Heads of people at semi-local positions (n, 3) m, seen without error: those that are inside the image."""
    points = from_semi_local(np.atleast_2d(np.asarray(positions, float)), orientation)
    boxes = []
    for point in points[points[:, 2] > 0.3]:
        u, v = project(point, camera)
        h = camera.fy * HEAD_M / point[2]
        if 0 <= u < camera.width and 0 <= v < camera.height:
            boxes.append([u - 0.4 * h, v - 0.5 * h, u + 0.4 * h, v + 0.5 * h])
    n = len(boxes)
    facing = np.eye(3) if rotation is None else rotation
    return Heads(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(n, 0.9, np.float32),
        np.broadcast_to(facing, (n, 3, 3)).copy(),
        np.full(n, sigma_deg),
        np.zeros(n),
    )
