"""The command and the twist as messages: signs, and how hard the vehicle is told to turn."""

import math

import numpy as np
import pytest

from headway import messages
from headway.bags import build, typestore
from headway.stages.limits import LATERAL_ACCELERATION, GateConfig, steering_limit
from headway.types import DriveCommand, DriveState, Trace, View

STORE = typestore()
VIEW = View(stamp_ns=1_700_000_000_123_456_789, frame_id="cam")


def through(msgtype, fields):
    """Built, serialized and read again."""
    return STORE.deserialize_cdr(STORE.serialize_cdr(build(STORE, msgtype, fields), msgtype), msgtype)


def test_a_command_keeps_its_sign_and_the_twist_turns_left_for_it():
    command = DriveCommand(0.5, 0.3, 0.0, (0.25, 0.75), 0.875, DriveState.SLOW, 2.0, "wide")
    found = through(messages.COMMAND, messages.drive_command(command, VIEW, Trace()))
    assert (found.steering, found.steering_low, found.steering_high) == (0.5, 0.25, 0.75)
    assert (found.state, found.reason, found.valid) == (1, "wide", True)
    vehicle = GateConfig(wheelbase_m=0.5, max_steering_deg=60.0)
    twist = through(messages.TWIST, messages.twist_stamped(command, VIEW, vehicle))
    assert twist.twist.linear.x == 2.0
    # A bicycle at half of 60 degrees: speed times tan(30 degrees) over the wheelbase.
    assert twist.twist.angular.z == pytest.approx(2.0 * math.tan(math.radians(30.0)) / 0.5)
    assert twist.header.frame_id == "base_link"


def test_the_twist_turns_no_harder_than_the_gate_allows_at_any_speed():
    for degrees in (10.0, 25.0, 60.0):
        vehicle = GateConfig(max_speed_mps=10.0, max_steering_deg=degrees)
        for speed in np.linspace(0.5, 10.0, 20):
            limit = steering_limit(speed, vehicle)
            command = DriveCommand(limit, 0.3, 0.0, (-1.0, 1.0), 0.9, DriveState.DRIVE, speed)
            turn = messages.twist_stamped(command, VIEW, vehicle)["twist"]["angular"]["z"]
            assert turn * speed <= LATERAL_ACCELERATION + 1e-9
