"""What the gate lets a vehicle do: fixed limits, each with its source, and what they come to for this vehicle.

Signs: steering -1..1, + left. Speeds m/s, accelerations m/s², jerks m/s³.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.config import Config, parameter

COMFORT_DECELERATION = 1.0  # Autoware MRM comfortable stop
COMFORT_JERK = 0.3  # Autoware MRM comfortable stop
EMERGENCY_DECELERATION = 2.4  # Autoware vehicle_cmd_gate, emergency acceleration
EMERGENCY_JERK = ((5.0, 5.0), (20.0, 2.5))  # (speed, jerk): ISO 15622, rate of automatic braking
ACCELERATION = ((5.0, 1.0), (20.0, 0.5))  # (speed, acceleration): well inside ISO 15622, comfort of a small vehicle
JERK = 1.0  # normal driving and release of the brake: Autoware's common "normal" profile
LATERAL_ACCELERATION = 3.0  # ISO 11270, as openpilot applies it
CORNERING = 2.0  # m/s² sideways at which a bend is taken: less than allowed, so that steering can still correct
BEND_JERK = 2.5  # braking for a bend entered too fast: ISO 15622, automatic braking at its gentlest
LATERAL_JERK = 5.0  # ISO 11270, as openpilot applies it
STEERING_RATE = 2.0  # full range -1..1 in 1 s: what a hobby servo or a small steering motor follows


@dataclass(frozen=True)
class GateConfig(Config):
    """What depends on the vehicle and on where it drives. The limits themselves are constants of the module."""

    max_speed_mps: float = parameter(3.0, "speed at full throttle, metres per second", 0.1, 30.0)
    unknown_speed_mps: float = parameter(1.5, "highest speed without usable odometry, metres per second", 0.0, 30.0)
    caution_speed_mps: float = parameter(
        1.0, "highest speed near people (NOTICE), while pedestrians are unsure, and in HANDOVER", 0.0, 30.0
    )
    wheelbase_m: float = parameter(0.5, "distance between the axles, metres", 0.05, 10.0)
    max_steering_deg: float = parameter(25.0, "wheel angle at steering 1, degrees", 1.0, 60.0)
    alert_hold_s: float = parameter(1.0, "seconds that braking goes on after the last ALERT", 0.0, 10.0)


def interpolated(table: tuple[tuple[float, float], tuple[float, float]], speed: float) -> float:
    """The value at `speed` between two (speed, value) points, constant outside them."""
    (v0, low), (v1, high) = table
    return low + (high - low) * min(max((speed - v0) / (v1 - v0), 0.0), 1.0)


def steering_limit(speed: float, config: GateConfig) -> float:
    """Largest |steering| at `speed` whose lateral acceleration v² tan(wheel angle) / wheelbase is allowed."""
    if speed * speed * curvature(1.0, config) <= LATERAL_ACCELERATION:
        return 1.0
    angle = math.atan(LATERAL_ACCELERATION * config.wheelbase_m / (speed * speed))
    return math.degrees(angle) / config.max_steering_deg


def curvature(steering: float, config: GateConfig) -> float:
    """1/m, + left, of the path that a steering of -1..1 makes a slow vehicle take (kinematic bicycle)."""
    return math.tan(steering * math.radians(config.max_steering_deg)) / config.wheelbase_m


def cornering_speed(steering: float, config: GateConfig) -> float:
    """Highest speed for a steering: what keeps the lateral acceleration at CORNERING. Faster, the steering would be cut
    to its limit and the vehicle would run wide."""
    return math.sqrt(CORNERING / max(abs(curvature(steering, config)), 1e-9))


def steering_rate_limit(speed: float, config: GateConfig) -> float:
    """Largest change of steering per second away from straight: the servo's, or what keeps the lateral jerk allowed."""
    # Curvature grows fastest with the wheel angle at full lock: 1/cos² there bounds the jerk for every angle.
    full = math.radians(config.max_steering_deg)
    slope = full / math.cos(full) ** 2 / config.wheelbase_m
    return min(STEERING_RATE, LATERAL_JERK / max(speed * speed * slope, 1e-9))
