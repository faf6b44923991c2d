"""The node driving with the shipped weights: silence, a hanging network, a wrong hash, lifecycle cycles."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from task_messages import TASK_NODE, matched, picture, started

from headway.sensors import stamp_of
from headway_msgs.msg import DriveCommand, Risk, RiskArray

pytestmark = TASK_NODE


def test_command_ramps_to_a_stop_when_the_camera_stops(bench: Bench) -> None:
    from headway.nodes.driving import DrivingNode

    node = started(bench, DrivingNode, heartbeat_s=1.5)  # odometry comes before the first word about silence
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


class Drive:
    """A driving node with a camera and an odometry that never stop; `shift_s` and `stuck` do what clocks do."""

    def __init__(self, bench: Bench, **parameters: Any) -> None:
        from headway.nodes.driving import DrivingNode

        self.node = started(bench, DrivingNode, monitor__enabled=False, **parameters)
        self.commands = bench.record(DriveCommand, "/driving/command")
        matched(bench, "/driving/command")
        self.odom, self.camera = bench.publisher(Odometry, "odom"), bench.publisher(Image, "image")
        self.shift_s, self.stuck = 0.0, False
        self.image = picture(1)
        bench.tester.create_timer(1 / 30, self._shoot)
        wait(lambda: any(c.valid and c.speed > 0.5 for c in self.commands), "the node does not drive")

    def _shoot(self) -> None:
        rolling = Odometry()
        rolling.header.stamp = self.node.get_clock().now().to_msg()
        rolling.twist.twist.linear.x = rolling.pose.pose.orientation.w = 1.0
        self.odom.publish(rolling)
        if not self.stuck:
            shift = Duration(nanoseconds=round(1e9 * self.shift_s))
            self.image.header.stamp = (self.node.get_clock().now() + shift).to_msg()
        self.camera.publish(self.image)


def test_images_under_one_stamp_are_silence_and_the_command_ramps_down(bench: Bench) -> None:
    drive = Drive(bench)
    drive.stuck = True
    wait(lambda: not drive.commands[-1].valid and "no image answered" in drive.commands[-1].reason, "it drives on")
    count = len(drive.commands)
    wait(lambda: drive.commands[-1].speed < 0.3, "it does not stop")
    assert not any(c.valid for c in drive.commands[count:])
    dropped = drive.node.ledger.summary()["dropped"]
    assert dropped["its stamp is not newer than the previous one"] > 5
    drive.stuck = False
    wait(lambda: drive.commands[-1].valid, "it does not recover")


@pytest.mark.parametrize("heartbeat_s", [0.15, 0.5])
def test_from_the_first_word_about_silence_on_the_vehicle_is_stopping(bench: Bench, heartbeat_s: float) -> None:
    drive = Drive(bench, heartbeat_s=heartbeat_s)
    drive.commands.clear()
    drive.stuck = True
    wait(lambda: sum("no image answered" in c.reason for c in drive.commands) > 8, "silence is not heard")
    silent = [c for c in drive.commands if "no image answered" in c.reason]
    assert {c.state for c in silent} == {DriveCommand.STOP}
    assert max(c.speed for c in silent) < silent[0].speed + 0.1, "the foot goes off the throttle"


@pytest.mark.parametrize("shift_s", [-3.0, 3.0])
def test_a_clock_that_jumps_does_not_take_the_brakes_or_the_wheels_out_of_the_gates_hands(
    bench: Bench, shift_s: float
) -> None:
    drive = Drive(bench, input__max_age_s=0.0)
    before = len(drive.commands)
    drive.shift_s = shift_s
    wait(lambda: len(drive.commands) > before + 20, "no commands")
    drive.shift_s = 0.0
    wait(lambda: len(drive.commands) > before + 40, "no commands")
    for a, b in itertools.pairwise(drive.commands[before - 1 :]):
        assert b.speed - a.speed > -1.3, "emergency deceleration for the longest step, not a reset"
        assert b.speed > 0.0 or a.speed < 0.2
        assert abs(b.steering - a.steering) <= 1.0


def test_the_last_word_of_a_node_that_is_deactivated_is_to_halt(bench: Bench) -> None:
    drive = Drive(bench)
    assert drive.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    wait(lambda: "deactivated" in drive.commands[-1].reason, "it fell silent")
    last = drive.commands[-1]
    assert (last.valid, last.speed, last.throttle, last.state) == (False, 0.0, 0.0, DriveCommand.STOP)
    assert last.brake > 0.0
    assert drive.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    count = len(drive.commands)
    wait(lambda: any(c.valid and c.speed > 0.2 for c in drive.commands[count:]), "it does not drive again")


def test_where_a_risk_is_expected_people_are_unsure_until_it_comes(bench: Bench) -> None:
    drive = Drive(bench, risk_expected=True, diagnostics_period_s=0.1)
    assert all("pedestrians unsure" in c.reason for c in drive.commands if c.valid)
    told = bench.record(DiagnosticArray, "/diagnostics")
    wait(lambda: bool(told), "no diagnostics")
    status = told[-1].status[0]
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "pedestrians unsure: no risk received yet")
    risk = bench.publisher(RiskArray, "risk")

    def heard() -> bool:
        message = RiskArray(valid=True, level=Risk.CLEAR)
        message.header.stamp = drive.node.get_clock().now().to_msg()
        risk.publish(message)
        time.sleep(0.02)
        return drive.commands[-1].valid and "pedestrians" not in drive.commands[-1].reason

    wait(heard, "the risk that came is not heard")
    wait(lambda: "the last risk is too old" in told[-1].status[0].message, "that it stays away is not told")


def test_a_wrong_hash_keeps_the_node_unconfigured_and_says_so(bench: Bench, tmp_path: Any) -> None:
    import shutil

    from headway.nodes.driving import DrivingNode
    from headway.runtime.model import model_folder

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
            # In the thread that spins, as a service call is: nothing is taken away while it is waited for there.
            asked = bench.executor.create_task(change)
            wait(asked.done, "the change of state does not come to an end")
            assert asked.result() == TransitionCallbackReturn.SUCCESS
        counts.append(
            (
                threading.active_count(),
                len(list(node.publishers)),
                len(list(node.subscriptions)),
                len(list(node.timers)),
            )
        )
    assert len(set(counts)) == 1
