"""Whatever an image message holds, the node answers it or counts it, and goes on."""

from __future__ import annotations

import array
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from tiny_node import TinyNode

from headway.counting import MOST_REASONS
from headway.images import ENCODINGS
from headway.nodes.inputs import Item

pytestmark = pytest.mark.ros

encodings = st.one_of(
    st.sampled_from(sorted(ENCODINGS)), st.text(st.characters(codec="ascii", exclude_characters="\0"))
)
sizes = st.one_of(st.integers(0, 9), st.just(2**32 - 1))
stamps = st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1))


def handled(node: TinyNode, kind: type, data: bytes) -> dict[str, Any]:
    """Hands one serialized message to the node, past DDS; returns its account, which must be complete."""
    node._handle(kind, Item(data, node.ledger.arrive(), 0))
    s = node.ledger.summary()
    assert s["received"] == s["answered"] + sum(s["dropped"].values())
    assert len(s["invalid"]) <= MOST_REASONS + 1
    assert all(math.isfinite(age) for age in s["ages_ms"])
    return s


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(encodings, sizes, sizes, sizes, st.binary(max_size=300), stamps)
def test_any_image_is_answered_or_counted(
    tiny: TinyNode, encoding: str, height: int, width: int, step: int, data: bytes, stamp: tuple[int, int]
) -> None:
    message = Image(encoding=encoding, height=height, width=width, step=step, data=array.array("B", data))
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    handled(tiny, Image, serialize_message(message))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_compressed_image_is_answered_or_counted(tiny: TinyNode, data: bytes, magic: bytes) -> None:
    message = CompressedImage(format="jpeg", data=array.array("B", magic + data))
    s = handled(tiny, CompressedImage, serialize_message(message))
    assert s["received"] == s["answered"], "a frame without a stamp is never out of order"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200))
def test_any_cut_of_a_message_is_answered_or_counted(tiny: TinyNode, length: int) -> None:
    whole = serialize_message(Image(encoding="bgr8", height=4, width=4, step=12, data=array.array("B", bytes(48))))
    handled(tiny, Image, whole[:length])
