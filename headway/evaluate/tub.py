"""Reading a donkeycar tub and cutting it into blocks: one reader for evaluation and training.

A tub is a folder with `manifest.json`, `catalog_*.catalog` (JSON lines) and `images/`. Its `user/angle` is + to the
right; everything here is + to the left (REP-103), so it is negated on reading. Its time stamps are too close together
to be frame times: FRAME_RATE_HZ is an assumption, used only for what needs seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.images import picture_file

FRAME_RATE_HZ = 20.0
HEIGHT, WIDTH = 120, 160
BLOCK, GAP = 30, 10
"""Frames of a block, and frames thrown away between blocks of different parts: neighbours in time look alike."""
SPLIT_PATTERN = ("train", "train", "train", "train", "test")
"""Blocks take these parts in turn. One lap of the sample tub is about 12 blocks, so the parts fall on other places of
the track in its second lap; the track itself is the same in both parts."""


@dataclass(frozen=True)
class Drive:
    """images (N, 120, 160, 3) uint8 BGR; steering (N,) -1..1, + left; throttle and brake (N,) 0..1, all float32;
    drawn (N,) bool: by roadworld, so that camera and ground are known. A recording that knows no brake has zeros.
    speed (N,) m/s, NaN where it was not kept."""

    images: NDArray[np.uint8]
    steering: NDArray[np.float32]
    throttle: NDArray[np.float32]
    brake: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    drawn: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    speed: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        for name, unknown in (("brake", 0.0), ("drawn", False), ("speed", np.nan)):
            if len(column := getattr(self, name)) != len(self):
                object.__setattr__(self, name, np.full(len(self), unknown, column.dtype))

    def __len__(self) -> int:
        return len(self.steering)

    def at(self, rows: NDArray[np.int64]) -> Drive:
        """The frames at `rows`."""
        return Drive(*(getattr(self, column.name)[rows] for column in fields(self)))


def joined(drives: Sequence[Drive]) -> Drive:
    """All frames, one drive after the other."""
    return Drive(*(np.concatenate([getattr(d, column.name) for d in drives]) for column in fields(Drive)))


def find_tub(data: Path) -> Path:
    """The tub folder at or below `data`; raises UsageError that says what was looked for."""
    for folder in (data, data / "tub", data / "donkeycar_tub" / "tub"):
        if (folder / "manifest.json").is_file() and list(folder.glob("catalog_*.catalog")):
            return folder
    raise UsageError(f"{data} holds no donkeycar tub: a folder with manifest.json and catalog_*.catalog is wanted")


def read_tub(folder: Path) -> Drive:
    """All frames of a tub in order of recording, without those its user deleted. Raises UsageError that names the
    manifest, the catalog or the picture."""
    _, deleted = last_of_manifest(folder)
    catalogs = sorted(folder.glob("catalog_*.catalog"), key=_number)
    rows = [row for catalog in catalogs for row in _rows(catalog, deleted)]
    if not rows:
        raise UsageError(f"the tub {folder} has no frames")
    images = np.empty((len(rows), HEIGHT, WIDTH, 3), np.uint8)
    for i, row in enumerate(rows):
        path = folder / "images" / row.picture
        image = picture_file(path)
        if image is None:
            raise UsageError(f"{path} cannot be read as an image")
        images[i] = image if image.shape[:2] == (HEIGHT, WIDTH) else cv2.resize(image, (WIDTH, HEIGHT))
    steering = np.array([-row.angle for row in rows])
    throttle = np.array([row.throttle for row in rows])
    return Drive(images, np.clip(steering, -1, 1).astype(np.float32), np.clip(throttle, 0, 1).astype(np.float32))


def last_of_manifest(folder: Path) -> tuple[dict[str, Any], set[int]]:
    """The manifest's last line, and what it says of the records that the user deleted: those stay in the catalogs.

    Raises UsageError that names the manifest.
    """
    path = folder / "manifest.json"
    try:
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        return last, set(last.get("deleted_indexes", ()))
    except NO_TUB as error:
        raise UsageError(f"{path} is no manifest of a tub: {type(error).__name__} {error}") from error


NO_TUB = (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError, OverflowError)
"""What text that is no tub's manifest or catalog ends in, somewhere between its bytes and its numbers."""


class _Row(NamedTuple):
    picture: str
    angle: float
    throttle: float


def _number(catalog: Path) -> int:
    number = catalog.stem.rpartition("_")[2]
    if not number.isdecimal():
        raise UsageError(f"{catalog}: a catalog's name ends in its number, catalog_0.catalog say")
    return int(number)


def _rows(catalog: Path, deleted: set[int]) -> Iterator[_Row]:
    try:
        for line in catalog.read_text(encoding="utf-8").splitlines():
            if line.strip():
                raw = json.loads(line)
                row = _Row(Path(raw["cam/image_array"]).name, float(raw["user/angle"]), float(raw["user/throttle"]))
                if not (math.isfinite(row.angle) and math.isfinite(row.throttle)):
                    raise ValueError("an angle or a throttle that is not finite")
                if raw.get("_index") not in deleted:
                    yield row
    except NO_TUB as error:
        raise UsageError(f"{catalog} is no catalog of a tub: {type(error).__name__} {error}") from error


def blocks(count: int) -> list[tuple[str, NDArray[np.int64]]]:
    """(part, row indices) of every block among `count` consecutive frames, in order, without the gaps."""
    return [
        (SPLIT_PATTERN[i % len(SPLIT_PATTERN)], np.arange(first, min(first + BLOCK, count)))
        for i, first in enumerate(range(0, count, BLOCK + GAP))
    ]


def split_blocks(count: int) -> dict[str, NDArray[np.int64]]:
    """Row indices of "train" and "test" among `count` consecutive frames, more than GAP apart."""
    test = [rows for part, rows in blocks(count) if part == "test"]
    return {"train": _far_from(test, count), "test": np.concatenate([*test, np.zeros(0, np.int64)])}


def fold_blocks(count: int, fold: int, folds: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows to fit on, rows held out) of one fold: every `folds`-th training block is held out in turn."""
    train = [rows for part, rows in blocks(count) if part == "train"]
    test = [rows for part, rows in blocks(count) if part == "test"]
    held = train[fold::folds]
    return _far_from(test + held, count), np.concatenate([*held, np.zeros(0, np.int64)])


def _far_from(others: list[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    near = np.zeros(count, bool)
    for rows in others:
        near[max(int(rows[0]) - GAP, 0) : int(rows[-1]) + GAP + 1] = True
    return np.flatnonzero(~near)
