"""A transition that fails half-way leaves nothing of itself behind; a source that starts anew is met without memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from ros_bench import Bench
from sensor_msgs.msg import Image
from tiny_node import TinyNode

from headway.errors import EngineError
from headway.nodes.driving import DrivingNode

pytestmark = pytest.mark.ros


class Failing(TinyNode):
    """Fails after it has made its publishers, or its subscriptions, until `fails` is something else."""

    fails = ""

    def load(self) -> None:
        super().load()
        if self.fails == "load":
            raise EngineError("the file is no network")

    def listen(self) -> None:
        super().listen()
        if self.fails == "listen":
            raise EngineError("no such device")


@pytest.fixture
def node(bench: Bench) -> Failing:
    return bench.add(Failing(context=bench.context))


def test_a_configuration_that_fails_takes_its_publishers_back(node: Failing) -> None:
    node.fails = "load"
    for _ in range(2):
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert node.count_publishers("/tiny/heads") == 0
    node.fails = ""
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.count_publishers("/tiny/heads") == 1


def test_an_activation_that_fails_takes_its_subscriptions_and_its_worker_back(node: Failing) -> None:
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    node.fails = "listen"
    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert node.count_subscribers("/image") == 0
    assert node._worker is None
    node.fails = ""
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert [s.msg_type for s in node.subscriptions if s.topic_name == "/image"] == [Image]


def test_a_driving_node_whose_camera_starts_anew_forgets_the_sensors_and_drives_on_with_its_doubt() -> None:
    told: list[str] = []
    node = object.__new__(DrivingNode)  # nothing of ROS is asked
    node.monitor, node._task, node.sensors = (
        SimpleNamespace(reset=lambda name=name: told.append(name)) for name in ("monitor", "task", "sensors")
    )
    node.restart()
    assert sorted(told) == ["monitor", "sensors"]
