"""The gate where something other than a pedestrian brakes: the network, or the end of the node."""

from dataclasses import replace

import pytest
from gate_inputs import check_range, drive, odometry_at, steady

from headway.stages import gate as g
from headway.stages import limits
from headway.stages.gate import Gate
from headway.stages.limits import GateConfig
from headway.types import DriveState, Level

START = 1_700_000_000_000_000_000


@pytest.mark.parametrize("brake", [0.3, 1.0])
def test_a_network_that_brakes_slows_the_vehicle_as_hard_as_it_says_and_no_harder(brake):
    gate = Gate(GateConfig(max_speed_mps=8.0))
    drive(gate, 20.0, steady(), START)
    braking = replace(steady(), brake=brake)
    lowest = []
    for i in range(60):  # three seconds: the jerk is limited
        stamp = START + int((20.0 + 0.05 * (i + 1)) * 1e9)
        gate(stamp, braking, odometry_at(stamp, 8.0), None)
        lowest.append(gate.acceleration)
    assert min(lowest) == pytest.approx(-brake * limits.EMERGENCY_DECELERATION, rel=0.05)


def test_a_brake_that_hardly_speaks_changes_nothing():
    a, b = Gate(GateConfig()), Gate(GateConfig())
    quiet = replace(steady(), brake=0.9 * g.LIGHTEST_BRAKE)
    assert [c.speed_mps for c in drive(a, 5.0, steady(), START)] == [c.speed_mps for c in drive(b, 5.0, quiet, START)]


def test_the_last_command_before_silence_halts_however_often_it_is_said():
    gate = Gate()
    moving = drive(gate, 4.0, steady(steering=0.3), START)[-1]
    assert moving.speed_mps > 1.0
    for _ in range(2):
        last = gate.halt("the node was deactivated")
        check_range(last)
        assert (last.valid, last.state, last.speed_mps, last.throttle) == (False, DriveState.STOP, 0.0, 0.0)
        assert last.steering == moving.steering, "in a bend it stays in the lane"
        assert last.brake == pytest.approx(limits.COMFORT_DECELERATION / limits.EMERGENCY_DECELERATION)
        assert last.reason == "the node was deactivated"
    gate.reset()
    assert gate.halt("again").brake == 1.0, "it holds where it stands"
    first = gate(START + 10**10, None, None, None)
    assert (first.speed_mps, first.steering) == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.1, 0.6])
def test_the_last_command_brakes_no_less_for_a_person_than_the_one_before(seconds):
    gate = Gate()
    drive(gate, 4.0, steady(), START)
    braking = drive(gate, seconds, steady(), START + 4 * 10**9, Level.ALERT)[-1]
    assert braking.speed_mps > 0.0
    last = gate.halt("the node was deactivated")
    assert last.brake == 1.0
    assert last.brake >= braking.brake
