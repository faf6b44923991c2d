"""Fits an image of any size into the network's input, and takes boxes back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import FrameError, ModelError
from headway.geometry import Array
from headway.runtime.manifest import TensorSpec
from headway.stages.shrink import Shrinker

GREY = 114
"""Padding colour, the one the networks were trained with (the YOLO family's value)."""

AREA_BELOW = 0.6
"""Shrinking by more than this averages the pixels (INTER_AREA): linear sampling would alias small heads."""
HALVED_FROM = 0.5
"""To this scale and below, images are halved first and sampled linearly from there, as the training pictures are: of
a 1280x720 image that takes 0.4 ms where INTER_AREA in one go takes 3."""


class Letterbox:
    """Scales, centres and pads with grey. Owns one buffer, made once; each call writes over the last one's result."""

    def __init__(self, height: int, width: int, area_below: float = AREA_BELOW) -> None:
        self.height, self.width = height, width
        self._area_below = area_below
        self._buffer = np.full((1, height, width, 3), GREY, np.uint8)
        self._source = (0, 0)
        self._place = (0, 0, width, height)
        self._scale = np.ones(2)
        self._corner, self._scales, self._most = np.zeros(4), np.ones(4), np.zeros(4)  # of boxes
        self.shrinker = Shrinker()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 -> (1, H, W, 3) uint8: a view on the buffer, valid until the next call."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise FrameError(f"image is {image.dtype}{list(image.shape)}: (height, width, 3) uint8 BGR is wanted")
        if image.shape[:2] != self._source:
            self._fit(image.shape[0], image.shape[1])
        x, y, w, h = self._place
        inside = self._buffer[0, y : y + h, x : x + w]
        if (h, w) == image.shape[:2]:
            inside[...] = image
        else:
            # Networks that want every shrunk image averaged (area_below 1) get what they were evaluated with.
            if max(self._scale) <= HALVED_FROM and self._area_below < 1.0:
                image = self.shrinker.halve(image, h, w)
            area = min(h / image.shape[0], w / image.shape[1]) < self._area_below
            cv2.resize(image, (w, h), dst=inside, interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
        return self._buffer

    def boxes_to_source(self, boxes: Array) -> Array:
        """(N, 4) xyxy pixels of the network's input -> (N, 4) xyxy pixels of the last image, clipped to it."""
        found = np.asarray(boxes, float).reshape(-1, 4) - self._corner
        found /= self._scales
        return np.minimum(np.maximum(found, 0.0), self._most)

    def _fit(self, height: int, width: int) -> None:
        scale = min(self.width / width, self.height / height)
        # An extreme aspect ratio still has one pixel across, so the two axes may scale differently.
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        self._source = (height, width)
        self._place = ((self.width - w) // 2, (self.height - h) // 2, w, h)
        self._scale = np.array([w / width, h / height])
        self._corner = np.tile(np.array(self._place[:2], float), 2)
        self._scales, self._most = np.tile(self._scale, 2), np.tile(np.array([width, height], float), 2)
        self._buffer.fill(GREY)


class ImageInput:
    """A frame's image as the network wants it: letterboxed, in the layout, colour order and scale of its manifest.

    Owns its buffers, made once; each call writes over the last one's result. `letterbox` takes boxes back.
    """

    def __init__(self, spec: TensorSpec) -> None:
        """Raises ModelError where the manifest's input is no image of one of the two forms."""
        shape, own = spec.shape, (spec.dtype, spec.layout, spec.color) == ("uint8", "NHWC", "BGR")
        planes = (spec.dtype, spec.layout) == ("float32", "NCHW") and spec.color in ("RGB", "BGR")
        if len(shape) != 4 or shape[0] != 1 or not (own or planes) or shape[3 if own else 1] != 3:
            raise ModelError(
                f"input is {spec.dtype}{list(shape)} {spec.layout} {spec.color}: uint8 (1, H, W, 3) NHWC BGR "
                "or float32 (1, 3, H, W) NCHW is wanted"
            )
        height, width = (shape[1], shape[2]) if own else (shape[2], shape[3])
        # The published networks were evaluated with averaged pixels wherever a picture shrinks.
        self.letterbox = Letterbox(height, width, AREA_BELOW if own else 1.0)
        self._planes = None if own else np.empty(shape, np.float32)
        self._flip, self._scale = spec.color == "RGB", np.float32(spec.scale)

    def __call__(self, image: NDArray[np.uint8]) -> np.ndarray:
        """(h, w, 3) uint8 BGR -> the network's input, valid until the next call."""
        boxed = self.letterbox(image)
        if self._planes is None:
            return boxed
        np.multiply((boxed[..., ::-1] if self._flip else boxed).transpose(0, 3, 1, 2), self._scale, out=self._planes)
        return self._planes
