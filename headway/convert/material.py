"""What all recorded material needs on its way to a bag: pictures, topics, and a bag that is whole or not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from headway.bags import BagWriter
from headway.errors import BagError, UsageError
from headway.images import COMPRESSED, picture_file
from headway.messages import stamp

IMAGE_TOPIC = "/camera/image_raw/compressed"
CAMERA_TOPIC = "/camera/camera_info"
FRAME_ID = "camera_optical_frame"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
START_NS = 1_700_000_000_000_000_000
JPEG_QUALITY = 92

Progress = Callable[[int, int | None], None]  # images done, images expected where that is known


@dataclass
class Converted:
    """What became of the material: the bag, images written, what was left out, and what was assumed."""

    bag: Path
    images: int = 0
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """One JPEG with its size in pixels."""

    jpeg: bytes
    width: int
    height: int


def encode(image: np.ndarray) -> Picture:
    """(H, W, 3) uint8 BGR -> JPEG."""
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return Picture(jpeg, image.shape[1], image.shape[0])


def read_picture(file: Path) -> Picture | None:
    """An image file as JPEG; the bytes of a JPEG file are kept as they are. None where it cannot be read."""
    image = picture_file(file)
    if image is None:
        return None
    if file.suffix.lower() in (".jpg", ".jpeg"):
        return Picture(file.read_bytes(), image.shape[1], image.shape[0])
    return encode(image)


def write_picture(writer: BagWriter, picture: Picture, stamp_ns: int) -> None:
    """One picture as a compressed image."""
    header = {"stamp": stamp(stamp_ns), "frame_id": FRAME_ID}
    writer.write(IMAGE_TOPIC, COMPRESSED, {"header": header, "format": "jpeg", "data": picture.jpeg}, stamp_ns)


def bag_file(named: Path) -> Path:
    """The file that becomes the bag: the name that was given, with .mcap at its end."""
    if named.name in ("", ".."):
        raise UsageError(f"'{named}' is no name for a bag: name a file, drive.mcap say")
    return named if named.suffix == ".mcap" else named.with_name(named.name + ".mcap")


class writing(BagWriter):
    """A writer whose bag appears under its name only when `finish` was called: no half bag is left behind."""

    def __init__(self, bag: Path, overwrite: bool) -> None:
        self._bag = bag
        if self._bag.exists() and not overwrite:
            raise UsageError(f"{self._bag} exists: name another file, or add --overwrite")
        self._part = self._bag.with_name(f".{self._bag.stem}.part.mcap")
        try:
            super().__init__(self._part)
        except BagError:
            self._part.unlink(missing_ok=True)
            raise

    def finish(self) -> None:
        """Gives the bag its name."""
        self.close()
        self._part.replace(self._bag)

    def __enter__(self) -> writing:
        return self

    def __exit__(self, *args: Any) -> None:
        try:
            self.close()
        finally:
            self._part.unlink(missing_ok=True)
