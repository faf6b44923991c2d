"""sensor_msgs Image and CompressedImage to (H, W, 3) uint8 BGR, without a copy where the bytes already are BGR; and
picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from headway.errors import FrameError, UsageError
from headway.image_size import PIXEL_LIMIT, announced_size

# What cannot be decoded is said in a FrameError; OpenCV's own line about each such frame would bury the log.
if hasattr(cv2, "setLogLevel"):  # OpenCV 4, which the simulator MetaDrive is held to
    cv2.setLogLevel(0)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Image = NDArray[np.uint8]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"

# encoding -> bytes per pixel, conversion to BGR (None: it is BGR). ROS's "yuv422" is the byte order U Y V Y.
ENCODINGS: dict[str, tuple[int, int | None]] = {
    "bgr8": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "bgra8": (4, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, cv2.COLOR_RGBA2BGR),
    "yuv422": (2, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2BGR_YUY2),
}
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG", b"IEND"
EXIF, EXIF_WITHIN = b"Exif\0", 64
HEAD = 1 << 20  # some cameras put a thumbnail and their settings before a JPEG's size
TAIL = 4096  # some drivers pad the end of a compressed image: the end mark is looked for this far back


def picture_file(path: Path) -> Image | None:
    """(H, W, 3) uint8 BGR of any file that OpenCV reads; None where there is none or it cannot be read.

    By its bytes, since `cv2.imread` brings the process down at a name with half a surrogate pair, which JSON and YAML
    can hold, and opens another file than the one that was named where a name has a NUL.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        found = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, ValueError, cv2.error):  # ValueError: a name that no file can have
        return None
    return None if found is None else np.asarray(found, np.uint8)


def opencv_name(path: Path) -> str:
    """`path` for one of OpenCV's own readers and writers of files. Raises UsageError for a name that is no UTF-8, which
    brings the process down in them, and for one with a NUL, which they cut there."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path}: the name is no UTF-8, which OpenCV cannot take: rename it") from None
    if "\0" in name:
        raise UsageError(f"{path!r}: no file has a NUL in its name")
    return name


def decode_image(message: Any) -> Image:
    """Either kind of image message -> (H, W, 3) uint8 BGR; raises FrameError saying what is wrong with it.

    For "bgr8" the result is a read-only view on the message's bytes: it lives as long as they do.
    """
    return raw_image(message) if hasattr(message, "encoding") else compressed_image(message)


def raw_image(message: Any) -> Image:
    """sensor_msgs/Image -> BGR. Rows may be padded: `step` counts."""
    encoding = message.encoding
    if encoding not in ENCODINGS:
        cure = ": debayer it (image_proc)" if encoding.startswith("bayer_") else ""
        raise FrameError(f"image encoding '{encoding}' is none of {', '.join(ENCODINGS)}{cure}")
    channels, conversion = ENCODINGS[encoding]
    height, width, step = int(message.height), int(message.width), int(message.step)
    if height == 0 or width == 0:
        raise FrameError(f"image has size {width}x{height}")
    if step < width * channels:
        raise FrameError(f"image step is {step}: {width} pixels of {encoding} need at least {width * channels} bytes")
    data = np.frombuffer(message.data, np.uint8)
    if data.size < height * step:
        raise FrameError(f"image is truncated: {data.size} bytes, {height} rows of {step} need {height * step}")
    if channels == 2 and width % 2:
        raise FrameError(f"image width {width} is odd: {encoding} stores pixels in pairs")
    _check_pixels(width, height)
    pixels = data[: height * step].reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    if conversion is None:
        pixels.flags.writeable = False
        return pixels
    return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def compressed_image(message: Any) -> Image:
    """sensor_msgs/CompressedImage (JPEG, PNG, WebP, BMP; the first two are checked for a cut-off end) -> BGR."""
    data = np.frombuffer(message.data, np.uint8)
    if data.size == 0:
        raise FrameError(f"compressed image ('{message.format}') is empty")
    head = data[:HEAD].tobytes()
    size = announced_size(head)
    if size is None:
        raise FrameError(f"compressed image ('{message.format}', {data.size} bytes) is no JPEG, PNG, WebP or BMP")
    _check_pixels(*size)
    tail = data[-TAIL:].tobytes()
    # A decoder fills the missing part of a cut-off image with grey and says nothing.
    for start, end in ((JPEG_START, JPEG_END), (PNG_START, PNG_END)):
        if head.startswith(start) and end not in tail:
            raise FrameError(f"compressed image ('{message.format}') is truncated after {data.size} bytes")
    try:
        # Where a JPEG names its orientation, OpenCV turns the picture.
        plain = head.startswith(JPEG_START) and EXIF not in head[:EXIF_WITHIN]
        image: Any = _jpeg(data, *size) if plain else None
        if image is None:
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise FrameError(f"compressed image ('{message.format}') cannot be decoded: {error.err}") from error
    if image is None:
        raise FrameError(f"compressed image ('{message.format}', {data.size} bytes) cannot be decoded")
    return np.asarray(image, np.uint8)


def _jpeg(data: NDArray[np.uint8], width: int, height: int) -> NDArray[Any] | None:
    """The pixels that OpenCV would give; None where only it might know what to do (CMYK for one).

    On x86, where rows begin at a multiple of 32 bytes, libjpeg-turbo writes them past the cache, and whoever looks at
    the image next waits for the memory: half a cache line further on it does not.
    """
    size = height * width * 3
    room = np.empty(size + 32, np.uint8)
    start = (16 - room.__array_interface__["data"][0]) % 32  # `room.ctypes.data` takes twice as long
    try:
        return simplejpeg.decode_jpeg(data, "BGR", strict=False, buffer=room[start : start + size])
    except ValueError:
        return None


def _check_pixels(width: int, height: int) -> None:
    if width * height > PIXEL_LIMIT:
        raise FrameError(f"image of {width}x{height} has more than {PIXEL_LIMIT:,} pixels")
