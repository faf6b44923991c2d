"""What breaks silence and what does not; an answer that comes after the watchdog's is none."""

from __future__ import annotations

import pytest
from rclpy.serialization import serialize_message
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from tiny_node import TinyNode

from headway.errors import AbandonedError
from headway.nodes.request import Request
from headway.types import Trace

pytestmark = pytest.mark.ros


def image(seconds: int) -> Image:
    message = Image(width=8, height=8, encoding="bgr8", step=24, data=bytes(192))
    message.header.stamp.sec = seconds
    return message


def test_only_a_message_in_order_breaks_the_silence(bench: Bench, tiny: TinyNode) -> None:
    camera = bench.publisher(Image, "image")

    def sent(message: Image | bytes, count: int) -> int:
        camera.publish(message)
        wait(lambda: tiny.ledger.answered + sum(tiny.ledger.dropped.values()) == count, "not accounted for")
        return tiny.heard_ns

    activated = tiny.heard_ns
    heard = sent(image(7), 1)
    assert heard > activated
    assert sent(serialize_message(image(8))[:20], 2) == heard, "bytes that are no message"
    assert sent(image(7), 3) == heard, "a stamp that does not advance"
    assert sent(image(9), 4) > heard


def test_what_the_watchdog_has_answered_is_not_answered_again(tiny: TinyNode) -> None:
    request = Request(image(7), 7 * 10**9, 7 * 10**9, Trace())
    tiny.ready(request)
    tiny.ready(request)  # the worker itself may ask twice
    given_up = Request(image(8), 8 * 10**9, 8 * 10**9, Trace())
    assert given_up.claim("watchdog")
    with pytest.raises(AbandonedError, match="given up"):
        tiny.ready(given_up)
