"""The safety gate: the last thing before the vehicle, independent of any network.

It takes what the network wants, what the pedestrians risk and how fast the vehicle goes, and lets through only
commands within fixed limits (`limits.py`). Whatever comes in (NaN, nothing, stamps that jump back), what goes out is
finite, in range, within those limits, and comes to a standstill where the input stays away. Call it with every answer
of the driving stage, and from a timer (10 Hz or faster) with `steering=None` while there is none.

Signs: steering -1..1, + left. Speeds m/s, accelerations m/s², jerks m/s³. The time of a call is `stamp_ns`; a stamp
that does not advance counts as STILL_STEP_S, a gap as LONGEST_STEP_S at most: limits hold over the time so counted.
An answer may come up to a heartbeat later than a timer's call (its stamp is the image's); it is taken at once, and the
command moves with the next call. Answers themselves must come in order.
"""

from __future__ import annotations

import math

from headway.stages.freshness import known_level, measured_speed
from headway.stages.limits import (
    ACCELERATION,
    BEND_JERK,
    COMFORT_DECELERATION,
    COMFORT_JERK,
    EMERGENCY_DECELERATION,
    EMERGENCY_JERK,
    JERK,
    STEERING_RATE,
    GateConfig,
    cornering_speed,
    interpolated,
    steering_limit,
    steering_rate_limit,
)
from headway.types import DriveCommand, DriveState, Level, Odometry, Risks, Steering

HEARTBEAT_S = 0.5  # no answer for this long: comfortable stop. Autoware vehicle_cmd_gate, heartbeat timeout
SILENCE_S = 2.0  # no answer for this long: emergency stop. Ours: four heartbeats, the comfortable stop is slow to bite
STILL_STEP_S = 0.02  # a stamp that does not advance counts as one step of a 50 Hz loop
LONGEST_STEP_S = HEARTBEAT_S  # a longer gap is silence, not time to steer in
LIGHTEST_BRAKE = 0.1  # a network's sigmoid never says zero: less than this is no wish to brake
COAST_DECELERATION = 0.3  # slowing less than this is done by the throttle alone
SPEED_LEAD = 1.0  # m/s that the commanded speed may run ahead of the measured one: no wind-up while the wheels are held


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

    def fall_silent(self) -> None:
        """The input is gone, as whoever watches it knows by a clock of its own: from the next call on the command ramps
        to a stop, however little time the stamps of the calls have counted."""
        self._silent_s = max(self._silent_s, HEARTBEAT_S)

    def halt(self, reason: str) -> DriveCommand:
        """The last command before silence, for whoever goes on obeying the last one heard: brake comfortably, but no
        less than now and for a person with all there is, and hold; wheels as they are. Changes nothing."""
        brake = max(COMFORT_DECELERATION, -self._acceleration) / EMERGENCY_DECELERATION
        if self._speed == 0.0 or self._alert_s <= self.config.alert_hold_s:
            brake = 1.0
        return DriveCommand(
            steering=self._steering,
            throttle=0.0,
            brake=min(brake, 1.0),
            interval=(-1.0, 1.0),
            confidence=0.0,
            state=DriveState.STOP,
            speed_mps=0.0,
            reason=reason,
            valid=False,
        )

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
        level = known_level(risks, stamp_ns)
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
