"""What a camera on the road sees: a painted ground plane warped into the image, a sky, and things that stand.

The ground is one bird's-eye picture; a pinhole camera sees a plane through a homography, so one warp a frame draws it
exactly. That needs no GL, no screen and about a millisecond on one core. Everything is seeded by the run.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.worlds.route import Route

Array = NDArray[np.floating]
Image = NDArray[np.uint8]

HEIGHT, WIDTH = 120, 160
FOCAL = 95.0  # pixels: 80 degrees across
CAMERA_HEIGHT_M, CAMERA_PITCH = 1.4, np.radians(8.0)
LANE_WIDTH_M = 3.5
METRES_PER_PIXEL = 0.08
MARGIN_M = 50.0
FAR_M = 12.0  # from here on the ground is read from a four times coarser picture, or it would flicker


def columns_per_metre() -> Array:
    """(120,) by how many columns the ground in each row moves to the right when the camera moves a metre to the left;
    0 above the horizon."""
    down = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL
    depth = CAMERA_HEIGHT_M / np.maximum(down * np.cos(CAMERA_PITCH) + np.sin(CAMERA_PITCH), 1e-9)
    return np.where(depth < 1e6, FOCAL / depth, 0.0)


@dataclass(frozen=True)
class Look:
    """How one run looks: colours BGR 0..255, haze distance m, brightness and contrast factors, noise sigma."""

    grass: Array
    asphalt: Array
    line: Array
    centre_line: Array
    sky: Array
    haze_m: float
    gain: float
    tint: Array
    noise: float
    blur: float


def make_look(rng: np.random.Generator) -> Look:
    """A random look: from clear noon to dull and hazy, dry or green, fresh or worn lines."""
    grass = np.array([[60, 110, 80], [70, 120, 130], [50, 80, 60], [120, 130, 140]][rng.integers(4)], float)
    centre = np.array([[225, 225, 225], [60, 190, 225]][rng.integers(2)], float)
    return Look(
        grass=grass * rng.uniform(0.7, 1.2),
        asphalt=np.full(3, rng.uniform(55, 115)) + rng.uniform(-6, 6, 3),
        line=np.full(3, rng.uniform(170, 240)),
        centre_line=centre * rng.uniform(0.75, 1.0),
        sky=np.array([[235, 200, 160], [215, 210, 205], [180, 160, 140]][rng.integers(3)], float),
        haze_m=float(rng.uniform(60, 400)),
        gain=float(rng.uniform(0.6, 1.25)),
        tint=rng.uniform(0.92, 1.08, 3),
        noise=float(rng.uniform(0.5, 5.0)),
        blur=float(rng.choice([0.0, 0.0, 0.6])),
    )


class Scenery:
    """The picture of one run. `view` draws it from a pose; the noise generator advances with every frame."""

    def __init__(self, route: Route, rng: np.random.Generator) -> None:
        self.look = make_look(rng)
        self._rng = rng
        low = route.points.min(0) - MARGIN_M
        size = np.ceil((route.points.max(0) + MARGIN_M - low) / METRES_PER_PIXEL).astype(int)
        self._low = low
        self._ground = self._paint(route, (int(size[1]), int(size[0])))
        self._coarse = cv2.resize(self._ground, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        self._things = _things(route, rng)
        self._hills = _hills(rng)
        rows = np.arange(HEIGHT)
        down = np.tan(np.arctan((rows + 0.5 - HEIGHT / 2) / FOCAL) + CAMERA_PITCH)
        self.horizon = int(np.argmax(down > 0.004))
        self._distance = CAMERA_HEIGHT_M / np.maximum(down, 0.004)

    def _paint(self, route: Route, shape: tuple[int, int]) -> Image:
        rng, look = self._rng, self.look
        small = (shape[1] // 12 + 1, shape[0] // 12 + 1)
        blotches = cv2.resize(rng.normal(0, 14, small[::-1]).astype(np.float32), shape[::-1])
        tile = np.tile(rng.normal(0, 7, (256, 256)).astype(np.float32), (shape[0] // 256 + 1, shape[1] // 256 + 1))
        texture = (blotches + tile[: shape[0], : shape[1]])[..., None]
        road = np.zeros(shape, np.uint8)
        self._stroke(road, route.offset(LANE_WIDTH_M / 2), 2 * LANE_WIDTH_M + 0.8, 255)
        asphalt = look.asphalt.astype(np.float32) + 0.35 * texture
        ground = np.where(road[..., None] > 0, asphalt, look.grass.astype(np.float32) + texture)
        ground = np.clip(ground, 0, 255).astype(np.uint8)
        for offset in (-LANE_WIDTH_M / 2, 1.5 * LANE_WIDTH_M):
            self._stroke(ground, route.offset(offset), 0.16, look.line.tolist())
        dashed = route.offset(LANE_WIDTH_M / 2)
        for first in range(0, len(dashed), 28):  # 3 m of paint, 4 m of gap
            self._stroke(ground, dashed[first : first + 13], 0.16, look.centre_line.tolist())
        for _ in range(rng.integers(0, 8)):  # shadows across the road
            at = route.points[rng.integers(len(route.points))] + rng.normal(0, 4, 2)
            axes = (int(rng.uniform(10, 60)), int(rng.uniform(20, 120)))
            mask = cv2.ellipse(np.zeros(shape, np.uint8), self._pixel(at), axes, rng.uniform(0, 180), 0, 360, 255, -1)
            ground[mask > 0] = (ground[mask > 0] * rng.uniform(0.45, 0.75)).astype(np.uint8)
        return ground

    def _stroke(self, image: Image, line: Array, width_m: float, colour: float | list[float]) -> None:
        # Sixteenths of a pixel: the thin lines would step otherwise.
        points = np.round((line - self._low) / METRES_PER_PIXEL * 16).astype(np.int32)
        cv2.polylines(image, [points], False, colour, max(round(width_m / METRES_PER_PIXEL), 1), cv2.LINE_AA, 4)

    def _pixel(self, at: Array) -> tuple[int, int]:
        x, y = np.round((at - self._low) / METRES_PER_PIXEL).astype(int)
        return int(x), int(y)

    def view(self, x: float, y: float, yaw: float) -> Image:
        """(120, 160, 3) uint8 BGR from a camera above (x, y), looking along `yaw`."""
        image_to_ground = _homography(x - self._low[0], y - self._low[1], yaw)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size, border = (WIDTH, HEIGHT), cv2.BORDER_REPLICATE
        near = cv2.warpPerspective(self._ground, image_to_ground, size, flags=flags, borderMode=border)
        quarter = np.diag([0.25, 0.25, 1.0]) @ image_to_ground
        far = cv2.warpPerspective(self._coarse, quarter, size, flags=flags, borderMode=border)
        image = np.where((self._distance > FAR_M)[:, None, None], far, near).astype(np.float32)
        haze = (1.0 - np.exp(-self._distance / self.look.haze_m)).astype(np.float32)[:, None, None]
        image = image * (1.0 - haze) + self.look.sky.astype(np.float32) * haze
        image[: self.horizon] = self._sky(yaw)
        self._stand(image, x, y, yaw)
        return self._sensor(image)

    def _sky(self, yaw: float) -> Array:
        rows = np.linspace(1.0, 0.85, self.horizon)[:, None, None]
        sky = np.broadcast_to(self.look.sky * rows, (self.horizon, WIDTH, 3)).astype(np.float32).copy()
        angle = yaw - np.arctan((np.arange(WIDTH) - WIDTH / 2) / FOCAL)
        height = self._hills[(angle / (2 * np.pi) * len(self._hills)).astype(int) % len(self._hills)]
        mask = np.arange(self.horizon)[:, None] > self.horizon - height[None]
        sky[mask] = self.look.grass * 0.55 + self.look.sky * 0.2
        return sky

    def _stand(self, image: Array, x: float, y: float, yaw: float) -> None:
        """Draws trees, posts, people and boxes as upright figures, far ones first."""
        c, s = np.cos(yaw), np.sin(yaw)
        dx, dy = self._things[:, 0] - x, self._things[:, 1] - y
        ahead, left = c * dx + s * dy, -s * dx + c * dy
        seen = np.flatnonzero((ahead > 2.0) & (ahead < 70.0) & (np.abs(left) < ahead + 3.0))
        for i in seen[np.argsort(-ahead[seen])]:
            kind, width, height, shade = self._things[i, 2:]
            column = WIDTH / 2 - FOCAL * left[i] / ahead[i]
            foot = HEIGHT / 2 + FOCAL * np.tan(np.arctan2(CAMERA_HEIGHT_M, ahead[i]) - CAMERA_PITCH)
            top = HEIGHT / 2 + FOCAL * np.tan(np.arctan2(CAMERA_HEIGHT_M - height, ahead[i]) - CAMERA_PITCH)
            half = FOCAL * width / ahead[i] / 2.0
            fade = np.exp(-ahead[i] / self.look.haze_m)
            _figure(image, int(kind), column, foot, top, half, shade, self.look, fade)

    def _sensor(self, image: Array) -> Image:
        look = self.look
        image = image * (look.gain * look.tint).astype(np.float32)
        if look.blur > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), look.blur))
        image = image + self._rng.normal(0, look.noise, image.shape).astype(np.float32)
        return np.clip(image, 0, 255).astype(np.uint8)


def _homography(x: float, y: float, yaw: float) -> Array:
    """(3, 3) from image pixels to pixels of the ground picture, for a camera at (x, y) relative to its corner."""
    c, s = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(CAMERA_PITCH), np.sin(CAMERA_PITCH)
    forward, left = np.array([c, s]), np.array([-s, c])
    # A pixel's ray in body axes: forward = cp - v sp, left = -u, down = sp + v cp, with u, v in focal lengths.
    pixel_to_ray = np.array([[1 / FOCAL, 0, -WIDTH / 2 / FOCAL], [0, 1 / FOCAL, -HEIGHT / 2 / FOCAL], [0, 0, 1]])
    ray_to_plane = np.array([[0, -sp, cp], [-1, 0, 0], [0, cp, sp]]) @ pixel_to_ray
    h = CAMERA_HEIGHT_M
    plane_to_world = np.array([[h * forward[0], h * left[0], x], [h * forward[1], h * left[1], y], [0.0, 0.0, 1.0]])
    world_to_picture = np.diag([1 / METRES_PER_PIXEL, 1 / METRES_PER_PIXEL, 1.0])
    return world_to_picture @ plane_to_world @ ray_to_plane


def _things(route: Route, rng: np.random.Generator) -> Array:
    """(N, 6): x, y, kind (0 tree, 1 post, 2 person, 3 box), width m, height m, shade; none on the road."""
    count = int(route.length / rng.uniform(3.0, 9.0))
    rows = []
    for _ in range(count):
        i = int(rng.integers(len(route.points)))
        side = rng.choice([-1.0, 1.0])
        away = LANE_WIDTH_M / 2 + side * (LANE_WIDTH_M + rng.uniform(1.2, 14.0))
        normal = np.array([-np.sin(route.heading[i]), np.cos(route.heading[i])])
        at = route.points[i] + away * normal
        kind = int(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15]))
        width, height = ((3.0, 5.0), (0.15, 1.2), (0.5, 1.75), (5.0, 4.0))[kind]
        scale = rng.uniform(0.7, 1.4) if kind != 2 else rng.uniform(0.95, 1.05)
        # The road may come back near: nothing stands on any part of it.
        if np.abs(((route.offset(LANE_WIDTH_M / 2) - at) ** 2).sum(1)).min() > (LANE_WIDTH_M + 1.0 + width / 2) ** 2:
            rows.append([*at, kind, width * scale, height * scale, rng.uniform(0.4, 1.1)])
    return np.array(rows).reshape(-1, 6)


def _figure(
    image: Array, kind: int, column: float, foot: float, top: float, half: float, shade: float, look: Look, fade: float
) -> None:
    def colour(b: float, g: float, r: float) -> list[float]:
        return [float(c * shade * fade + s * (1 - fade)) for c, s in zip((b, g, r), look.sky, strict=True)]

    def box(x0: float, y0: float, x1: float, y1: float, c: list[float]) -> None:
        limit = 4 * WIDTH
        corner = [int(np.clip(round(v), -limit, limit)) for v in (x0, y0, x1, y1)]
        cv2.rectangle(image, corner[:2], corner[2:], c, -1)

    if kind == 0:
        middle = (foot + 3 * top) / 4
        box(column - half / 8, middle, column + half / 8, foot, colour(40, 60, 80))
        centre = (int(np.clip(column, -999, 999)), int(np.clip((foot + 2 * top) / 3, -999, 999)))
        axes = (max(int(min(half, 500)), 1), max(int(min((foot - top) / 2.6, 500)), 1))
        cv2.ellipse(image, centre, axes, 0, 0, 360, colour(40, 105, 60), -1)
    elif kind == 1:
        box(column - half, top, column + half, foot, colour(210, 210, 225))
    elif kind == 2:
        waist, neck = (foot + top) / 2, top + (foot - top) / 7
        box(column - half * 0.6, waist, column + half * 0.6, foot, colour(120, 70, 50))
        box(column - half, neck, column + half, waist, colour(60, 70, 190))
        box(column - half * 0.45, top, column + half * 0.45, neck, colour(140, 170, 215))
    else:
        box(column - half, top, column + half, foot, colour(150, 160, 175))


def _hills(rng: np.random.Generator) -> Array:
    """Height in pixels of the skyline round the horizon, smooth and periodic."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    waves = sum(rng.normal(0, 2.0 / k) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in range(1, 12))
    return np.maximum(3.0 + np.asarray(waves), 0.0)
