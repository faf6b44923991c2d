"""A private ROS graph for each test: own domain, localhost only, the tester's node beside the node under test."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from headway.ros_environment import prepare

_DOMAINS = itertools.count(20 + os.getpid() % 150)
SETTLE_S = 0.1  # either end of a connection learns of the other a little later


class Bench:
    """Nodes that are spun in the background, and a tester with publishers and recordings."""

    def __init__(self) -> None:
        prepare()
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=next(_DOMAINS) % 200)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.tester = rclpy.create_node("tester", context=self.context)
        self.executor.add_node(self.tester)
        self.heard: dict[str, list[Any]] = {}
        self._subscriptions: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def add(self, node: Any) -> Any:
        """Spins `node` too."""
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
        """Ends the graph."""
        rclpy.shutdown(context=self.context)
        self._thread.join(5)
        self.tester.destroy_node()


def wait(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Returns as soon as `condition` holds; fails with `what` otherwise."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(what)
        time.sleep(0.005)
