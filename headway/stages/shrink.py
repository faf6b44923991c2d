"""Makes images smaller by averaging, fast: OpenCV's mean of 2x2 pixels runs four to six times as fast as its general
INTER_AREA, and two of them in a row differ from one mean of 4x4 by one grey level of rounding at most."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Halves:
    """One image halved again and again, each half made when it is first asked for: several stages want the same ones.

    Whoever owns it says which image is looked at (`of`), anew for each frame: a camera may fill one buffer again.
    """

    def __init__(self) -> None:
        self.image: Image | None = None
        self._size = (0, 0)
        self._buffers: list[Image] = []
        self._made = 0

    def of(self, image: Image | None) -> None:
        """From now on `image` is meant; None: nothing is."""
        self.image, self._made = image, 0
        if image is not None and image.shape[:2] != self._size:
            self._size, self._buffers = image.shape[:2], []

    def again(self) -> None:
        """Makes the halves that images of this size were asked for before, while this one is still in the cache: after
        a network has run, it takes three times as long to read."""
        if self._buffers and self.image is not None:
            self._make(self.image, len(self._buffers))

    def down_to(self, image: Image, height: int, width: int) -> Image:
        """See Shrinker.halve; `image` is the one that is meant."""
        times = _halvings(image.shape[0], image.shape[1], height, width)
        self._make(image, times)
        return self._buffers[times - 1] if times else image

    def _make(self, image: Image, times: int) -> None:
        while self._made < times:
            source = self._buffers[self._made - 1] if self._made else image
            if self._made == len(self._buffers):
                self._buffers.append(np.zeros((source.shape[0] // 2, source.shape[1] // 2, 3), np.uint8))
            _halve(source, self._buffers[self._made])
            self._made += 1


class Shrinker:
    """Halves images as often as their target allows. Buffers are made once for each size of image.

    halves: those of an image at which other stages look too, where there are any.
    """

    def __init__(self) -> None:
        self.halves = Halves()
        self._own = Halves()

    def halve(self, image: Image, height: int, width: int) -> Image:
        """(h, w, 3) uint8 -> the same picture halved while both sides are even and at least twice the target's.

        The result is `image` itself or a buffer of this object or of `halves`, valid until the next call or image.
        """
        if image is self.halves.image:
            return self.halves.down_to(image, height, width)
        self._own.of(image)
        try:
            return self._own.down_to(image, height, width)
        finally:
            self._own.of(None)  # the image is not held any longer than it is looked at

    def average(self, image: Image, target: Image) -> None:
        """Fills `target` (H, W, 3) with the whole of `image` (h, w, 3), averaged; aspect ratios may differ."""
        height, width = target.shape[:2]
        image = self.halve(image, height, width)
        if image.shape == target.shape:
            target[...] = image
        else:
            cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_AREA)


def _halve(image: Image, half: Image) -> None:
    cv2.resize(image, (half.shape[1], half.shape[0]), dst=half, interpolation=cv2.INTER_AREA)


def _halvings(h: int, w: int, height: int, width: int) -> int:
    times = 0
    while h % 2 == 0 and w % 2 == 0 and h >= 2 * height and w >= 2 * width:
        h, w, times = h // 2, w // 2, times + 1
    return times
