"""Requests to change a node's state, in any order and with any outcome."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from task_messages import picture
from tiny_node import TinyNode

from headway.errors import ModelError
from headway.nodes import base
from headway.nodes.driving import DrivingNode
from headway.nodes.head_pose import HeadPoseNode
from headway.nodes.headway import HeadwayNode
from headway.nodes.trajectory import TrajectoryNode
from headway_msgs.msg import HeadArray

pytestmark = pytest.mark.ros


def test_a_change_that_the_state_does_not_allow_is_refused_and_the_node_lives_on(bench: Bench) -> None:
    node = bench.add(TinyNode(context=bench.context))
    client = bench.tester.create_client(ChangeState, "tiny/change_state")
    wait(client.service_is_ready, "no service")

    def changed(transition: int) -> bool:
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        wait(future.done, "the request was not answered")
        return bool(future.result().success)

    assert not changed(Transition.TRANSITION_ACTIVATE)
    assert changed(Transition.TRANSITION_CONFIGURE)
    assert not changed(Transition.TRANSITION_CONFIGURE)
    assert not changed(99)
    assert changed(Transition.TRANSITION_ACTIVATE)
    assert node._state_machine.current_state[1] == "active"


def test_a_parameter_of_a_type_that_there_is_not_is_answered_and_the_node_lives_on(bench: Bench) -> None:
    bench.add(TinyNode(context=bench.context))
    client = bench.tester.create_client(SetParameters, "tiny/set_parameters")
    wait(client.service_is_ready, "no service")
    for kind in (77, 2):
        wanted = ParameterMessage(name="threads", value=ParameterValue(type=kind, integer_value=3))
        future = client.call_async(SetParameters.Request(parameters=[wanted]))
        wait(future.done, "the request was not answered")
    assert future.result().results[0].successful


def test_a_node_that_could_not_be_configured_says_so_in_its_diagnostics_until_it_can(bench: Bench) -> None:
    quick = [Parameter("diagnostics_period_s", value=0.1)]
    node = bench.add(TinyNode(context=bench.context, parameter_overrides=quick))
    heard: list[Any] = bench.record(DiagnosticArray, "/diagnostics")
    load, node.load = node.load, lambda: (_ for _ in ()).throw(ModelError("no model 'x'"))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    heard.clear()
    wait(lambda: bool(heard), "no diagnostics")
    assert (heard[-1].status[0].level, heard[-1].status[0].message) == (
        DiagnosticStatus.ERROR,
        "configure: no model 'x'",
    )
    node.load = load
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    wait(lambda: heard[-1].status[0].message == "inactive", "the failure is still told")
    assert heard[-1].status[0].level == DiagnosticStatus.OK


def test_what_hung_when_the_node_was_deactivated_is_not_answered_by_the_next_activation(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.add(TinyNode(context=bench.context))
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    heard = bench.record(HeadArray, "/tiny/heads")
    bench.matched("/tiny/heads")
    node.gate.clear()
    bench.publisher(Image, "image").publish(picture(1))
    wait(lambda: node.in_work is not None, "not taken")
    hanging = node._worker
    monkeypatch.setattr(base, "FINISH_S", 0.05)
    monkeypatch.setattr(base, "JOIN_S", 0.05)
    assert node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.matched("/tiny/heads")
    node.gate.set()
    wait(lambda: not hanging.alive, "it still hangs")
    bench.publisher(Image, "image").publish(picture(2))
    wait(lambda: node.ledger.answered == 1, "not answered")
    wait(lambda: bool(heard), "nothing was published")
    assert [m.header.stamp for m in heard] == [picture(2).header.stamp]


@pytest.mark.parametrize("kind", [HeadPoseNode, TrajectoryNode, DrivingNode, HeadwayNode])
def test_a_node_that_was_never_configured_tells_its_state(bench: Bench, kind: Any) -> None:
    heard = bench.record(DiagnosticArray, "/diagnostics")
    bench.add(kind(context=bench.context, parameter_overrides=[Parameter("diagnostics_period_s", value=0.1)]))
    wait(lambda: bool(heard), "no diagnostics")
    assert heard[-1].status[0].message == "unconfigured"
