"""Dicts become rclpy messages: every kind of field, nothing lost, nothing slow."""

from __future__ import annotations

import array

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from headway import messages
from headway.nodes.outputs import fill
from headway.types import DriveCommand, DriveState, Heads, Level, Risk, Risks, Trace, View
from headway_msgs.msg import DriveCommand as DriveMessage
from headway_msgs.msg import Forecast, HeadArray, RiskArray

VIEW = View(stamp_ns=1_500_000_003, frame_id="lens")


def test_images_go_through_the_buffer_and_keep_every_byte() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = fill(Image(), {"height": 2, "width": 4, "step": 12, "data": pixels, "encoding": "bgr8"})
    assert isinstance(message.data, array.array)
    assert bytes(message.data) == pixels.tobytes()
    assert bytes(fill(Image(), {"data": pixels.tobytes()}).data) == pixels.tobytes()


def test_a_misspelt_field_is_an_error_and_no_default_value() -> None:
    with pytest.raises(KeyError, match="HeadArray has no field 'vallid'"):
        fill(HeadArray(), {"vallid": True})


def test_nested_arrays_fixed_arrays_and_numpy_scalars() -> None:
    covariance = np.array([1.0, 2.0, 3.0, 4.0])
    fields = {
        "track_id": np.int64(7),
        "position": {"x": np.float32(1.5), "y": 0, "z": 2.0},
        "position_covariance": covariance,
        "probability": [0.25, 0.75],
        "steps": 2,
        "x": np.array([[1.0, 2.0], [3.0, 4.0]]),
    }
    message = fill(Forecast(), fields)
    back = deserialize_message(serialize_message(message), Forecast)
    assert back.track_id == 7
    assert back.position.x == 1.5
    assert list(back.position_covariance) == list(covariance)
    assert list(back.probability) == [0.25, 0.75]
    assert list(back.x) == [1.0, 2.0, 3.0, 4.0]


def test_a_byte_field_takes_a_number() -> None:
    assert fill(DiagnosticStatus(), {"level": 2}).level == b"\x02"


def test_the_core_messages_survive_the_wire() -> None:
    trace = Trace({"decode": 1.5, "heads": 20.0}, 33.0, 5, 2, 9, {"head-pose": "a" * 64})
    boxes, scores = np.array([[1, 2, 3, 4]], np.float32), np.array([0.75], np.float32)
    heads = Heads(boxes, scores, np.eye(3)[None], np.array([5.0]), np.array([0.5]))
    array_ = fill(HeadArray(), messages.head_array(heads, VIEW, 640, 480, trace))
    back = deserialize_message(serialize_message(array_), HeadArray)
    assert (back.width, back.height, back.heads[0].x_max, back.heads[0].score) == (640, 480, 3.0, 0.75)
    assert list(back.trace.hashes) == ["a" * 64]
    assert (back.header.stamp.sec, back.header.stamp.nanosec, back.header.frame_id) == (1, 500_000_003, "lens")
    assert list(back.trace.stages) == ["decode", "heads"]
    assert (back.trace.frame_index, back.trace.dropped, back.trace.dropped_total) == (5, 2, 9)
    np.testing.assert_allclose(messages.heads_from_message(back).sigma_deg, [5.0], rtol=1e-6)

    risks = Risks(VIEW.stamp_ns, (Risk(3, Level.ALERT, 1.25, 0.8, 0.4, "left", "on a collision course"),), "")
    told = deserialize_message(serialize_message(fill(RiskArray(), messages.risk_array(risks, VIEW, trace))), RiskArray)
    read = messages.risks_from_message(told)
    assert read.level == Level.ALERT
    assert read.items[0].track_id == 3
    assert read.items[0].direction == "left"

    command = DriveCommand(0.5, 0.2, 0.0, (0.4, 0.6), 0.9, DriveState.SLOW, 1.0, "person near")
    sent = fill(DriveMessage(), messages.drive_command(command, VIEW, trace))
    assert deserialize_message(serialize_message(sent), DriveMessage).state == DriveMessage.SLOW
