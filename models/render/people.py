"""`headway render people`: a folder of labelled pictures from a seed."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from headway.errors import UsageError
from headway.models.render.annotations import annotation_entry, image_entry, write_annotations
from headway.models.render.bodies import BodyPool, build_pool, load_pool
from headway.models.render.labels import HeadLabel
from headway.models.render.photograph import SPLIT_CODES, Photographer
from headway.types import Camera

JPEG_QUALITY = 92
CHUNK = 25  # pictures a worker takes at a time

Shot = tuple[int, Camera, list[HeadLabel]]


@dataclass(frozen=True)
class Order:
    """What to render."""

    out: Path
    images: int
    seed: int
    split: str = "train"
    size: int = 384
    jobs: int = 1
    streets: bool = False

    def __post_init__(self) -> None:
        if self.split not in SPLIT_CODES:
            raise UsageError(f"split '{self.split}': must be train or val")
        for name, value, low in (("images", self.images, 1), ("size", self.size, 64), ("jobs", self.jobs, 1)):
            if value < low:
                raise UsageError(f"{name} = {value}: must be at least {low}")
        if self.seed < 0:
            raise UsageError(f"seed = {self.seed}: must not be negative")


def ensure_pool(path: Path, train: int, val: int, progress: Any = None) -> tuple[BodyPool, float]:
    """The pool at `path`, built and saved there if it is not; with the seconds it took to build, 0 if it was there."""
    if path.exists():
        return load_pool(path), 0.0
    start = time.perf_counter()
    pool = build_pool(train, val, progress=progress)
    pool.save(path)
    return pool, time.perf_counter() - start


def render_people(order: Order, pool_path: Path, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Renders `order` with the pool at `pool_path`; returns counts and seconds."""
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{order.out} cannot be made a folder: {error.strerror}") from error
    start = time.perf_counter()
    shots: list[Shot] = []
    for shot in _shots(order, pool_path):
        shots.append(shot)
        if progress:
            progress(len(shots), order.images)
    shots.sort(key=lambda s: s[0])
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, camera, labels in shots:
        images.append(image_entry(index + 1, file_name(index), camera))
        for label in labels:
            annotations.append(annotation_entry(len(annotations) + 1, index + 1, label))
    info = {"description": "headway render people", "seed": order.seed, "split": order.split, "size": order.size}
    info |= {"streets": True} if order.streets else {}
    write_annotations(order.out, images, annotations, info)
    seconds = time.perf_counter() - start
    return {"images": len(images), "heads": len(annotations), "seconds": seconds}


def file_name(index: int) -> str:
    """Name of picture `index`, from 0."""
    return f"{index:06d}.jpg"


def _shots(order: Order, pool_path: Path) -> Iterator[Shot]:
    if order.jobs == 1:
        _start_worker(order, pool_path)
        yield from map(_shoot, range(order.images))
        return
    context = multiprocessing.get_context("spawn")  # an OpenGL context does not survive a fork
    with context.Pool(order.jobs, _start_worker, (order, pool_path)) as workers:
        yield from workers.imap_unordered(_shoot, range(order.images), chunksize=CHUNK)


_worker: dict[str, Any] = {}  # of one process: its photographer and its order


def _start_worker(order: Order, pool_path: Path) -> None:
    cv2.setNumThreads(1)
    if "photographer" in _worker:
        _worker.pop("photographer").canvas.close()
    _worker["photographer"] = Photographer(
        load_pool(pool_path), order.split, order.seed, order.size, streets=order.streets
    )
    _worker["out"] = order.out


def _shoot(index: int) -> Shot:
    picture = _worker["photographer"].picture(index)
    path = _worker["out"] / file_name(index)
    if not cv2.imwrite(str(path), picture.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise UsageError(f"{path} cannot be written")
    return index, picture.camera, picture.labels
