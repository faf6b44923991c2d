"""A video or a folder of images as a bag.

Such material carries no calibration and no usable clock: field of view and rate are assumptions, which the result
states in `notes`. Stamps start at START_NS and advance by the rate.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from headway.convert.material import (
    CAMERA_INFO,
    CAMERA_TOPIC,
    FRAME_ID,
    START_NS,
    Converted,
    Picture,
    Progress,
    bag_file,
    encode,
    read_picture,
    write_picture,
    writing,
)
from headway.errors import UsageError
from headway.images import opencv_name
from headway.messages import stamp

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FOLDER_RATE_HZ = 15.0


def convert_video(
    source: Path,
    bag: Path,
    hfov_deg: float = 60.0,
    rate_hz: float | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """A video that cv2 reads, or a folder of images in order of their names -> images and camera_info."""
    if not 1.0 <= hfov_deg < 180.0:
        raise UsageError(f"--hfov {hfov_deg:g}: a horizontal field of view of 1 to 179 degrees is wanted")
    if rate_hz is not None and not 0.1 <= rate_hz <= 1000:
        raise UsageError(f"--rate {rate_hz:g}: 0.1 to 1000 images a second are wanted")
    result = Converted(bag_file(bag))
    timed, duration_s = (_folder if source.is_dir() else _video)(source, rate_hz, result)
    result.notes.append(f"{hfov_deg:g}° horizontal field of view assumed: distances scale with it (--hfov)")
    with writing(result.bag, overwrite) as writer:
        for time_s, picture in timed:
            stamp_ns = START_NS + round(time_s * 1e9)
            write_picture(writer, picture, stamp_ns)
            writer.write(CAMERA_TOPIC, CAMERA_INFO, camera_info(picture, hfov_deg, stamp_ns), stamp_ns)
            result.images += 1
            expected = round((result.images - 1) * duration_s / time_s) if time_s > 0 else None
            progress(result.images, min(limit, expected) if limit and expected else expected)
            if limit and result.images >= limit:
                break
        if not result.images:
            raise UsageError(f"{source} holds no image that can be read")
        writer.finish()
    return result


Timed = Iterator[tuple[float, Picture]]


def _video(source: Path, rate_hz: float | None, result: Converted) -> tuple[Timed, float]:
    """Pictures with their time in seconds, and the duration the file states."""
    name = opencv_name(source)
    if not source.exists():
        raise UsageError(f"{source} does not exist")
    capture = cv2.VideoCapture(name)
    if not capture.isOpened():
        raise UsageError(f"{source} is no video that OpenCV can read, and no folder of images")
    stated = float(capture.get(cv2.CAP_PROP_FPS))
    rate = rate_hz or (stated if 0.1 <= stated <= 1000 else FOLDER_RATE_HZ)
    duration_s = max(float(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0.0) / rate
    result.notes.append(f"{rate:g} images a second (--rate)" if rate_hz else "image times as the video states them")

    def pictures() -> Timed:
        start = previous = None
        for index in itertools.count():
            found, image = capture.read()
            if not found:
                capture.release()
                if previous is not None and previous < 0.95 * duration_s - 1.0:
                    result.lost.append(f"the video ends after {previous:.1f} of {duration_s:.1f} s")
                return
            time_s = index / rate
            # Containers of interlaced material state twice the rate that comes out: the frame's own time is right.
            own = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3
            start = own if start is None else start
            if not rate_hz and (previous is None or own - start > previous):
                time_s = own - start
            elif previous is not None and time_s <= previous:
                time_s = previous + 1 / rate
            previous = time_s
            yield time_s, encode(image)

    return pictures(), duration_s


def _folder(source: Path, rate_hz: float | None, result: Converted) -> tuple[Timed, float]:
    files = sorted((p for p in source.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=lambda p: _natural(p.name))
    if not files:
        raise UsageError(f"{source} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    rate = rate_hz or FOLDER_RATE_HZ
    result.notes.append(f"{rate:g} images a second {'' if rate_hz else 'assumed '}(--rate)")

    def pictures() -> Timed:
        for index, file in enumerate(files):
            picture = read_picture(file)
            # One that is left out keeps its place in time, so that nobody in the pictures seems to jump.
            if picture is None:
                result.lost.append(f"{file.name} is no image that can be read")
            else:
                yield index / rate, picture

    return pictures(), (len(files) - 1) / rate


def camera_info(picture: Picture, hfov_deg: float, stamp_ns: int) -> dict[str, Any]:
    """sensor_msgs/CameraInfo of an ideal pinhole camera with square pixels and its centre in the image's."""
    focal = 0.5 * picture.width / math.tan(math.radians(hfov_deg) / 2)
    cx, cy = picture.width / 2, picture.height / 2
    return {
        "header": {"stamp": stamp(stamp_ns), "frame_id": FRAME_ID},
        "width": picture.width,
        "height": picture.height,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts 2.jpg before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
