"""The node driving with the shipped weights: silence, a hanging network, a wrong hash, lifecycle cycles."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from task_messages import TASK_NODE, matched, picture, started

from headway.sensors import stamp_of
from headway_msgs.msg import DriveCommand

pytestmark = TASK_NODE


def test_command_ramps_to_a_stop_when_the_camera_stops(bench: Bench) -> None:
    from headway.nodes.driving import DrivingNode

    node = started(bench, DrivingNode)
    commands, twists = bench.record(DriveCommand, "/driving/command"), bench.record(TwistStamped, "/driving/twist")
    matched(bench, "/driving/command", "/driving/twist")
    odom, camera = bench.publisher(Odometry, "odom"), bench.publisher(Image, "image")
    # Stamps near the node's clock: the ramp goes on in its time.
    now = node.get_clock().now().to_msg()
    rolling = Odometry()
    rolling.header.stamp = now
    rolling.twist.twist.linear.x = rolling.pose.pose.orientation.w = 1.0
    odom.publish(rolling)
    wait(lambda: node.sensors.view(stamp_of(rolling), "lens", 0, 0).odometry is not None, "odometry did not arrive")
    image = picture(1)
    image.header.stamp = now
    camera.publish(image)
    wait(lambda: any(c.header.stamp == now and "driving" in list(c.trace.models) for c in commands), "not answered")
    wait(lambda: bool(commands) and commands[-1].speed == 0.0 and commands[-1].brake == 1.0, "never came to a stop")
    silent = [c for c in commands if c.header.stamp == now and "driving" not in list(c.trace.models)]
    assert len(silent) > 5
    assert not any(c.valid for c in silent)
    assert all("no image answered for" in c.reason for c in silent)
    speeds = [c.speed for c in silent]
    assert speeds[0] > 0.0, "the vehicle was rolling"
    assert all(b <= a + 0.05 for a, b in itertools.pairwise(speeds))
    assert twists[-1].twist.linear.x == 0.0


def test_a_network_that_hangs_does_not_stop_the_heartbeat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from headway.nodes.driving import DrivingNode

    node = started(bench, DrivingNode, heartbeat_s=0.1)
    hang = threading.Event()
    infer = node._task._drive
    monkeypatch.setattr(node._task, "_drive", lambda frame: (hang.wait(20), infer(frame))[1])
    commands = bench.record(DriveCommand, "/driving/command")
    bench.matched("/driving/command")
    camera = bench.publisher(Image, "image")
    camera.publish(picture(1))
    wait(lambda: node._worker.busy_since_ns > 0, "the frame was not taken")
    commands.clear()
    wait(lambda: len(commands) > 5, "the heartbeat stopped")
    assert not any(c.valid for c in commands)
    hang.set()
    indices = iter(range(2, 1000))

    def recovered() -> bool:
        camera.publish(picture(next(indices)))
        time.sleep(0.05)
        return any(c.valid for c in commands)

    wait(recovered, "the node did not recover")


def test_a_wrong_hash_keeps_the_node_unconfigured_and_says_so(bench: Bench, tmp_path: Any) -> None:
    import shutil

    from headway.nodes.driving import DrivingNode
    from headway.runtime.engine import model_folder

    folder = tmp_path / "driving"
    shutil.copytree(model_folder("driving"), folder)
    onnx = next(folder.glob("*.onnx"))
    onnx.write_bytes(onnx.read_bytes()[:-1] + b"!")
    said: list[str] = []
    node = bench.add(DrivingNode(context=bench.context, parameter_overrides=[Parameter("model", value=str(folder))]))
    node.get_logger = lambda: type("Log", (), {"error": said.append, "debug": said.append})()  # type: ignore[method-assign]
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node._state_machine.current_state[1] == "unconfigured"
    assert len(said) == 1
    assert "SHA-256" in said[0]


@pytest.fixture
def threads() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before


def test_lifecycle_cycles_leave_no_thread_and_no_publisher_behind(threads: None, bench: Bench) -> None:
    from headway.nodes.driving import DrivingNode

    node = bench.add(DrivingNode(context=bench.context))
    counts = []
    for _ in range(5):
        for change in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate, node.trigger_cleanup):
            assert change() == TransitionCallbackReturn.SUCCESS
        counts.append(
            (
                threading.active_count(),
                len(list(node.publishers)),
                len(list(node.subscriptions)),
                len(list(node.timers)),
            )
        )
    assert len(set(counts)) == 1
