"""A private ROS graph for each test: own domain, localhost only, the tester's node beside the node under test."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from headway.ros_environment import own_domain, prepare

SETTLE_S = 0.1  # either end of a connection learns of the other a little later


class Bench:
    """Nodes that are spun in the background, and a tester with publishers and recordings."""

    def __init__(self) -> None:
        prepare()
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        self._stack = contextlib.ExitStack()
        rclpy.init(context=self.context, domain_id=self._stack.enter_context(own_domain()))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.tester = rclpy.create_node("tester", context=self.context)
        self.executor.add_node(self.tester)
        self._nodes: list[Any] = []
        self.heard: dict[str, list[Any]] = {}
        self._subscriptions: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            pass
        except RCLError:
            if self.context.ok():  # else: the context was closed between two steps of the executor
                raise

    def add(self, node: Any) -> Any:
        """Spins `node` too."""
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def record(self, kind: type, topic: str) -> list[Any]:
        """A list that fills with what is published on `topic`."""
        heard = self.heard.setdefault(topic, [])
        self._subscriptions[topic] = self.tester.create_subscription(kind, topic, heard.append, 200)
        return heard

    def matched(self, topic: str) -> None:
        """Waits until what is published on `topic` is heard by its recording."""
        subscription = self._subscriptions[topic]
        wait(lambda: subscription.get_publisher_count() > 0, f"nobody publishes {topic}")
        time.sleep(SETTLE_S)

    def publisher(self, kind: type, topic: str) -> Any:
        """A publisher that is matched before it is used."""
        publisher = self.tester.create_publisher(kind, topic, 1)
        wait(lambda: publisher.get_subscription_count() > 0, f"nobody subscribes to {topic}")
        time.sleep(SETTLE_S)
        return publisher

    def close(self) -> None:
        """Ends the graph and leaves no participant behind that a later test in the same domain could meet."""
        self.executor.shutdown(timeout_sec=5)
        self._thread.join(5)
        for node in self._nodes:
            node.stop()
            node.destroy_node()
        self.tester.destroy_node()
        rclpy.shutdown(context=self.context)
        self.context.destroy()
        self._stack.close()


def wait(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Returns as soon as `condition` holds; fails with `what` otherwise."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(what)
        time.sleep(0.005)
