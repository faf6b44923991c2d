"""The image monitor: is what the camera sends a picture of the world at all?

Every check works on the image sampled down to about 160 pixels across, once per frame: four pixels in the middle of
each cell say enough, so its cost does not depend on the camera. Each threshold stands with the values between which it
was put: "natural" is the extreme over every frame of the two bundled recordings, vtest.avi (341 frames) and the
donkeycar tub (1,000 frames), "fault" that of the same frames with the fault put on; `tests/stages/test_monitor.py` has
both sides.

A finding makes the frame suspect at once, and the sensor invalid when it lasts (`raise_after` frames); it is valid
again after `release_after` good ones. What cannot be known is not claimed: colours swapped since the first frame,
a light cover that was there from the start, blur under strong noise, and a frozen picture of a world at rest before
`frozen_rest_s`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.config import Config, parameter
from headway.errors import FrameError
from headway.types import Frame

INVALID = "SENSOR_INVALID"
WORK_WIDTH = 160
GRID = 6, 8  # rows, columns of blocks in which cover is looked for
BLACK_BELOW, DIM_BELOW, LIGHT_ABOVE, CLIPPED_ABOVE = 20, 40, 235, 250  # grey levels
ALL = 0.99  # share of pixels that makes "everything"
DIM_SHARE = 0.9  # natural: at most 0.3
CLIPPED_SHARE = 0.4  # natural: at most 0.04
PLAIN_STD = 3.0  # natural: at least 38; one colour with sensor noise stays below
DARK_BLOCK = 40.0
FLAT_BLOCK_STD = 4.0
COVERED_SHARE = 0.35  # dark and flat blocks. natural: at most 0.08; half covered: 0.5
TEXTURE_STD = 2.0
TEXTURE_LOST = 0.3  # share of blocks that lost their texture against the last seconds. natural: at most 0.11
TEXTURE_MEMORY = 0.02  # weight of the newest frame in what is usual: about three seconds at 15 Hz
SHARP_BELOW = 0.1  # natural: at least 0.18; Gaussian blur of 4 pixels at 640: at most 0.085
NOISE_ABOVE = 1.0  # neighbours disagree more than pixels 4 apart. natural: at most 0.75; white noise: 3
NOISE_ENERGY = 6.0 * 20.0**2  # of the second difference: white noise of 20 grey levels
SWAPPED_BELOW = -0.5  # correlation of blue minus red with the frame before. natural: at least 0.4; swapped: -0.9
SWAPPED_GREEN = 0.3  # while green stays as it was
COLOUR_STD = 5.0  # of blue minus red: less says nothing. vtest.avi, nearly grey: 0.4
MOVING_MPS = 0.3  # as the driving stage's own guard
LONGEST_STEP_S = 0.5  # a longer gap tells nothing of the frame before it

FROZEN = "frozen (the same picture under new stamps)"
SWAPPED = "colour order swapped since it started"


@dataclass(frozen=True)
class MonitorConfig(Config):
    """How long a finding must last."""

    enabled: bool = parameter(True, "look at every image for black, frozen, blurred and the like")
    raise_after: int = parameter(3, "images in a row with a finding until the sensor is invalid", 1, 100)
    release_after: int = parameter(3, "good images in a row until it is valid again", 1, 100)
    frozen_moving_s: float = parameter(
        0.09, "the same picture for this long while odometry says that the camera moves is a frozen one", 0.0, 10.0
    )
    frozen_rest_s: float = parameter(
        1.0, "the same, at rest or without odometry: real sensors are never so still; 0: nothing is concluded", 0.0, 60
    )


@dataclass(frozen=True)
class Verdict:
    """reason: "SENSOR_INVALID: ..." while the sensor is invalid, else "". suspect: a finding that has not lasted."""

    reason: str = ""
    suspect: str = ""


class ImageMonitor:
    """One instance per camera. Buffers are made once for each image size."""

    def __init__(self, config: MonitorConfig | None = None) -> None:
        self.config = config or MonitorConfig()
        self._size = (0, 0)
        self._cell = 1
        self._small = self._before = np.zeros((1, 1, 3), np.uint8)
        self.reset()

    def reset(self) -> None:
        """As before the first frame."""
        self._stamp_ns: int | None = None
        self._same_s, self._repeats = 0.0, 0
        self._swapped = False
        self._usual_flat: float | None = None
        self._tint: Tint | None = None
        self._bad = self._good = 0
        self._reason = ""

    def check(self, frame: Frame) -> str:
        """Raises FrameError while the sensor is invalid; returns why the frame is suspect, "" where it is not."""
        verdict = self(frame)
        if verdict.reason:
            raise FrameError(verdict.reason)
        return verdict.suspect

    def __call__(self, frame: Frame) -> Verdict:
        """Looks at one frame. The image is (H, W, 3) uint8 BGR."""
        if not self.config.enabled:
            return Verdict()
        finding = self._finding(frame)
        if finding:
            # A picture that comes again and again was a frozen one since it first did, only too short to say so.
            self._bad, self._good = max(self._bad + 1, self._repeats if finding == FROZEN else 0), 0
            if self._reason or self._bad >= self.config.raise_after:
                self._reason = f"{INVALID}: {finding}"
        elif not (self._repeats and _moving(frame)):  # a repeated one says nothing new, good or bad
            self._bad, self._good = 0, self._good + 1
            if self._good >= self.config.release_after:
                self._reason = ""
        if self._reason:
            return Verdict(self._reason if finding else f"{INVALID}: waiting for good images to last")
        return Verdict(suspect=f"image suspect: {finding}" if finding else "")

    def _finding(self, frame: Frame) -> str:
        """What is wrong with this frame, by itself and against the one before."""
        elapsed_s = self._shrink(frame)
        small, before = self._small, self._before
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        finding = exposure(gray)
        # What hides the picture says nothing of blur or colour; a frozen one still has both.
        if not finding:
            finding = self._cover(gray) or noise(frame.image, self._cell) or blur(gray)
        tint_before, self._tint = self._tint, None  # none was taken of a frame with a finding
        if elapsed_s > 0.0 and not finding:
            self._tint = Tint(small)
            if self._tint.turned_from(tint_before or Tint(before)):
                self._swapped = not self._swapped
            finding = SWAPPED if self._swapped else ""
        same = elapsed_s > 0.0 and np.array_equal(small[0], before[0]) and np.array_equal(small, before)
        self._same_s, self._repeats = (self._same_s + elapsed_s, self._repeats + 1) if same else (0.0, 0)
        return finding or (FROZEN if self._is_frozen(frame) else "")

    def _shrink(self, frame: Frame) -> float:
        """Fills `_small`, keeps the last one as `_before`; seconds between the two, 0 where they do not compare."""
        image = frame.image
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise FrameError(f"image is {image.dtype}{list(image.shape)}: (height, width, 3) uint8 BGR is wanted")
        height, width = image.shape[:2]
        stamp_ns, self._stamp_ns = self._stamp_ns, frame.stamp_ns
        if (height, width) != self._size:
            self.reset()
            self._stamp_ns, stamp_ns = frame.stamp_ns, None
            self._size = (height, width)
            self._cell = max(1, min(round(width / WORK_WIDTH), height))
            shape = (height // self._cell, width // self._cell, 3)
            self._small, self._before = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self._small, self._before = self._before, self._small
        rows, columns = self._small.shape[:2]
        # Linear sampling reads the middle of each cell alone: a quarter of the time that averaging all of it takes.
        whole = image[: rows * self._cell, : columns * self._cell]
        cv2.resize(whole, (columns, rows), dst=self._small, interpolation=cv2.INTER_LINEAR)
        elapsed_s = 0.0 if stamp_ns is None else (frame.stamp_ns - stamp_ns) * 1e-9
        if stamp_ns is not None and not 0.0 <= elapsed_s <= LONGEST_STEP_S:
            self._swapped = False  # what happened in between is not known
            return 0.0
        return elapsed_s

    def _is_frozen(self, frame: Frame) -> bool:
        if _moving(frame):
            return self._repeats > 0 and self._same_s >= self.config.frozen_moving_s
        return 0.0 < self.config.frozen_rest_s <= self._same_s

    def _cover(self, gray: NDArray[np.uint8]) -> str:
        """Something dark and out of focus over a part of the lens, or texture that went away in one moment."""
        if min(gray.shape) < max(GRID):
            return ""
        mean, std = blocks(gray)
        flat = np.count_nonzero(std < TEXTURE_STD) / std.size
        usual = flat if self._usual_flat is None else self._usual_flat
        if flat - usual >= TEXTURE_LOST:
            return "covered (a large part of the picture lost its texture)"
        self._usual_flat = usual + TEXTURE_MEMORY * (flat - usual)
        dark = np.count_nonzero((mean < DARK_BLOCK) & (std < FLAT_BLOCK_STD)) / std.size
        return "covered (a large part of the picture is dark and without texture)" if dark >= COVERED_SHARE else ""


def _moving(frame: Frame) -> bool:
    return frame.odometry is not None and frame.odometry.speed > MOVING_MPS


def exposure(gray: NDArray[np.uint8]) -> str:
    """Black, white, one colour, under- or over-exposed; gray (h, w)."""
    ((mean,),), ((std,),) = cv2.meanStdDev(gray)
    # A picture of the world is neither dark nor light enough on average for any of these: nothing has to be counted.
    if mean <= _MOST_DIM:
        if _share_below(gray, BLACK_BELOW + 1) >= ALL:
            return "black"
        if _share_below(gray, DIM_BELOW + 1) >= DIM_SHARE:
            return "underexposed"
    if mean >= _LEAST_CLIPPED:
        if 1.0 - _share_below(gray, LIGHT_ABOVE) >= ALL:
            return "white"
        if 1.0 - _share_below(gray, CLIPPED_ABOVE) >= CLIPPED_SHARE:
            return "overexposed"
    return "covered (one colour without texture)" if std < PLAIN_STD else ""


_MOST_DIM = DIM_SHARE * DIM_BELOW + (1.0 - DIM_SHARE) * 255.0
_LEAST_CLIPPED = CLIPPED_SHARE * CLIPPED_ABOVE
"""Means of the lightest picture that is underexposed and of the darkest that is overexposed; black and white ones lie
beyond."""


def _share_below(gray: NDArray[np.uint8], level: int) -> float:
    """Share of the pixels; four counts of bytes are cheaper than one histogram."""
    return np.count_nonzero(gray < level) / gray.size


def blocks(gray: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the blocks of a GRID over gray (h, w)."""
    rows, columns = GRID
    high, wide = gray.shape[0] // rows, gray.shape[1] // columns
    cut = gray[: rows * high, : columns * wide].astype(np.float32)
    first = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float64)
    second = cv2.resize(cut * cut, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float64)
    return first, np.sqrt(np.maximum(second - first * first, 0.0))


def roughness(pixels: NDArray[np.uint8], along_rows: bool) -> tuple[float, float]:
    """Mean square of the second difference, and of the difference at distance 4, along the rows or down the columns."""

    def apart(values: NDArray[Any], distance: int) -> tuple[NDArray[Any], NDArray[Any]]:
        if along_rows:
            return values[:, distance:], values[:, :-distance]
        return values[distance:], values[:-distance]

    # OpenCV subtracts bytes: exact, and three times as fast as numpy's floats.
    first = np.asarray(cv2.subtract(*apart(pixels, 1), dtype=cv2.CV_16S))
    return _mean_square(*apart(first, 1)), _mean_square(*apart(pixels, 4))


def _mean_square(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(cv2.norm(a, b, cv2.NORM_L2SQR)) / a.size


def blur(gray: NDArray[np.uint8]) -> str:
    """Sharp edges and soft ones rise equally over 4 pixels, but only sharp ones do so in one."""
    if min(gray.shape) < 8:
        return ""
    # Every second row and every second column are enough of a sample.
    along, down = roughness(gray[::2], True), roughness(np.ascontiguousarray(gray[:, ::2]), False)
    return "blurred" if along[0] + down[0] < SHARP_BELOW * (along[1] + down[1] + 1.0) else ""


def noise(image: NDArray[np.uint8], cell: int) -> str:
    """Looks along some rows of the full image (H, W, 3): averaging would hide it."""
    rows = np.ascontiguousarray(image[cell // 2 :: 4 * cell, :, 1])
    if min(rows.shape) < 5:
        return ""
    near, far = roughness(rows, True)
    return "noise" if near > NOISE_ENERGY and near > NOISE_ABOVE * far else ""


class Tint:
    """Blue less red of a picture (h, w, 3), every fourth pixel each way."""

    def __init__(self, small: NDArray[np.uint8]) -> None:
        pixels = small[::4, ::4]
        self._away, self._size = _from_mean(np.subtract(pixels[..., 0], pixels[..., 2], dtype=np.float32))
        self._green = pixels[..., 1].copy()  # the picture's buffer is filled again

    def turned_from(self, before: Tint) -> bool:
        """Blue and red have changed places since a picture of the same shape, while green did not."""
        scale = self._size * before._size
        if scale == 0.0 or float(np.vdot(self._away, before._away)) > SWAPPED_BELOW * scale:
            return False
        if min(self._size, before._size) < COLOUR_STD * math.sqrt(self._away.size):
            return False
        (green, size), (other, size_before) = _from_mean(self._green), _from_mean(before._green)
        return float(np.vdot(green, other)) >= SWAPPED_GREEN * size * size_before > 0.0


def _from_mean(values: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """How far each is from their mean, and the length of that as one vector."""
    away = values - np.float32(np.add.reduce(values, None, dtype=np.float64) / values.size)
    return away, math.sqrt(float(np.vdot(away, away)))
