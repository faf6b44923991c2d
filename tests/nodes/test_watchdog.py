"""An engine that hangs: reported, restarted once, otherwise the error state; the vehicle is brought to a stop first."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench, wait
from sensor_msgs.msg import Image

from headway.faults.engines import FaultyEngine
from headway.nodes.driving import DrivingNode
from headway.nodes.watch import DEACTIVATED
from headway.runtime import providers
from headway.runtime.model import installed_models
from headway_msgs.msg import DriveCommand

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif("driving" not in installed_models(), reason="the shipped weights are missing"),
]

PERIOD_S = 0.05
QUICK = {"watchdog.minimum_s": 0.3, "heartbeat_s": 0.2, "diagnostics_period_s": 0.1}


class Rig:
    """A driving node whose engines can be made to hang, and a camera that never stops."""

    def __init__(self, bench: Bench, engines: list[FaultyEngine], **parameters: Any) -> None:
        given = {**QUICK, "monitor.enabled": False, "heartbeat_period_s": 0.02, **parameters}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.engines = engines
        self.node = bench.add(DrivingNode(context=bench.context, parameter_overrides=overrides))
        assert self.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.commands = bench.record(DriveCommand, "/driving/command")
        self.diagnostics = bench.record(DiagnosticArray, "/diagnostics")
        bench.matched("/driving/command")
        self.camera, self.odometry = bench.publisher(Image, "image"), bench.publisher(Odometry, "odom")
        pixels = cv2.resize(np.random.default_rng(5).integers(0, 255, (15, 20, 3), np.uint8), (160, 120))
        self.image = Image(width=160, height=120, encoding="bgr8", step=480, data=array.array("B", pixels.tobytes()))
        bench.tester.create_timer(PERIOD_S, self._shoot)
        wait(lambda: sum(c.valid for c in self.commands) > 12, "the node does not drive")

    def _shoot(self) -> None:
        now = self.node.get_clock().now().to_msg()
        rolling = Odometry()
        rolling.header.stamp = self.image.header.stamp = now
        rolling.twist.twist.linear.x = rolling.pose.pose.orientation.w = 1.0
        self.odometry.publish(rolling)
        self.camera.publish(self.image)

    def hang(self, engine: int) -> None:
        self.engines[engine].mode = "hangs"

    def said(self, word: str, level: bytes = DiagnosticStatus.ERROR) -> bool:
        return any(s.level == level and word in s.message for m in self.diagnostics for s in m.status)

    @property
    def state(self) -> str:
        return str(self.node._state_machine.current_state[1])


@pytest.fixture
def rig(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    engines: list[FaultyEngine] = []
    open_engine = providers.open_engine

    def opened(*arguments: Any) -> FaultyEngine:
        engines.append(FaultyEngine(open_engine(*arguments)))
        return engines[-1]

    monkeypatch.setattr(providers, "open_engine", opened)
    yield lambda **parameters: Rig(bench, engines, **parameters)
    for engine in engines:
        engine.released.set()


def test_a_hanging_engine_is_reported_and_restarted_and_the_node_drives_on(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.hang(0)
    wait(lambda: len(r.engines) == 2, "the engine was not restarted")
    assert r.said("the engine of 'driving' hangs")
    before = len(r.commands)
    wait(lambda: sum(c.valid for c in r.commands[before:]) > 5, "no valid command after the restart")
    refused = [c for c in r.commands if "hangs" in c.reason]
    assert len(refused) == 1
    assert not refused[0].valid
    s = r.node.ledger.summary()
    assert sum("hangs" in reason for reason in s["invalid"]) == 1
    assert s["received"] - s["answered"] - sum(s["dropped"].values()) <= 2, "a frame vanished"  # in work, waiting
    values = {v.key: v.value for m in r.diagnostics for status in m.status for v in status.values}
    wait(lambda: not r.node.watchdog.trouble, "the trouble is not over")
    assert values["engine_restarts"] == "1"
    assert r.state == "active"


def test_what_a_given_up_engine_returns_at_last_is_never_published(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.hang(0)
    wait(lambda: len(r.engines) == 2 and r.node.watchdog.restarts == 1, "the engine was not restarted")
    wait(lambda: r.commands[-1].valid, "no valid command after the restart")
    answered, count = r.node.ledger.answered, len(r.commands)
    r.engines[0].released.set()
    wait(lambda: r.node.ledger.answered > answered + 5, "the node does not live on")
    stamps = [(c.header.stamp.sec, c.header.stamp.nanosec) for c in r.commands[count:] if c.valid]
    assert stamps == sorted(set(stamps)), "the old answer came between the new ones"
    assert r.state == "active"


def test_a_second_hang_stops_the_vehicle_and_then_goes_to_the_error_state(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.hang(0)
    wait(lambda: r.node.watchdog.restarts == 1, "the engine was not restarted")
    count = len(r.commands)
    wait(lambda: sum(c.valid for c in r.commands[count:]) > 10, "no valid command after the restart")
    assert r.commands[-1].speed > 0.0
    r.hang(1)
    wait(lambda: r.state == "unconfigured", "the node did not go through its error state", timeout_s=30.0)
    # The node's state is known at once, its last command when it has come over.
    wait(lambda: r.commands[-1].speed == 0.0, "the commands ended while the vehicle was rolling")
    assert not r.commands[-1].valid
    wait(lambda: r.said("again"), "the reason is not in the diagnostics")
    assert len(r.engines) == 2, "it is restarted once"
    # Whoever manages the node may try again.
    assert r.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert r.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    count = len(r.commands)
    wait(lambda: any(c.valid for c in r.commands[count:]), "the node does not drive after a new start")
    assert not r.node.watchdog.trouble


def test_an_engine_that_cannot_be_opened_again_ends_in_the_error_state(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    r = rig()

    def refuse(*_: Any) -> FaultyEngine:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(providers, "open_engine", refuse)
    r.hang(0)
    wait(lambda: r.state == "unconfigured", "the node did not go through its error state", timeout_s=30.0)
    assert r.said("the device is gone")


def test_a_slow_engine_is_no_hanging_one(rig: Callable[..., Rig]) -> None:
    r = rig(**{"watchdog.minimum_s": 30.0})
    r.hang(0)
    wait(lambda: r.said("hangs"), "more than ten periods are not reported")
    time.sleep(0.3)
    assert len(r.engines) == 1, "restarted before minimum_s"
    r.engines[0].mode = ""
    r.engines[0].released.set()
    wait(lambda: r.commands[-1].valid, "the answer that came late was thrown away")
    wait(lambda: not r.node.watchdog.trouble, "the trouble is not over")


def test_a_node_that_is_activated_again_while_its_engine_is_restarted_has_one_worker(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    r = rig()
    engine, may = r.node.opened[0].engine, threading.Event()
    restart = engine.restart
    monkeypatch.setattr(engine, "restart", lambda: may.wait(10) and restart())
    r.hang(0)
    wait(lambda: "being restarted" in r.node.watchdog.trouble, "the engine is not restarted")
    assert r.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert r.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    worker = r.node._worker
    may.set()
    wait(lambda: r.node.watchdog.restarts == 1, "the restart has not ended")
    assert r.node._worker is worker, "a second worker was put beside the first"
    count = len(r.commands)
    wait(lambda: sum(c.valid for c in r.commands[count:]) > 5, "no valid command after the restart")


def test_slowness_is_reported_and_no_reason_for_a_service_manager_to_end_the_node(rig: Callable[..., Rig]) -> None:
    r = rig(**{"watchdog.minimum_s": 5.0})
    r.hang(0)
    wait(lambda: bool(r.node.watchdog.trouble), "ten periods are not reported")
    assert not r.node.watchdog.stuck
    r.engines[0].mode = ""
    r.engines[0].released.set()


def test_a_node_whose_engine_hangs_says_its_last_word_before_it_waits_for_the_engine(rig: Callable[..., Rig]) -> None:
    r = rig(**{"watchdog.minimum_s": 30.0, "heartbeat_s": 2.0})
    r.hang(0)
    wait(lambda: bool(r.node.watchdog.trouble), "it does not hang")
    deactivation = threading.Thread(target=r.node.trigger_deactivate)
    deactivation.start()
    wait(lambda: r.commands[-1].reason == DEACTIVATED, "the vehicle is left to its last command", timeout_s=2.0)
    assert deactivation.is_alive(), "nothing was waited for"
    r.engines[0].released.set()
    deactivation.join(5.0)
    assert r.state == "inactive"
    wait(lambda: any("driving" in list(c.trace.models) for c in r.commands[-2:]), "the frame in work was not finished")
    wait(lambda: r.commands[-1].reason == DEACTIVATED, "the last word is a command to drive")
    r.engines[0].mode = ""
    assert r.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    count = len(r.commands)
    wait(lambda: sum(c.valid for c in r.commands[count:]) > 5, "no valid command after a new activation")
