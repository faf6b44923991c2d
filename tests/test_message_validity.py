"""What is not valid is never sent as valid, and every orientation that is sent is one."""

import numpy as np
import pytest

from headway import messages
from headway.stages.gate import Gate
from headway.types import Heads, Trace, View

VIEW = View(stamp_ns=1_700_000_000_123_456_789, frame_id="cam")


def test_a_command_that_the_gate_calls_invalid_is_sent_as_invalid():
    command = Gate()(VIEW.stamp_ns, None, None, None)
    fields = messages.drive_command(command, VIEW, Trace())
    assert (command.valid, fields["valid"]) == (False, False)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_a_rotation_with_one_number_that_is_none_is_sent_as_a_rotation(row, column):
    rotation = np.eye(3)[None].copy()
    rotation[0, row, column] = np.nan
    heads = Heads(np.zeros((1, 4), np.float32), np.ones(1, np.float32), rotation, np.ones(1), np.zeros(1))
    (head,) = messages.head_array(heads, VIEW, 640, 480, Trace())["heads"]
    assert np.linalg.norm([head["orientation"][axis] for axis in "xyzw"]) == pytest.approx(1.0)


def test_of_a_rotation_that_is_none_no_message_is_sure():
    rotations = np.stack([np.full((3, 3), np.nan), np.eye(3)])
    heads = Heads(np.zeros((2, 4), np.float32), np.ones(2, np.float32), rotations, np.full(2, 5.0), np.full(2, 0.9))
    unknown, known = messages.head_array(heads, VIEW, 640, 480, Trace())["heads"]
    assert (unknown["sigma"], unknown["attention"]) == (pytest.approx(np.pi), 0.0)
    assert (known["sigma"], known["attention"]) == (pytest.approx(np.radians(5.0)), 0.9)
