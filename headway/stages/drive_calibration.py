"""What a driving model was calibrated with, read from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import ModelError

Array = NDArray[np.floating]

OPTIONAL = ("bend_doubt", "slow_doubt", "full_speed_mps")
"""Numbers that older models lack: zero there."""
LOWEST: Mapping[str, float] = {
    "confidence_intercept": -np.inf,
    "confidence_slope": -np.inf,
    **dict.fromkeys(OPTIONAL, 0.0),
}
"""Of the numbers of a calibration those that may be zero or less."""


@dataclass(frozen=True)
class DriveCalibration:
    """Numbers found on the calibration blocks, read from the manifest's `config`. Widths are half-widths of steering.

    temperature: divides the bin logits. regression_sigma: error of the regression head. conformal_scale: half-width
    per unit of spread at level `nominal`. confidence = sigmoid(intercept - slope * log(spread)), the probability that
    |error| <= small_error. novelty_limit: images above are unfamiliar. slow_width, recover_width, handover_width: see
    `Behaviour`. bend_doubt: the spread grows by this share per unit of |steering|. slow_doubt: and by this share per
    unit of |steering| and of the speed that is lacking, see `lacking`. full_speed_mps: of throttle 1 where it learned.
    """

    temperature: float
    regression_sigma: float
    conformal_scale: float
    nominal: float
    confidence_intercept: float
    confidence_slope: float
    small_error: float
    novelty_limit: float
    slow_width: float
    recover_width: float
    handover_width: float
    bend_doubt: float = 0.0
    slow_doubt: float = 0.0
    full_speed_mps: float = 0.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any], name: str = "driving") -> DriveCalibration:
        """Reads the manifest's `config`; raises ModelError naming what is missing or not a positive finite number."""
        values = {}
        for field in fields(cls):
            value: Any = config.get(field.name, 0.0 if field.name in OPTIONAL else None)
            lowest = LOWEST.get(field.name, float(np.nextafter(0.0, 1.0)))
            if not isinstance(value, (int, float)) or not np.isfinite(value) or value < lowest:
                raise ModelError(
                    f"model '{name}': manifest config.{field.name} is {value!r}, a positive number is wanted"
                )
            values[field.name] = float(value)
        calibration = cls(**values)
        if not calibration.slow_width <= calibration.recover_width < calibration.handover_width:
            raise ModelError(f"model '{name}': slow_width <= recover_width < handover_width does not hold")
        if calibration.slow_doubt > 0.0 and calibration.full_speed_mps == 0.0:
            raise ModelError(f"model '{name}': manifest config.slow_doubt needs config.full_speed_mps")
        return calibration

    def slow_factor(self, steering: Array, throttle: Array, speed_mps: Array) -> Array:
        """By how much the spread is wider since the vehicle is slower than the network takes it to be."""
        if self.slow_doubt == 0.0:
            return np.ones(np.shape(steering))
        share = self.slow_doubt * lacking(throttle, speed_mps, self.full_speed_mps)
        return 1.0 + share * np.abs(steering) / (1.0 + self.bend_doubt * np.abs(steering))


def lacking(throttle: Array, speed_mps: Array, full_speed_mps: float) -> Array:
    """0..1: how far the speed lies below what the throttle asks for, as a share of the full speed. One image does not
    show the speed, and the slower a vehicle is, the harder it must steer back to its lane. NaN, a speed that nobody
    knows, counts as standing."""
    known = np.where(np.isfinite(speed_mps), speed_mps, 0.0)
    asked = np.minimum(np.maximum(throttle, 0.0), 1.0)
    return np.minimum(np.maximum(asked - known / max(full_speed_mps, 1e-9), 0.0), 1.0)
