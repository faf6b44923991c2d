"""The safety gate's promises. No network takes part."""

import itertools
import math
from dataclasses import replace

import pytest
from gate_inputs import check_range, drive, odometry_at, risks_at, steady
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.stages import gate as g
from headway.stages import limits
from headway.stages.gate import Gate
from headway.stages.limits import GateConfig, steering_limit
from headway.types import DriveState, Level, Steering

START = 1_700_000_000_000_000_000
ANY = st.floats(allow_nan=True, allow_infinity=True)
STEP_NS = st.one_of(
    st.integers(10_000_000, 100_000_000), st.integers(-(10**12), 10**12), st.sampled_from([0, 10**18, -(10**18)])
)
STEERINGS = st.none() | st.builds(
    Steering,
    steering=ANY | st.floats(-1, 1),
    throttle=ANY | st.floats(0, 1),
    interval=st.tuples(ANY | st.floats(-1, 1), st.floats(-1, 1)),
    confidence=ANY | st.floats(0, 1),
    state=st.sampled_from(DriveState),
    brake=ANY | st.floats(0, 1),
)
SANE = st.builds(
    Steering,
    steering=st.floats(-1, 1),
    throttle=st.floats(0, 1),
    interval=st.just((-0.1, 0.1)),
    confidence=st.floats(0, 1),
    state=st.sampled_from(DriveState),
    brake=st.floats(0, 1),
)
SPEEDS = st.none() | ANY | st.floats(0, 10)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STEP_NS, STEERINGS, SPEEDS, st.none() | st.sampled_from(Level)), min_size=1, max_size=40))
def test_limits_hold_and_nothing_is_nan_whatever_comes_in(calls):
    config = GateConfig(max_speed_mps=8.0)
    gate = Gate(config)
    stamp, before, acceleration = START, None, 0.0
    for step, answer, speed, level in calls:
        stamp = stamp + step
        clock = gate._stamp_ns  # a late answer leaves the gate's clock where it is
        advance = 0.0 if clock is None else (stamp - clock) * 1e-9
        dt = min(advance, g.LONGEST_STEP_S) if advance > 0 else g.STILL_STEP_S
        risks = None if level is None else risks_at(stamp, level)
        command = gate(stamp, answer, odometry_at(stamp, speed), risks)
        check_range(command)
        assert 0 <= command.speed_mps <= config.max_speed_mps
        if before is not None:
            assert abs(command.steering - before.steering) <= limits.STEERING_RATE * dt + 1e-9
            change = (command.speed_mps - before.speed_mps) / dt
            assert -limits.EMERGENCY_DECELERATION - 1e-6 <= change <= 1.0 + 1e-6
            if 0 < command.speed_mps < config.max_speed_mps and before.speed_mps > 0:
                jerk = (gate.acceleration - acceleration) / dt
                # Letting go of the throttle may be as fast as emergency braking.
                assert -5.0 - 1e-6 <= jerk <= limits.JERK + 1e-6
            if speed is None or not math.isfinite(speed):
                limit = steering_limit(min(command.speed_mps, before.speed_mps), config)
                assert abs(command.steering) <= max(limit, abs(before.steering)) + 1e-9
        before, acceleration = command, gate.acceleration


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(STEERINGS | SANE, SPEEDS), max_size=60),
    st.sampled_from([0.02, 0.05, 0.1, 0.3]),
    st.sampled_from(["advancing", "frozen", "backward"]),
)
def test_without_input_the_command_always_reaches_standstill(calls, period_s, clock):
    gate = Gate(GateConfig(max_speed_mps=10.0))
    stamp = START
    for answer, speed in calls:
        stamp += 50_000_000
        gate(stamp, answer, odometry_at(stamp, speed), None)
    direction = {"advancing": 1, "frozen": 0, "backward": -1}[clock]
    command = None
    for _ in range(int(20.0 / min(period_s, g.STILL_STEP_S)) if clock != "advancing" else int(20.0 / period_s)):
        stamp += int(direction * period_s * 1e9)
        command = gate(stamp, None, None, None)
    assert command.speed_mps == 0.0
    assert command.throttle == 0.0
    assert command.brake == 1.0
    assert command.state == DriveState.STOP
    assert not command.valid


def test_the_first_call_stands_still_and_says_why():
    command = Gate()(START, None, None, None)
    assert command.speed_mps == 0.0
    assert command.state == DriveState.STOP
    assert not command.valid
    assert "no steering" in command.reason


def test_a_rolling_vehicle_is_taken_over_at_its_speed():
    command = Gate()(START, steady(), odometry_at(START, 2.0), None)
    assert command.speed_mps == pytest.approx(2.0, abs=0.05)


def test_full_throttle_reaches_full_speed_and_stays_there():
    speeds = [c.speed_mps for c in drive(Gate(), 8.0, steady(), START)]
    assert speeds[-1] == pytest.approx(3.0, abs=0.02)
    assert max(speeds) <= 3.0


def test_silence_within_a_heartbeat_holds_the_speed_and_is_marked_invalid():
    gate = Gate()
    speed = drive(gate, 8.0, steady(), START)[-1].speed_mps
    commands = [gate(START + int((8.0 + 0.05 * i) * 1e9), None, None, None) for i in range(1, 9)]
    assert not any(c.valid for c in commands)
    # Odometry is gone with the steering, so the gate slows towards the speed for unknown motion, gently.
    assert commands[0].speed_mps == pytest.approx(speed, abs=0.01)
    assert commands[0].state != DriveState.STOP


def test_a_silence_that_its_watch_knows_of_is_not_waited_for():
    gate = Gate()
    speed = drive(gate, 8.0, steady(), START)[-1].speed_mps
    gate.fall_silent()
    command = gate(START + int(8.02e9), None, odometry_at(START + int(8.02e9), 3.0), None)
    assert (command.state, command.valid) == (DriveState.STOP, False)
    assert command.speed_mps <= speed
    again = gate(START + int(8.1e9), steady(), odometry_at(START + int(8.1e9), 3.0), None)
    assert (again.state, again.valid) == (DriveState.DRIVE, True)


def test_silence_longer_than_a_heartbeat_stops_comfortably_then_firmly():
    gate = Gate()
    drive(gate, 8.0, steady(), START)
    seen = []
    for i in range(1, 200):
        stamp = START + int((8.0 + 0.05 * i) * 1e9)
        command = gate(stamp, None, odometry_at(stamp, 3.0), None)
        seen.append((0.05 * i, gate.acceleration, command))
    comfortable = [a for t, a, _ in seen if t < g.SILENCE_S - 0.1]
    assert min(comfortable) >= -limits.COMFORT_DECELERATION
    assert all(abs(b - a) <= limits.COMFORT_JERK * 0.05 + 1e-9 for a, b in itertools.pairwise(comfortable))
    assert min(a for _, a, _ in seen) == pytest.approx(-limits.EMERGENCY_DECELERATION, abs=1e-6)
    assert seen[-1][2].speed_mps == 0.0


def test_an_alert_brakes_with_the_emergency_deceleration():
    gate = Gate()
    top = drive(gate, 8.0, steady(), START)[-1].speed_mps
    commands = drive(gate, 3.0, steady(), START + 8 * 10**9, Level.ALERT)
    assert commands[0].state == DriveState.STOP
    assert "person" in commands[0].reason
    assert commands[-1].speed_mps == 0.0
    # From 3 m/s at -2.4 m/s² with jerk 5: 0.48 s to build up, then 1.01 s; a tenth of slack for the step.
    standing = next(i for i, c in enumerate(commands) if c.speed_mps == 0.0) / 20
    assert standing <= top / limits.EMERGENCY_DECELERATION + 0.5 * limits.EMERGENCY_DECELERATION / 5.0 + 0.1


def test_braking_outlasts_the_alert_by_the_hold_time_then_driving_goes_on():
    gate = Gate(GateConfig(alert_hold_s=1.0))
    drive(gate, 4.0, steady(), START, Level.ALERT)
    after = drive(gate, 5.0, steady(), START + 4 * 10**9, Level.CLEAR)
    assert after[15].speed_mps == 0.0
    assert after[-1].speed_mps > 1.0


@pytest.mark.parametrize("level", [Level.NOTICE, Level.UNSURE])
def test_people_near_or_unsure_slow_the_vehicle_without_stopping_it(level):
    gate = Gate()
    drive(gate, 8.0, steady(), START)
    commands = drive(gate, 8.0, steady(), START + 8 * 10**9, level)
    assert commands[-1].speed_mps == pytest.approx(GateConfig().caution_speed_mps, abs=0.05)
    assert commands[-1].state == DriveState.SLOW


def test_old_risks_count_as_unsure():
    gate = Gate()
    for i in range(200):
        stamp = START + i * 50_000_000
        command = gate(stamp, steady(), odometry_at(stamp, 1.0), risks_at(START - 10**9, Level.CLEAR))
    assert "unsure" in command.reason
    assert command.speed_mps <= GateConfig().caution_speed_mps + 1e-6


def test_the_networks_stop_stops_and_its_hand_over_slows():
    gate = Gate()
    drive(gate, 8.0, steady(), START)
    slow = drive(gate, 8.0, steady(state=DriveState.HANDOVER), START + 8 * 10**9)[-1]
    assert slow.state == DriveState.HANDOVER
    assert slow.speed_mps <= GateConfig().caution_speed_mps + 0.05
    stopped = drive(gate, 8.0, steady(state=DriveState.STOP), START + 16 * 10**9)[-1]
    assert stopped.speed_mps == 0.0
    assert stopped.state == DriveState.STOP


def test_steering_is_limited_by_lateral_acceleration_at_speed():
    config = GateConfig(max_speed_mps=10.0)
    gate = Gate(config)
    stamp = START
    for i in range(400):
        stamp = START + i * 50_000_000
        command = gate(stamp, steady(steering=1.0), odometry_at(stamp, 8.0), None)
    radius = config.wheelbase_m / math.tan(math.radians(config.max_steering_deg * command.steering))
    assert 8.0**2 / radius <= limits.LATERAL_ACCELERATION + 1e-6
    assert command.steering > 0.01


@settings(deadline=None)
@given(st.floats(-1.0, 1.0), st.floats(1.0, 15.0), st.floats(0.2, 3.0), st.floats(10.0, 45.0))
def test_a_bend_that_is_asked_for_is_driven_as_soon_as_the_vehicle_is_slow_enough(steering, speed, wheelbase, angle):
    config = GateConfig(max_speed_mps=speed, wheelbase_m=wheelbase, max_steering_deg=angle)
    gate = Gate(config)
    drive(gate, 30.0, steady(), START)
    command = drive(gate, 30.0, steady(steering=steering), START + 30 * 10**9)[-1]
    assert command.steering == pytest.approx(steering, abs=1e-6)
    bend = math.tan(math.radians(angle * abs(steering))) / wheelbase
    assert command.speed_mps**2 * bend <= limits.CORNERING + 0.1
    assert command.reason == ""


def test_a_bend_too_tight_for_the_speed_is_told():
    gate = Gate(GateConfig(max_speed_mps=8.0))
    drive(gate, 20.0, steady(), START)
    assert "too fast for the bend" in drive(gate, 0.5, steady(steering=0.5), START + 20 * 10**9)[-1].reason


def test_nan_from_the_network_is_refused_and_named():
    gate = Gate()
    before = drive(gate, 4.0, steady(steering=0.3), START)[-1]
    command = gate(START + 4 * 10**9, replace(steady(), steering=math.nan), None, None)
    assert not command.valid
    assert "NaN" in command.reason
    assert command.steering == pytest.approx(before.steering)
    assert command.confidence == 0.0


def test_a_stamp_that_jumps_back_is_invalid_once_and_does_not_freeze_the_gate():
    gate = Gate()
    drive(gate, 4.0, steady(), START)
    back = START - 3600 * 10**9
    assert not gate(back, steady(), odometry_at(back, 3.0), None).valid
    following = gate(back + 50_000_000, steady(), odometry_at(back + 50_000_000, 3.0), None)
    assert following.valid
    assert following.speed_mps > 2.0


def test_answers_that_come_later_than_the_timers_calls_are_taken():
    gate = Gate()
    for i in range(1, 200):
        now = START + i * 50_000_000
        assert gate(now, steady(), odometry_at(now, 1.0), None).valid  # the image's stamp
        gate(now + 40_000_000, None, odometry_at(now, 1.0), None)  # the timer, whose clock is ahead of the images'
        gate(now + 80_000_000, None, odometry_at(now, 1.0), None)
    assert gate(now + 50_000_000, steady(), odometry_at(now, 1.0), None).valid
    assert gate(now + 100_000_000, None, odometry_at(now, 1.0), None).speed_mps > 1.5


def test_the_same_answer_twice_is_no_sign_of_life():
    gate = Gate()
    drive(gate, 4.0, steady(), START)
    for _ in range(500):
        command = gate(START + 4 * 10**9, steady(), None, None)
    assert not command.valid
    assert command.speed_mps == 0.0


def test_a_wheel_that_is_held_does_not_wind_the_speed_up():
    gate = Gate()
    for i in range(200):
        stamp = START + i * 50_000_000
        command = gate(stamp, steady(), odometry_at(stamp, 0.0), None)
    assert command.speed_mps <= g.SPEED_LEAD + 1e-6


def test_reset_forgets_everything():
    gate = Gate()
    first = gate(START, steady(), None, None)
    drive(gate, 4.0, steady(steering=0.5), START, Level.ALERT)
    gate.reset()
    assert gate(START, steady(), None, None) == first
