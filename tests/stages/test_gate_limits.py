"""The gate's limits, each by itself: what it does not know makes it slow, and no limit lets go in a hurry."""

import itertools
import math

import pytest
from gate_inputs import drive, odometry_at, risks_at, steady

from headway.stages import gate as g
from headway.stages import limits
from headway.stages.gate import Gate
from headway.stages.limits import GateConfig, curvature
from headway.types import DriveState, Level

START = 1_700_000_000_000_000_000
STEP_NS = 50_000_000
FAST = GateConfig(max_speed_mps=8.0)


def after(seconds: float, steps: int):
    """The stamps of the calls that follow."""
    return [START + int(seconds * 1e9) + i * STEP_NS for i in range(1, steps + 1)]


@pytest.mark.parametrize(
    ("age_s", "speed"), [(0.0, None), (0.0, math.nan), (0.0, math.inf), (0.6, 1.0), (-0.6, 1.0)], ids=str
)
def test_without_usable_odometry_the_vehicle_stays_slow_and_says_why(age_s, speed):
    gate = Gate(FAST)
    for stamp in after(0.0, 400):
        command = gate(stamp, steady(), odometry_at(stamp - int(age_s * 1e9), speed), None)
        assert command.speed_mps <= FAST.unknown_speed_mps + 0.05
        assert "speed unknown" in command.reason
    assert command.speed_mps == pytest.approx(FAST.unknown_speed_mps, abs=0.05)


@pytest.mark.parametrize("away_s", [-0.6, 0.6])
def test_risks_of_another_time_count_as_unsure_before_and_after(away_s):
    command = Gate()(START, steady(), odometry_at(START, 1.0), risks_at(START + int(away_s * 1e9), Level.CLEAR))
    assert "pedestrians unsure" in command.reason


@pytest.mark.parametrize(("late_s", "taken"), [(0.3, True), (0.7, False)])
def test_an_answer_later_than_a_heartbeat_is_not_taken(late_s, taken):
    gate = Gate()
    drive(gate, 1.0, steady(), START)
    for stamp in after(1.0, 20):
        gate(stamp, None, odometry_at(stamp, 1.0), None)
    assert gate(stamp - int(late_s * 1e9), steady(), odometry_at(stamp, 1.0), None).valid is taken


def test_the_wheels_stay_as_they_are_while_the_vehicle_stops_in_silence():
    gate = Gate(FAST)
    drive(gate, 20.0, steady(), START)
    turning = gate(START + 20 * 10**9, steady(steering=0.2), odometry_at(START + 20 * 10**9, 8.0), None)
    stamps = after(20.0, 24)
    steering = [gate(stamp, None, odometry_at(stamp, 8.0), None).steering for stamp in stamps]
    silent = steering[round(g.HEARTBEAT_S / 0.05) :]
    assert 0.0 < turning.steering < silent[0] < 0.2
    assert set(silent) == {silent[0]}


def test_the_steering_moves_no_faster_than_the_lateral_jerk_allows():
    gate = Gate(FAST)
    drive(gate, 20.0, steady(), START)
    sideways = []
    for stamp in after(20.0, 20):
        command = gate(stamp, steady(steering=1.0), odometry_at(stamp, 8.0), None)
        sideways.append(8.0**2 * curvature(command.steering, FAST))
    jerks = [(b - a) / 0.05 for a, b in itertools.pairwise(sideways)]
    assert 0.5 * limits.LATERAL_JERK < max(jerks) <= limits.LATERAL_JERK + 1e-6


@pytest.mark.parametrize("answer", [None, steady(state=DriveState.STOP)], ids=["silence", "stop"])
def test_a_vehicle_that_is_told_to_stop_lets_go_of_the_throttle_at_once(answer):
    gate = Gate(FAST)
    drive(gate, 3.0, steady(), START)
    assert gate.acceleration > 0.8
    stamps = after(3.0, 30)
    followed = [(gate(stamp, answer, odometry_at(stamp, 3.0), None), gate.acceleration)[1] for stamp in stamps]
    begins = round(g.HEARTBEAT_S / 0.05) if answer is None else 0
    assert followed[begins + 5] <= 0.0, "a jerk of 5 m/s³ ends 1 m/s² within 0.2 s"


def test_an_invalid_command_claims_nothing_of_the_answer_before():
    gate = Gate()
    answered = gate(START, steady(), odometry_at(START, 1.0), None)
    assert (answered.interval, answered.confidence) == ((-0.1, 0.1), 0.9)
    silent = gate(START + STEP_NS, None, odometry_at(START, 1.0), None)
    assert (silent.interval, silent.confidence) == ((-1.0, 1.0), 0.0)


def test_a_bend_entered_too_fast_is_braked_for_more_firmly_than_comfort_but_no_more_abruptly_than_a_bend_may():
    gate = Gate(FAST)
    drive(gate, 20.0, steady(), START)
    seen = []
    for stamp in after(20.0, 20):
        gate(stamp, steady(steering=0.8), odometry_at(stamp, 8.0), None)
        seen.append(gate.acceleration)
    assert min(seen) < -1.5 * limits.COMFORT_DECELERATION
    assert all(a - b <= limits.BEND_JERK * 0.05 + 1e-9 for a, b in itertools.pairwise(seen))


def test_the_faster_the_vehicle_the_more_gently_it_gains_speed():
    gate = Gate(GateConfig(max_speed_mps=30.0))
    seen = []
    for command in drive(gate, 60.0, steady(), START):
        seen.append(command.speed_mps)
    gained = [(b, (b - a) / 0.05) for a, b in itertools.pairwise(seen)]
    assert max(rate for speed, rate in gained if speed < 5.0) == pytest.approx(1.0, abs=0.01)
    assert max(rate for speed, rate in gained if speed > 20.1) == pytest.approx(0.5, abs=0.01)
