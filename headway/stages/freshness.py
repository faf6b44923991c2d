"""How long what was said of the vehicle and of people is believed."""

from __future__ import annotations

import math

from headway.types import Level, Odometry, Risks

ODOMETRY_MAX_AGE_S = 0.5  # older odometry says nothing of the present speed
RISK_MAX_AGE_S = 0.5  # older risks say nothing of the present people


def measured_speed(odometry: Odometry | None, stamp_ns: int) -> float | None:
    """m/s at a stamp; None where odometry is missing, old or no number."""
    if odometry is None or abs(stamp_ns - odometry.stamp_ns) > ODOMETRY_MAX_AGE_S * 1e9:
        return None
    speed = math.hypot(*odometry.velocity)
    return speed if math.isfinite(speed) else None


def known_level(risks: Risks | None, stamp_ns: int) -> Level:
    """CLEAR where no trajectory stage runs; UNSURE where its last word is old."""
    if risks is None:
        return Level.CLEAR
    if abs(stamp_ns - risks.stamp_ns) > RISK_MAX_AGE_S * 1e9:
        return Level.UNSURE
    return risks.level
