"""The safety gate: the last thing before the vehicle, independent of any network.

It takes what the network wants, what the pedestrians risk and how fast the vehicle goes, and lets through only
commands within fixed limits. Whatever comes in (NaN, nothing, stamps that jump back), what goes out is finite, in
range, within the limits below, and comes to a standstill where the input stays away. Call it with every answer of the
driving stage, and from a timer (10 Hz or faster) with `steering=None` while there is none.

Signs: steering -1..1, + left. Speeds m/s, accelerations m/s², jerks m/s³. The time of a call is `stamp_ns`; a stamp
that does not advance counts as STILL_STEP_S, a gap as LONGEST_STEP_S at most: limits hold over the time so counted.
An answer may come up to a heartbeat later than a timer's call (its stamp is the image's); it is taken at once, and the
command moves with the next call. Answers themselves must come in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.config import Config, parameter
from headway.types import DriveCommand, DriveState, Level, Odometry, Risks, Steering

HEARTBEAT_S = 0.5  # no answer for this long: comfortable stop. Autoware vehicle_cmd_gate, heartbeat timeout
SILENCE_S = 2.0  # no answer for this long: emergency stop. Ours: four heartbeats, the comfortable stop is slow to bite
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
STILL_STEP_S = 0.02  # a stamp that does not advance counts as one step of a 50 Hz loop
LONGEST_STEP_S = HEARTBEAT_S  # a longer gap is silence, not time to steer in
ODOMETRY_MAX_AGE_S = 0.5  # older odometry says nothing of the present speed
RISK_MAX_AGE_S = 0.5  # older risks say nothing of the present people
LIGHTEST_BRAKE = 0.1  # a network's sigmoid never says zero: less than this is no wish to brake
COAST_DECELERATION = 0.3  # slowing less than this is done by the throttle alone
SPEED_LEAD = 1.0  # m/s that the commanded speed may run ahead of the measured one: no wind-up while the wheels are held


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


class Gate:
    """Holds the command of the moment: steering, speed and acceleration. One instance per vehicle."""

    def __init__(self, config: GateConfig | None = None) -> None:
        self.config = config or GateConfig()
        self.reset()

    def reset(self) -> None:
        """As before the first call: standing, wheels straight."""
        self._stamp_ns: int | None = None
        self._steering = 0.0
        self._speed = 0.0
        self._acceleration = 0.0
        self._silent_s = HEARTBEAT_S  # nothing was ever heard
        self._alert_s = math.inf
        self._answer: Steering | None = None
        self._answer_ns: int | None = None

    @property
    def acceleration(self) -> float:
        """Commanded acceleration, m/s², after the last call."""
        return self._acceleration

    def __call__(
        self, stamp_ns: int, steering: Steering | None, odometry: Odometry | None, risks: Risks | None
    ) -> DriveCommand:
        """The command for `stamp_ns`; never raises, never gives NaN."""
        first = self._stamp_ns is None
        dt, fresh = self._elapsed(stamp_ns, steering is not None)
        measured = measured_speed(odometry, stamp_ns)
        if first and measured is not None:
            self._speed = min(measured, self.config.max_speed_mps)  # taking over a rolling vehicle
        answer, refused = _usable(steering)
        valid = answer is not None and fresh
        if valid:
            self._answer, self._answer_ns, self._silent_s = answer, stamp_ns, 0.0
        else:
            self._silent_s += dt
            refused = refused or ("" if answer is None else "the time stamp did not advance") or "no steering"
        stop, cap, reasons = self._demands(dt, measured, risks, stamp_ns)
        if not valid:
            reasons.insert(0, f"{refused} for {self._silent_s:.1f} s" if refused == "no steering" else refused)
        if dt > 0.0:
            self._move_steering(dt, max(measured or 0.0, self._speed), stop)
        slowed = cap < self.config.max_speed_mps
        if measured is not None:
            cap = min(cap, measured + SPEED_LEAD)
        if dt > 0.0:
            self._move_speed(dt, stop, cap)
        return self._command(valid, stop, slowed, reasons)

    def halt(self, reason: str) -> DriveCommand:
        """The last command before silence, for whoever goes on obeying the last one heard: brake comfortably and hold,
        wheels as they are. The gate is then as before its first call."""
        brake = COMFORT_DECELERATION / EMERGENCY_DECELERATION if self._speed > 0.0 else 1.0
        command = DriveCommand(
            steering=self._steering,
            throttle=0.0,
            brake=brake,
            interval=(-1.0, 1.0),
            confidence=0.0,
            state=DriveState.STOP,
            speed_mps=0.0,
            reason=reason,
            valid=False,
        )
        self.reset()
        return command

    def _elapsed(self, stamp_ns: int, answered: bool) -> tuple[float, bool]:
        """Seconds that this call counts for, and whether an answer with this stamp is a fresh one."""
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        if before is None:
            return STILL_STEP_S, True
        if stamp_ns > before:
            return min((stamp_ns - before) * 1e-9, LONGEST_STEP_S), True
        late_s = (before - stamp_ns) * 1e-9
        if answered and late_s < HEARTBEAT_S and (self._answer_ns is None or stamp_ns > self._answer_ns):
            self._stamp_ns = before
            return 0.0, True
        self._answer_ns = stamp_ns
        return STILL_STEP_S, False

    def _demands(
        self, dt: float, measured: float | None, risks: Risks | None, stamp_ns: int
    ) -> tuple[str, float, list[str]]:
        """How to stop ("" | "comfortable" | "emergency"), the highest speed allowed, and why."""
        config = self.config
        stop, cap, reasons = "", config.max_speed_mps, []
        if measured is None:
            cap, reasons = min(cap, config.unknown_speed_mps), ["speed unknown"]
        state = self._answer.state if self._answer else DriveState.STOP
        if state >= DriveState.HANDOVER:
            cap = min(cap, config.caution_speed_mps)
        if self._answer is not None and self._answer.reason and self._silent_s == 0.0:
            reasons.append(self._answer.reason)
        if state == DriveState.STOP or self._silent_s >= HEARTBEAT_S:
            stop = "emergency" if self._silent_s >= SILENCE_S else "comfortable"
        limit = steering_limit(max(measured or 0.0, self._speed), config)
        if self._answer is not None and abs(self._answer.steering) > limit:
            reasons.append("too fast for the bend")
        level = _level(risks, stamp_ns)
        self._alert_s = 0.0 if level == Level.ALERT else self._alert_s + dt
        if self._alert_s <= config.alert_hold_s:
            stop = "emergency"
            reasons.insert(0, "braking for a person")
        elif level in (Level.NOTICE, Level.UNSURE):
            cap = min(cap, config.caution_speed_mps)
            reasons.append("person near" if level == Level.NOTICE else "pedestrians unsure")
        return stop, cap, reasons

    def _move_steering(self, dt: float, speed: float, stop: str) -> None:
        """Follows the wanted steering; a stop in silence keeps the last one, so that in a bend it stays in the lane."""
        wanted = self._answer.steering if self._answer else 0.0
        if stop and self._silent_s > 0.0:
            wanted = self._steering
        limit = steering_limit(speed, self.config)
        wanted = min(max(wanted, -limit), limit)
        outward = abs(wanted) > abs(self._steering) or wanted * self._steering < 0.0
        rate = steering_rate_limit(speed, self.config) if outward else STEERING_RATE
        step = min(max(wanted - self._steering, -rate * dt), rate * dt)
        self._steering = min(max(self._steering + step, -1.0), 1.0)

    def _move_speed(self, dt: float, stop: str, cap: float) -> None:
        """Follows the wanted speed below `cap`, and below what the bend allows with firmer braking: who runs wide of it
        is off the lane."""
        bend = cornering_speed(self._answer.steering, self.config) if self._answer else math.inf
        throttle = self._answer.throttle if self._answer else 0.0
        target = 0.0 if stop else min(throttle * self.config.max_speed_mps, cap, bend)
        lowest, jerk_down = -COMFORT_DECELERATION, JERK
        if self._speed > bend:
            lowest, jerk_down = -EMERGENCY_DECELERATION, BEND_JERK
        if stop == "comfortable":
            lowest, jerk_down = -COMFORT_DECELERATION, COMFORT_JERK
        elif stop == "emergency":
            lowest, jerk_down = -EMERGENCY_DECELERATION, interpolated(EMERGENCY_JERK, self._speed)
        if stop:
            wanted = lowest
        else:
            # The largest acceleration from which a jerk-limited return to zero still ends at the target.
            error = target - self._speed
            wanted = math.copysign(math.sqrt(2.0 * JERK * abs(error)), error)
            wanted = min(wanted, error / dt) if error > 0 else max(wanted, error / dt)
            brake = self._answer.brake if self._answer else 0.0
            if brake > LIGHTEST_BRAKE:
                asked = -brake * EMERGENCY_DECELERATION
                wanted, lowest = min(wanted, asked), min(lowest, asked)
        wanted = min(max(wanted, lowest), interpolated(ACCELERATION, self._speed))
        acceleration = self._acceleration
        if stop and acceleration > 0.0:
            # Taking the foot off the throttle is no braking: it goes as fast as an emergency may.
            acceleration = max(0.0, acceleration - interpolated(EMERGENCY_JERK, self._speed) * dt)
        elif acceleration > wanted:
            acceleration = max(wanted, acceleration - jerk_down * dt)
        else:
            acceleration = min(wanted, acceleration + JERK * dt)
        speed = self._speed + acceleration * dt
        if speed <= 0.0:
            speed, acceleration = 0.0, 0.0
        if speed > self.config.max_speed_mps:
            speed, acceleration = self.config.max_speed_mps, 0.0
        self._speed, self._acceleration = speed, acceleration

    def _command(self, valid: bool, stop: str, slowed: bool, reasons: list[str]) -> DriveCommand:
        answer, config = self._answer, self.config
        throttle, brake = self._speed / config.max_speed_mps, 0.0
        if self._acceleration < -COAST_DECELERATION:
            throttle, brake = 0.0, -self._acceleration / EMERGENCY_DECELERATION
        if stop and self._speed == 0.0:
            throttle, brake = 0.0, 1.0  # hold
        state = answer.state if answer else DriveState.STOP
        if stop:
            state = DriveState.STOP
        elif state == DriveState.DRIVE and slowed:
            state = DriveState.SLOW
        return DriveCommand(
            steering=self._steering,
            throttle=min(max(throttle, 0.0), 1.0),
            brake=min(max(brake, 0.0), 1.0),
            interval=answer.interval if answer and valid else (-1.0, 1.0),
            confidence=answer.confidence if answer and valid else 0.0,
            state=state,
            speed_mps=self._speed,
            reason="; ".join(reasons),
            valid=valid,
        )


def _usable(steering: Steering | None) -> tuple[Steering | None, str]:
    """The answer brought into range, or None and why it cannot be used."""
    if steering is None:
        return None, ""
    numbers = (steering.steering, steering.throttle, steering.brake, steering.confidence, *steering.interval)
    if not all(math.isfinite(n) for n in numbers):
        return None, "the driving network gave NaN"
    low, high = sorted(min(max(float(n), -1.0), 1.0) for n in steering.interval)
    return (
        Steering(
            steering=min(max(float(steering.steering), -1.0), 1.0),
            throttle=min(max(float(steering.throttle), 0.0), 1.0),
            interval=(low, high),
            confidence=min(max(float(steering.confidence), 0.0), 1.0),
            state=DriveState(steering.state),
            reason=steering.reason,
            brake=min(max(float(steering.brake), 0.0), 1.0),
        ),
        "",
    )


def measured_speed(odometry: Odometry | None, stamp_ns: int) -> float | None:
    """m/s at a stamp; None where odometry is missing, old or no number."""
    if odometry is None or abs(stamp_ns - odometry.stamp_ns) > ODOMETRY_MAX_AGE_S * 1e9:
        return None
    speed = math.hypot(*odometry.velocity)
    return speed if math.isfinite(speed) else None


def _level(risks: Risks | None, stamp_ns: int) -> Level:
    """CLEAR where no trajectory stage runs; UNSURE where its last word is old."""
    if risks is None:
        return Level.CLEAR
    if abs(stamp_ns - risks.stamp_ns) > RISK_MAX_AGE_S * 1e9:
        return Level.UNSURE
    return risks.level
