"""Whatever any input of any node holds: no crash, no NaN out, every message accounted for, memory bounded.

Hostile messages take the way of live ones: the main input as bytes through `_handle`, the others through their
subscription's callback. Good messages come before and after, so that what a hostile one left shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: pip install .[ros], or source /opt/ros")
pytest.importorskip("headway_msgs.msg._trace", reason="headway_msgs is not built: run tools/build_messages.sh")

from fuzzing import Outcomes, examples
from hostile import SMALL, image, message, spoilt
from hypothesis import given
from hypothesis import strategies as st
from node_bench import Fed, good
from ros_bench import Bench
from sensor_msgs.msg import Image

from headway.nodes.driving import DrivingNode
from headway.nodes.head_pose import HeadPoseNode
from headway.nodes.headway import HeadwayNode
from headway.nodes.trajectory import TrajectoryNode
from headway.runtime.model import installed_models

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="the shipped weights are missing"
    ),
]

NODES = {
    "head_pose": (HeadPoseNode, ("image", "compressed", "camera_info")),
    "trajectory": (TrajectoryNode, ("heads", "camera_info", "imu", "odom", "depth")),
    "driving": (DrivingNode, ("image", "compressed", "odom", "risk")),
    "headway": (HeadwayNode, ("image", "compressed", "camera_info", "imu", "odom", "depth")),
}
INPUTS = [(node, topic) for node, (_, topics) in NODES.items() for topic in topics]


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    bench = Bench()
    yield bench.context
    bench.close()


@pytest.fixture(scope="module")
def nodes(context: Any) -> Iterator[Any]:
    """Returns a function: node, whether its images are compressed -> the running node."""
    made: dict[tuple[str, bool], Fed] = {}

    def find(name: str, compressed: bool) -> Fed:
        key = (name, compressed)
        if key not in made:
            made[key] = Fed(NODES[name][0], context, compressed)
        return made[key]

    yield find
    for fed in made.values():
        fed.close()


def hostile(topic: str) -> Any:
    """Messages for `topic`: any at all, a good one with a few fields spoilt, and for images those that nearly fit."""
    kind = type(good(topic))
    kinds = [message(kind), spoilt(lambda: good(topic)), spoilt(lambda: good(topic), SMALL)]
    if kind is Image:
        kinds += [image(Image), image(Image, ("32FC1", "16UC1"))]
    return st.one_of(kinds)


@pytest.mark.parametrize(("name", "topic"), INPUTS)
def test_input(name: str, topic: str, nodes: Any, outcomes: Outcomes) -> None:
    fed = nodes(name, topic == "compressed")

    @examples(6)
    @given(st.lists(hostile(topic), min_size=1, max_size=3))
    def run(sent: list[Any]) -> None:
        fed.begin()
        for side in fed.sides:
            fed.send(side, good(side))
        for each in sent:
            fed.send(topic, each)
        before = fed.node.ledger.answered
        frames = 1 + len(sent) % 2  # the second one meets tracks that have a velocity
        for index in range(1, frames + 1):
            fed.send(fed.main, good(fed.main, index))
        invalid = [m for m in fed.published[-1:] if not getattr(m, "valid", True)]
        fed.tick()
        fed.check()
        lost = frames - (fed.node.ledger.answered - before)
        outcomes("good frames late" if lost else "last answer not valid" if invalid else "all answered")

    run()


@pytest.mark.parametrize("name", NODES)
def test_cut_and_garbled_bytes(name: str, nodes: Any, outcomes: Outcomes) -> None:
    from rclpy.serialization import serialize_message

    from headway.nodes.inputs import Item

    fed = nodes(name, False)
    whole = serialize_message(good(fed.main))
    kind = type(good(fed.main))

    @examples(6)
    @given(
        st.integers(0, len(whole)),
        st.lists(st.tuples(st.integers(0, min(400, len(whole) - 1)), st.integers(0, 255)), max_size=4),
    )
    def run(length: int, changes: list[tuple[int, int]]) -> None:
        fed.begin()
        data = bytearray(whole)
        for at, byte in changes:
            data[at] = byte
        dropped = sum(fed.node.ledger.dropped.values())
        fed.node._handle(kind, Item(bytes(data[:length]), fed.node.ledger.arrive(), 0))
        fed.stamps |= {(m.header.stamp.sec, m.header.stamp.nanosec) for m in fed.published}
        fed.check()
        outcomes("dropped" if sum(fed.node.ledger.dropped.values()) > dropped else "answered")

    run()
