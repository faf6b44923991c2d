"""Head pose: one pass of the network over the whole frame, every head with box, score, rotation and expected error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headway.arrays import every, finite
from headway.config import Config, parameter
from headway.errors import ModelError
from headway.geometry import Array, on_image_plane, ray_basis
from headway.runtime.model import Model
from headway.stages.head_columns import SMALLEST_SIGMA_DEG, columns_of
from headway.stages.letterbox import ImageInput
from headway.stages.nms import suppress, without_nested, without_see_through
from headway.stages.shrink import Shrinker
from headway.types import Camera, Frame, Heads

TASK = "head-pose"

ATTENTION_DEG = 15.0
"""A head within this angle of the lens looks at the camera: eyes turn about that far before the head follows."""

SIGMA_TO_AXIS = float(np.sqrt(np.pi / 8.0))
"""Expected angle of a rotation error with three equal normal components -> standard deviation of one component."""

DEFAULT_SCORE = 0.35
"""Threshold for a model whose manifest names none."""


@dataclass(frozen=True)
class HeadConfig(Config):
    """What is reported."""

    score_threshold: float = parameter(
        0.0,
        "heads below this score are not reported; 0 takes the model's own (best F1.5 on its validation set)",
        0.0,
        1.0,
    )
    nms_iou: float = parameter(
        0.45, "of two boxes that overlap more than this, the lower score goes (DirectMHP's demo value)", 0.0, 1.0
    )
    minimum_px: float = parameter(
        3.0, "heads narrower or lower than this in the source image are not reported", 0.0, 1000.0
    )


class HeadStage:
    """Frame -> Heads. Works on any `head-pose` model folder; the input size comes from its manifest."""

    def __init__(self, model: Model, config: HeadConfig | None = None) -> None:
        import scipy.special  # noqa: F401 - half a second that belongs to configure, not to a node's start or first frame

        self.model, self.config = model, config or HeadConfig()
        spec, output = model.manifest.inputs.get("image"), model.manifest.outputs.get("candidates")
        if spec is None or output is None:
            raise ModelError(f"model '{model.name}' is no head-pose model: image -> candidates is wanted")
        try:
            self._input, self._columns = ImageInput(spec), columns_of(output, model.manifest.config)
        except ModelError as error:
            raise ModelError(f"model '{model.name}' is no head-pose model: {error}") from None
        self.score_threshold = self.config.score_threshold or model_threshold(model)
        self._nested_from_px = _number(model, "nested_from_px", 0.0, 1e5, 0.0)

    def __call__(self, frame: Frame) -> Heads:
        """Heads of one frame, best score first. Raises FrameError for an image that is none, EngineError for NaN."""
        return self.decode(self.candidates(frame), frame)

    def candidates(self, frame: Frame) -> Array:
        """The network's rows (K, C) for one frame, best score first; the engine may reuse them."""
        return self.model.infer({"image": self._input(frame.image)})["candidates"][0]

    def decode(
        self, rows: Array, frame: Frame, score_threshold: float | None = None, nms_iou: float | None = None
    ) -> Heads:
        """Candidates of the last frame -> heads, at the configuration's thresholds or at those given.

        With `nms_iou` given, suppression is plain, as published; else parts of large heads go too, and large boxes
        with somebody in the middle of them, where the model's manifest says from which size on (`nested_from_px`).
        """
        columns, config = self._columns, self.config
        # Rows come sorted by score: everything below the threshold is cut off before anything is computed.
        threshold = self.score_threshold if score_threshold is None else score_threshold
        rows = rows[: int(np.count_nonzero(columns.scores(rows) >= threshold))]
        inside = columns.boxes(rows)
        kept = suppress(inside, config.nms_iou if nms_iou is None else nms_iou)
        if self._nested_from_px and nms_iou is None:
            for without in (without_nested, without_see_through):
                kept = kept.take(without(inside.take(kept, 0), self._nested_from_px))
        rows, boxes = rows.take(kept, 0), self._input.letterbox.boxes_to_source(inside.take(kept, 0))
        large = boxes[:, 2:] - boxes[:, :2] >= max(config.minimum_px, 1e-3)
        if not every(large):
            wanted = large.all(axis=1)
            rows, boxes = rows[wanted], boxes[wanted]
        if not len(rows):
            return Heads.empty()
        rotation, sigma_deg = columns.poses(rows)
        from_ray, rotation = _both_frames(rotation, boxes, frame, columns.ray_relative)
        attention = attention_probability(from_ray, sigma_deg)
        return Heads(boxes.astype(np.float32), columns.scores(rows).copy(), rotation, sigma_deg, attention)

    @property
    def shrinker(self) -> Shrinker:
        """What halves the images."""
        return self._input.letterbox.shrinker

    @property
    def ray_relative(self) -> bool:
        """Whether the network's rotations are relative to the viewing ray; else they are in camera axes."""
        return self._columns.ray_relative

    def to_ray(self, heads: Heads, frame: Frame) -> Heads:
        """The same heads with rotations relative to the viewing ray, where the frame has intrinsics."""
        if frame.camera is None or not len(heads):
            return heads
        basis = _basis_at(heads.boxes, frame.camera, *frame.image.shape[:2])
        return replace(heads, rotation=np.swapaxes(basis, 1, 2) @ heads.rotation)


def model_threshold(model: Model) -> float:
    """The score threshold that the model's manifest names."""
    value = _number(model, "score_threshold", 0.0, 1.0, DEFAULT_SCORE)
    if value <= 0.0:
        raise ModelError(f"model '{model.name}': config.score_threshold is {value!r}, a number above 0 is wanted")
    return value


def _number(model: Model, key: str, least: float, most: float, otherwise: float) -> float:
    """From the configuration in the model's manifest."""
    value = model.manifest.config.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ModelError(
            f"model '{model.name}': config.{key} is {value!r}, a number within {least:g}..{most:g} is wanted"
        )
    return float(value)


def attention_probability(rotation: Array, sigma_deg: Array) -> Array:
    """Probability (N,) that each head looks at the camera, from ray-relative rotations (N, 3, 3) and sigma_deg (N,)."""
    cosine = np.minimum(np.maximum(np.asarray(rotation, float)[:, 2, 2], -1.0), 1.0)
    return looking_probability(np.degrees(np.arccos(cosine)), sigma_deg)


def looking_probability(angle_deg: Array, sigma_deg: Array) -> Array:
    """Probability (N,) that a head whose gaze is `angle_deg` (N,) off the direction to the lens looks at the camera.

    Of the rotation error's three components, each normal with s = sigma_deg · sqrt(π/8), two turn the gaze: so its true
    offset is a Rice variable and P(offset < 15°) = F(15² / s²), F the noncentral chi-square law of 2 degrees of freedom
    with noncentrality a² / s², a the angle.
    """
    from scipy.special import chndtr

    angle = np.asarray(angle_deg, float)
    s = np.maximum(np.asarray(sigma_deg, float), SMALLEST_SIGMA_DEG) * SIGMA_TO_AXIS
    probability = chndtr((ATTENTION_DEG / s) ** 2, 2.0, (angle / s) ** 2)
    if finite(probability):
        return np.minimum(np.maximum(probability, 0.0), 1.0)
    # Far out in the tail the series gives up with NaN; there the answer is 0 or 1 to machine precision.
    return np.where(np.isfinite(probability), probability, (angle < ATTENTION_DEG).astype(float)).clip(0.0, 1.0)


def _both_frames(rotation: Array, boxes: Array, frame: Frame, ray_relative: bool) -> tuple[Array, Array]:
    """The rotations relative to the ray, and in camera axes. Without intrinsics the two are taken to be the same."""
    if frame.camera is None:
        return rotation, rotation
    height, width = frame.image.shape[:2]
    basis = _basis_at(boxes, frame.camera, height, width)
    return (rotation, basis @ rotation) if ray_relative else (basis.swapaxes(1, 2) @ rotation, rotation)


def _basis_at(boxes: Array, camera: Camera, height: int, width: int) -> Array:
    """(N, 3, 3) ray bases at the box centres; the intrinsics may be for another size of the same picture."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    if (camera.width, camera.height) != (width, height):
        scale = [camera.width / width if camera.width else 1.0, camera.height / height if camera.height else 1.0]
        centre = centre * scale
    return ray_basis(on_image_plane(centre, camera))
