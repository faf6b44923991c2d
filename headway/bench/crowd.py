"""What a crowd costs: one head in view against 32, in two clips that are the same but for the heads.

A head found in the bundled recording walks over a picture of the same recording in which nobody is found: every copy
on a path of its own, under sensor noise that is new in every frame, so that nothing stands still (the image monitor
would rightly refuse stills), and forwards and backwards, so that the clip has no jump.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from headway.bench.frames import Image, pictures
from headway.bench.networks import CANNOT, Bench
from headway.bench.pipeline import Host, jpeg, no_garbage_collection
from headway.errors import EngineError

FEW, MANY = 1, 32
ROWS, COLUMNS = 4, 8
HEIGHT, WIDTH = 720, 1280
TRIED = 8
"""Crops that are tried for the crowd."""
CLIP = 24
"""Frames of a clip before it turns back."""
STRIDE_PX = 1.5
"""Farthest that a head moves from one frame to the next."""
NOISE_LEVELS = 2.0
"""Standard deviation of the sensor noise, grey levels."""
WARM_UP = 20
"""Frames before anything counts: long enough for every track to be established."""


@dataclass(frozen=True)
class Scene:
    """What a clip is made of: a head with its surroundings, and a picture without heads."""

    crop: Image
    background: Image


def bench_crowd(
    bench: Bench,
    engine: str = "onnxruntime",
    rounds: int = 60,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Adds `pipeline.crowd` and the ratio of the two clips' medians, or why there is none."""
    cv2.setNumThreads(threads)
    hosts: dict[int, Host] = {}
    try:
        for count in (FEW, MANY):
            hosts[count] = Host(engine, threads)
        _measure(hosts, rounds, progress)
    except CANNOT as error:
        bench.skip("crowd", engine, error)
        return
    finally:
        for host in hosts.values():
            host.pipeline.close()
    few, many = hosts[FEW].report(), hosts[MANY].report()
    bench.pipeline["crowd"] = {"engine": engine, "pasted": [FEW, MANY], "few": few, "many": many}
    label = f"pipeline: {many['heads_mean']:.1f} heads in view against {few['heads_mean']:.1f}, {engine}"
    bench.ratios[label] = many["p50_ms"] / few["p50_ms"]
    bench.ratios[f"{label}, cpu time"] = many["cpu_p50_ms"] / few["cpu_p50_ms"]


def _measure(hosts: Mapping[int, Host], rounds: int, progress: Callable[[int, int], None]) -> None:
    """Plays the clip with so many heads to each host; their frames take turns."""
    scene = find_scene(hosts[FEW])
    if scene is None:
        raise EngineError("no head, or no picture without one, was found: there is nothing to make a crowd of")
    clips = {count: [jpeg(image) for image in clip(scene, count)] for count in hosts}
    for count, host in hosts.items():
        for i in range(WARM_UP):
            host.frame(clips[count][turning(i, CLIP)], keep=False)
    with no_garbage_collection():
        for i in range(rounds):
            for count, host in hosts.items():
                host.frame(clips[count][turning(WARM_UP + i, CLIP)])
            progress(i + 1, rounds)


def turning(i: int, length: int) -> int:
    """0, 1, ... length - 1, and back, and again: the neighbours in time are neighbours in the clip."""
    around = i % (2 * length - 2)
    return min(around, 2 * length - 2 - around)


def clip(scene: Scene, count: int, length: int = CLIP, seed: int = 0) -> list[Image]:
    """`length` pictures 1280x720 with `count` heads that walk; same seed, same paths and same noise."""
    rng = np.random.default_rng(seed)
    cell = HEIGHT // ROWS, WIDTH // COLUMNS
    crop = scene.crop
    scale = 0.8 * min(cell[0] / crop.shape[0], cell[1] / crop.shape[1])
    head = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = _ellipse(*head.shape[:2])
    page = cv2.resize(scene.background, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    # From the middle outwards: one head stands where a person would.
    places = sorted(np.ndindex(ROWS, COLUMNS), key=lambda p: abs(p[0] - ROWS / 2 + 0.5) + abs(p[1] - COLUMNS / 2 + 0.5))
    angles = rng.uniform(0, 2 * np.pi, ROWS * COLUMNS)
    room = np.array([cell[0] - head.shape[0], cell[1] - head.shape[1]]) / 2
    stride = min(STRIDE_PX, 2 * float(room.min()) / length)
    images = []
    for i in range(length):
        image = page.copy()
        for (row, column), angle in zip(places[:count], angles, strict=False):
            walked = (i - length / 2) * stride * np.array([np.sin(angle), np.cos(angle)])
            y, x = (np.array([row * cell[0], column * cell[1]]) + room + walked).round().astype(int)
            inside = image[y : y + head.shape[0], x : x + head.shape[1]]
            inside += alpha * (head - inside)
        image += rng.normal(0.0, NOISE_LEVELS, image.shape)
        images.append(image.round().clip(0, 255).astype(np.uint8))
    return images


def _ellipse(height: int, width: int) -> np.ndarray:
    """(h, w, 1) weights: 1 inside, falling softly to 0 at the border, so that a pasted head has no frame."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return np.clip((1.0 - np.hypot(x, y)) / 0.15, 0.0, 1.0).astype(np.float32)[..., None]


def find_scene(host: Host) -> Scene | None:
    """Of the surest heads of the recording the one that is found most often in a crowd of itself, on a picture whose
    heads are painted out; None where there is no such head or picture."""
    crops: list[tuple[float, Image]] = []
    empty: Image | None = None
    for image in pictures(120)[0][::6]:
        heads = host.frame(jpeg(image), keep=False).heads
        if heads is None:
            continue
        if empty is None:
            bare = _painted_out(image, heads.boxes)
            empty = None if _count(host, Scene(bare, bare), 0) else bare
        if not len(heads):
            continue
        x0, y0, x1, y1 = heads.boxes[0]
        margin = 0.6 * max(x1 - x0, y1 - y0)
        rows = slice(max(int(y0 - margin), 0), int(y1 + margin))
        crops.append((float(heads.scores[0]), image[rows, max(int(x0 - margin), 0) : int(x1 + margin)].copy()))
    if empty is None or not crops:
        return None
    found = []
    for score, crop in sorted(crops, key=lambda c: -c[0])[:TRIED]:
        few, many = (_count(host, Scene(crop, empty), number) for number in (FEW, MANY))
        found.append((few == FEW, min(many, MANY), score, crop))
    return Scene(max(found, key=lambda f: f[:3])[3], empty)


def _painted_out(image: Image, boxes: np.ndarray) -> Image:
    """The picture with what lies round it in the place of each head and its hair; boxes (N, 4) xyxy pixels."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for x0, y0, x1, y1 in boxes:
        wide, high = 0.4 * (x1 - x0), 0.4 * (y1 - y0)
        rows = slice(max(int(y0 - high), 0), int(y1 + high) + 1)
        mask[rows, max(int(x0 - wide), 0) : int(x1 + wide) + 1] = 255
    return np.asarray(cv2.inpaint(image, mask, 5, cv2.INPAINT_TELEA), np.uint8)


def _count(host: Host, scene: Scene, number: int) -> int:
    """Most heads that are found in any of four frames of the clip with `number` of them."""
    host.pipeline.reset()
    found = [len(host.frame(jpeg(image), keep=False).heads or ()) for image in clip(scene, number, 4)]
    host.pipeline.reset()
    return max(found)
