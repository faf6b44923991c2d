"""What has arrived at a side input is handed on at once, so that no frame overtakes the motion that came before it."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Imu

from headway.nodes.inputs import hear

WAITING = 7


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    context.init()
    made = rclpy.create_node("listener", context=context)
    yield made
    made.destroy_node()
    context.shutdown()


def test_one_round_of_the_executor_hands_on_everything_that_waits_in_order(node) -> None:
    heard: list[int] = []
    hear(node, Imu, "imu", lambda m: heard.append(m.header.stamp.sec), "reliable", depth=50)
    publisher = node.create_publisher(Imu, "imu", 50)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    until = time.monotonic() + 10
    while publisher.get_subscription_count() == 0 and time.monotonic() < until:
        time.sleep(0.01)
    for second in range(WAITING):
        message = Imu()
        message.header.stamp.sec = second
        publisher.publish(message)
    time.sleep(0.3)
    while not heard and time.monotonic() < until:
        executor.spin_once(timeout_sec=0.2)
    executor.shutdown()
    assert heard == list(range(WAITING))
