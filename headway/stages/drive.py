"""Driving: image -> steering with an interval, a calibrated confidence, and the behaviour that follows from them.

The network gives a regressed steering, throttle and brake, logits over 11 steering bins and a novelty: how far the
image's features lie from those of the training images. Everything else happens here, deterministically:

1. the bins are cooled by the calibrated temperature; their mean and variance over the bin centres are a second
   opinion, fused with the regression by precision (the inverse variance of each);
2. the spread (bins' variance plus disagreement of the two, more of it the harder the steering: hard bends are rare in
   any training set; and more where the vehicle is slow: the image does not show it) scales a conformal half-width and
   the confidence;
3. an unfamiliar image (novelty above its calibrated limit) widens the interval and takes the confidence away;
4. `Behaviour` turns the half-width into speed, hand-over and stop, with hysteresis. What is doubted for slowness alone
   does not count there: a vehicle would slow down for being slow.

All numbers come from the manifest (`DriveCalibration`), where calibration frames put them: see models/driving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headway.config import Config, parameter
from headway.errors import FrameError
from headway.runtime.model import Model
from headway.stages.drive_calibration import DriveCalibration
from headway.stages.freshness import measured_speed
from headway.stages.shrink import Shrinker
from headway.types import DriveState, Frame, Steering

Array = NDArray[np.floating]

BINS = 11
BIN_WIDTH = 2.0 / BINS
BIN_CENTRES: Array = (2.0 * np.arange(BINS) + 1.0) / BINS - 1.0
WITHIN_BIN_VARIANCE = BIN_WIDTH**2 / 12.0
"""A bin says no more than "somewhere in here": the variance of a uniform draw from it is the floor of the spread."""
BLIND_HALF_WIDTH = 1.0
"""Half-width for an image unlike anything seen: the interval covers all of -1..1 whatever the network says."""
UNFAMILIAR_AT = 1.5
"""Multiple of the novelty limit from which an image is taken as one of a kind never seen."""
LOWEST_THROTTLE_SHARE = 0.3
"""Share of the network's throttle that is left at `handover_width`: slow enough to give a person time."""
FROZEN_AFTER_S = 0.5
FROZEN_ABOVE_MPS = 0.3
"""The same pixels for this long, while odometry says that the vehicle moves faster than this: the camera is frozen.
No camera gives the same pixels twice from another place; at rest, or without odometry, nothing is concluded."""
LONGEST_STEP_S = 0.5
"""A longer gap between two frames counts as this much when waiting times are added up (the gate's heartbeat)."""


class Said(NamedTuple):
    """What the network says of one image: regressed steering -1..1, throttle and brake 0..1, (11,) logits of the bins,
    novelty (about 1 on images like the training images)."""

    steering: float
    throttle: float
    brake: float
    logits: Array
    novelty: float


@dataclass(frozen=True)
class Belief:
    """What the two heads say together; arrays of one shape (...,). steering and spread in units of steering."""

    steering: Array
    spread: Array


def bin_of(steering: Array) -> NDArray[np.int64]:
    """Index 0..10 of the bin that holds each steering value; bin_of(-s) == 10 - bin_of(s) away from bin edges."""
    return np.clip(np.floor((np.asarray(steering, float) + 1.0) / BIN_WIDTH), 0, BINS - 1).astype(np.int64)


def bin_probability(logits: Array, temperature: float) -> Array:
    """Softmax of (..., 11) logits at a temperature, in float64."""
    z = np.asarray(logits, np.float64) / temperature
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def fuse(
    regression: Array, logits: Array, temperature: float, regression_sigma: float, bend_doubt: float = 0.0
) -> Belief:
    """Precision-weighted mean of the regression (...,) and the bins' expectation (..., 11 logits); nothing is drawn.

    The spread is not the fused variance: the heads share a backbone, so their errors are not independent. It is the
    bins' own variance plus the squared disagreement, which grows when either head doubts; times 1 + bend_doubt
    |steering|.
    """
    regression = np.minimum(np.maximum(np.asarray(regression, np.float64), -1.0), 1.0)
    p = bin_probability(logits, temperature)
    expectation = p @ BIN_CENTRES
    variance = (p * (BIN_CENTRES - expectation[..., None]) ** 2).sum(-1) + WITHIN_BIN_VARIANCE
    weight = variance / (variance + regression_sigma**2)  # precision of the regression over the sum of both
    steering = weight * regression + (1.0 - weight) * expectation
    spread = np.sqrt(variance + (regression - expectation) ** 2) * (1.0 + bend_doubt * np.abs(steering))
    return Belief(steering, spread)


def confidence_of(spread: Array, intercept: float, slope: float) -> Array:
    """Calibrated probability that the steering error is small."""
    return 1.0 / (1.0 + np.exp(-(intercept - slope * np.log(spread))))


def familiarity(novelty: Array, limit: float) -> Array:
    """1 up to the limit, falling to 0 at UNFAMILIAR_AT times the limit."""
    share = (UNFAMILIAR_AT - np.asarray(novelty, np.float64) / limit) / (UNFAMILIAR_AT - 1.0)
    return np.minimum(np.maximum(share, 0.0), 1.0)


def widened(half_width: float, familiar: float) -> float:
    """For what the image is: as it was where it is familiar, up to all of -1..1 where it is not."""
    return max(half_width, familiar * half_width + (1.0 - familiar) * 2.0 * BLIND_HALF_WIDTH)


@dataclass(frozen=True)
class DriveConfig(Config):
    """How long doubt may last; how wide is wide comes from the model's calibration."""

    handover_after_s: float = parameter(0.5, "seconds of wide interval until a person is asked to take over", 0.0, 10.0)
    stop_after_s: float = parameter(2.0, "seconds of unanswered hand-over until the vehicle is stopped", 0.0, 30.0)
    recover_after_s: float = parameter(1.0, "seconds of narrow interval until driving goes on", 0.0, 30.0)


class Behaviour:
    """Interval half-width and time -> state and throttle share, with hysteresis.

    Doubt begins at `handover_width` and ends only below `recover_width`; hand-over and stop need doubt that lasts, and
    leaving them needs calm that lasts. Between `slow_width` and `handover_width` the throttle falls linearly.
    """

    def __init__(self, calibration: DriveCalibration, config: DriveConfig) -> None:
        self._calibration, self._config = calibration, config
        self.reset()

    def reset(self) -> None:
        """As on the first frame."""
        self._in_doubt = False
        self._doubt_s = 0.0
        self._calm_s = 0.0
        self._asked = DriveState.DRIVE

    def step(self, half_width: float, dt_s: float) -> tuple[DriveState, float]:
        """State and share 0..1 of the throttle after `dt_s` more seconds at this half-width."""
        c, config = self._calibration, self._config
        if half_width >= c.handover_width:
            self._in_doubt = True
        elif half_width <= c.recover_width:
            self._in_doubt = False
        self._doubt_s = self._doubt_s + dt_s if self._in_doubt else 0.0
        self._calm_s = 0.0 if self._in_doubt else self._calm_s + dt_s
        if self._in_doubt and self._doubt_s >= config.handover_after_s + config.stop_after_s:
            self._asked = DriveState.STOP
        elif self._in_doubt and self._doubt_s >= config.handover_after_s:
            self._asked = max(self._asked, DriveState.HANDOVER)
        elif not self._in_doubt and self._calm_s >= config.recover_after_s:
            self._asked = DriveState.DRIVE
        slope = (half_width - c.slow_width) / (c.handover_width - c.slow_width)
        share = 1.0 - (1.0 - LOWEST_THROTTLE_SHARE) * min(max(slope, 0.0), 1.0)
        if self._asked == DriveState.STOP:
            return DriveState.STOP, 0.0
        if self._asked == DriveState.HANDOVER:
            return DriveState.HANDOVER, LOWEST_THROTTLE_SHARE
        return (DriveState.SLOW if half_width > c.slow_width else DriveState.DRIVE), share


class DriveStage:
    """Runs the driving network on a frame. Holds the behaviour's state; one instance per camera."""

    def __init__(self, model: Model, config: DriveConfig | None = None) -> None:
        spec = model.manifest.inputs["image"]
        self.calibration = DriveCalibration.from_config(model.manifest.config, model.name)
        self._model = model
        self._steering = model.manifest.outputs["controls"].column("steering")
        self._throttle = model.manifest.outputs["controls"].column("throttle")
        # Networks made before there was one, and those whose recordings have none, say nothing of the brake.
        has_brake = "brake" in model.manifest.outputs["controls"].columns
        self._brake = model.manifest.outputs["controls"].column("brake") if has_brake else None
        self._has_novelty = "novelty" in model.manifest.outputs
        self._height, self._width = spec.shape[1:3]
        self._input = np.zeros(spec.shape, np.uint8)
        self._before = np.zeros(spec.shape, np.uint8)
        self.shrinker = Shrinker()
        self._behaviour = Behaviour(self.calibration, config or DriveConfig())
        self._stamp_ns: int | None = None
        self._frozen_s = 0.0

    def reset(self) -> None:
        """Forgets doubt and time, as after a seek in a bag."""
        self._behaviour.reset()
        self._stamp_ns = None
        self._frozen_s = 0.0

    def infer(self, image: NDArray[np.uint8]) -> Said:
        """What the network says of an (H, W, 3) uint8 BGR image; no state is touched."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise FrameError(f"driving needs an (H, W, 3) uint8 image, got {image.dtype}{list(image.shape)}")
        if image.shape[:2] == (self._height, self._width):
            self._input[0] = image
        else:
            self.shrinker.average(image, self._input[0])
        out = self._model.infer({"image": self._input})
        controls = out["controls"][0]
        novelty = float(out["novelty"][0, 0]) if self._has_novelty else 0.0
        brake = 0.0 if self._brake is None else float(controls[self._brake][0])
        return Said(
            float(controls[self._steering][0]), float(controls[self._throttle][0]), brake, out["bin_logits"][0], novelty
        )

    def __call__(self, frame: Frame) -> Steering:
        """Steering for one frame; raises FrameError for an image that cannot be used."""
        c = self.calibration
        said = self.infer(frame.image)
        belief = fuse(np.asarray(said.steering), said.logits, c.temperature, c.regression_sigma, c.bend_doubt)
        elapsed_s = self._elapsed_s(frame.stamp_ns)
        frozen = self._is_frozen(frame, elapsed_s)
        familiar = 0.0 if frozen else float(familiarity(np.asarray(said.novelty), c.novelty_limit))
        speed = measured_speed(frame.odometry, frame.stamp_ns)
        slow = c.slow_factor(belief.steering, np.asarray(said.throttle), np.asarray(np.nan if speed is None else speed))
        spread, steering = belief.spread * slow, float(belief.steering)
        half_width = widened(c.conformal_scale * float(spread), familiar)
        confidence = familiar * float(confidence_of(spread, c.confidence_intercept, c.confidence_slope))
        state, share = self._behaviour.step(widened(c.conformal_scale * float(belief.spread), familiar), elapsed_s)
        return Steering(
            steering=steering,
            throttle=min(max(said.throttle, 0.0), 1.0) * share,
            interval=(max(-1.0, steering - half_width), min(1.0, steering + half_width)),
            confidence=confidence,
            state=state,
            reason=_reason(state, half_width, familiar, frozen),
            brake=min(max(said.brake, 0.0), 1.0),
        )

    def _elapsed_s(self, stamp_ns: int) -> float:
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        return 0.0 if before is None else min(max((stamp_ns - before) * 1e-9, 0.0), LONGEST_STEP_S)

    def _is_frozen(self, frame: Frame, elapsed_s: float) -> bool:
        """Compares the network's input with the one before, and keeps it."""
        moving = frame.odometry is not None and frame.odometry.speed > FROZEN_ABOVE_MPS
        same = moving and elapsed_s > 0.0 and np.array_equal(self._input, self._before)
        self._frozen_s = self._frozen_s + elapsed_s if same else 0.0
        self._input, self._before = self._before, self._input
        return self._frozen_s >= FROZEN_AFTER_S


def _reason(state: DriveState, half_width: float, familiar: float, frozen: bool) -> str:
    if state == DriveState.DRIVE and familiar >= 1.0:
        return ""
    if frozen:
        return "camera frozen while moving"
    cause = "image unlike the training images" if familiar < 1.0 else "steering is uncertain"
    return f"{cause} (interval ±{min(half_width, 2 * BLIND_HALF_WIDTH):.2f})"
