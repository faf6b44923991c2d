"""The recorder waits for everything that a node says of the last frame, not for its first word alone."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

from rclpy.serialization import serialize_message

from headway import messages
from headway.nodes.outputs import message_class
from headway.nodes.recorder import Recorder

RISK, FORECASTS = "/trajectory/risk", "/trajectory/forecasts"
KINDS = {RISK: messages.RISK, FORECASTS: messages.FORECASTS}


class Listeners:
    """In place of a node: topic -> what is called with a message."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {}

    def create_subscription(self, kind: Any, topic: str, callback: Any, qos: Any, **more: Any) -> None:
        self.of[topic] = callback


def message(topic: str, frame: int) -> bytes:
    made = message_class(KINDS[topic])()
    made.header.stamp.sec, made.trace.frame_index, made.valid = 1 + frame, frame, True
    return bytes(serialize_message(made))


def test_the_last_frame_is_complete_when_all_topics_of_its_node_have_it(tmp_path) -> None:
    node = Listeners()
    recorder = Recorder(node, tmp_path / "out.mcap", KINDS, {"trajectory": RISK}, lambda: 1)
    for frame in range(2):
        recorder.sent(message(RISK, frame))  # an image begins with a header as they do
    assert recorder.waiting_for() == ["trajectory"]
    node.of[RISK](message(RISK, 0))
    node.of[FORECASTS](message(FORECASTS, 0))
    node.of[RISK](message(RISK, 1))
    assert recorder.waiting_for() == [FORECASTS]
    node.of[FORECASTS](message(FORECASTS, 1))
    assert recorder.waiting_for() == []
    recorder.close()
