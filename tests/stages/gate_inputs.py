"""What the tests of the gate feed it, and what every command must keep to."""

from __future__ import annotations

import math

import numpy as np

from headway.stages.gate import Gate
from headway.types import DriveState, Level, Odometry, Risk, Risks, Steering


def risks_at(stamp_ns: int, level: Level) -> Risks:
    item = Risk(1, level, 1.0, 0.9, 0.3, "ahead")
    return Risks(
        stamp_ns, (item,) if level in (Level.ALERT, Level.NOTICE) else (), "x" if level == Level.UNSURE else ""
    )


def odometry_at(stamp_ns: int, speed: float | None) -> Odometry | None:
    return None if speed is None else Odometry(stamp_ns, np.array([speed, 0.0, 0.0]), 0.0)


def steady(throttle: float = 1.0, steering: float = 0.0, state: DriveState = DriveState.DRIVE) -> Steering:
    return Steering(steering, throttle, (steering - 0.1, steering + 0.1), 0.9, state)


def drive(gate: Gate, seconds: float, answer: Steering | None, start_ns: int, level: Level | None = None, hz: int = 20):
    """Calls the gate at `hz` with odometry that follows the command; yields the commands."""
    speed, commands = 0.0, []
    for i in range(int(seconds * hz)):
        stamp = start_ns + i * 10**9 // hz
        risks = None if level is None else risks_at(stamp, level)
        command = gate(stamp, answer, odometry_at(stamp, speed), risks)
        speed = command.speed_mps
        commands.append(command)
    return commands


def check_range(command) -> None:
    numbers = [command.steering, command.throttle, command.brake, command.confidence, command.speed_mps]
    assert all(math.isfinite(n) for n in [*numbers, *command.interval])
    assert -1 <= command.steering <= 1
    assert 0 <= command.throttle <= 1
    assert 0 <= command.brake <= 1
    assert 0 <= command.confidence <= 1
    assert -1 <= command.interval[0] <= command.interval[1] <= 1
    assert not (command.throttle > 0 and command.brake > 0)
