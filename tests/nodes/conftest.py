"""Node tests need ROS 2 and the built headway_msgs; without them they are skipped, with the cure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: pip install .[ros], or source /opt/ros")
# Of the package alone: a checkout has a folder of its name, with the definitions.
pytest.importorskip("headway_msgs.msg._trace", reason="headway_msgs is not built: tools/build_messages.sh builds it")


@pytest.fixture
def bench() -> Iterator[Any]:
    from ros_bench import Bench

    b = Bench()
    yield b
    b.close()


@pytest.fixture
def tiny(bench: Any) -> Any:
    """The smallest node, active."""
    from rclpy.lifecycle import TransitionCallbackReturn
    from tiny_node import TinyNode

    node: TinyNode = bench.add(TinyNode(context=bench.context))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    return node
