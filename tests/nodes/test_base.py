"""Lifecycle, parameters, newest frame, bad frames and accounting, on a node that needs no model."""

from __future__ import annotations

import array
import time
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from tiny_node import TinyNode

from headway.errors import ConfigError
from headway_msgs.msg import HeadArray

pytestmark = pytest.mark.ros

SECOND = 1_000_000_000


def image(stamp_s: float = 1e9, width: int = 32, height: int = 24, encoding: str = "bgr8", **changes: Any) -> Image:
    ns = round(stamp_s * SECOND)
    message = Image(width=width, height=height, encoding=encoding, step=3 * width)
    message.header.stamp.sec, message.header.stamp.nanosec = ns // SECOND, ns % SECOND
    message.header.frame_id = "lens"
    message.data = array.array("B", bytes(3 * width * height))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def accounted(node: TinyNode) -> bool:
    s = node.ledger.summary()
    return s["received"] == s["answered"] + sum(s["dropped"].values())


BAD = {
    "encoding": (image(encoding="bayer_rggb8"), "bayer_rggb8"),
    "zero size": (image(width=0, height=0, data=array.array("B")), "size 0x0"),
    "truncated": (image(data=array.array("B", bytes(100))), "truncated"),
    "wrong step": (image(step=5), "step is 5"),
    "size changed": (image(width=16, height=12), "size changed from 32x24 to 16x12"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_frame_is_answered_invalid_with_the_reason_and_the_next_is_fine(
    bench: Bench, tiny: TinyNode, fault: str
) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    bad, word = BAD[fault]
    for i, message in enumerate((image(), bad, image())):
        message.header.stamp.sec = 1_000_000 + i
        camera.publish(message)
        wait(lambda n=i: len(heard) == n + 1, f"frame {i} was not answered")  # type: ignore[misc]
    first, second, third = heard
    assert first.valid
    assert first.header.frame_id == "lens"
    assert not second.valid
    assert word in second.reason
    assert second.header.stamp.sec == 1_000_001
    # A size that came back is a change of size again.
    assert third.valid is (fault != "size changed")
    assert tiny.ledger.summary()["invalid"] == {m.reason: 1 for m in heard if not m.valid}


def test_newest_frame_wins_and_every_other_is_counted_as_dropped(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    tiny.gate.clear()
    camera.publish(image(1))
    wait(lambda: tiny.ledger.received == 1 and tiny._worker.busy_since_ns > 0, "the first frame was not taken")
    for i in range(2, 11):
        camera.publish(image(i))
    wait(lambda: tiny.ledger.received == 10, "not all frames were seen")
    tiny.gate.set()
    wait(lambda: len(heard) == 2, "two answers are due")
    assert [m.header.stamp.sec for m in heard] == [1, 10]
    assert [m.trace.frame_index for m in heard] == [0, 9]
    assert [m.trace.dropped for m in heard] == [0, 8]
    assert heard[1].trace.dropped_total == 8
    assert accounted(tiny)


def test_answers_plus_drops_are_all_frames(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    camera.publish(image(1))
    wait(lambda: len(heard) == 1, "the first frame was not answered")
    for i in range(1, 150):  # far faster than the executor takes them: some are overwritten inside DDS
        camera.publish(image(1 + i / 30))
    wait(lambda: bool(heard) and heard[-1].trace.frame_index == 149, "the last frame was not answered")
    assert len(heard) + heard[-1].trace.dropped_total == 150
    assert sum(m.trace.dropped for m in heard) == heard[-1].trace.dropped_total
    stamps = [m.header.stamp.sec * SECOND + m.header.stamp.nanosec for m in heard]
    assert stamps == sorted(set(stamps))


def test_disorder_is_dropped_and_a_restarted_source_is_followed(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    restarts = tiny.restarts
    for n, stamp_s in enumerate((100.0, 99.9, 100.0, 50.0)):
        camera.publish(image(stamp_s))
        wait(lambda n=n: tiny.ledger.received == n + 1 and accounted(tiny), "frame not accounted for")  # type: ignore[misc]
    wait(lambda: len(heard) == 2, "two answers are due")
    assert [m.header.stamp.sec for m in heard] == [100, 50]
    assert tiny.ledger.summary()["dropped"] == {"its stamp is not newer than the previous one": 2}
    assert tiny.restarts == restarts + 1


def test_zero_stamp_is_answered_with_a_zero_stamp(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    for n in range(2):
        camera.publish(image(0))
        wait(lambda n=n: len(heard) == n + 1, "not answered")  # type: ignore[misc]
    assert [(m.valid, m.header.stamp.sec, m.header.stamp.nanosec) for m in heard] == [(True, 0, 0)] * 2


def test_bytes_that_are_no_message_are_counted_and_survived(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    camera.publish(serialize_message(image(5))[:40])
    wait(lambda: tiny.ledger.received == 1 and accounted(tiny), "not accounted for")
    camera.publish(image(6))
    wait(lambda: bool(heard) and heard[-1].header.stamp.sec == 6, "the node does not live on")
    s = tiny.ledger.summary()
    assert sum(s["dropped"].values()) + sum(s["invalid"].values()) == 1


def test_a_stale_frame_is_answered_invalid(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    bench.matched("tiny/heads")
    now = tiny.get_clock().now().nanoseconds
    camera.publish(image((now - 2 * SECOND) / SECOND))
    wait(lambda: len(heard) == 1, "not answered")
    assert not heard[0].valid
    assert "stale" in heard[0].reason
    assert heard[0].trace.age_ms > 2000


def test_deactivated_node_is_silent_and_comes_back(bench: Bench, tiny: TinyNode) -> None:
    heard = bench.record(HeadArray, "tiny/heads")
    camera = bench.publisher(Image, "image")
    assert tiny.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    wait(lambda: camera.get_subscription_count() == 0, "still subscribed")
    assert tiny._worker is None
    assert tiny.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert tiny.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert tiny.trigger_activate() == TransitionCallbackReturn.SUCCESS
    wait(lambda: camera.get_subscription_count() == 1, "not subscribed again")
    stamps = iter(range(7, 1000))

    def answered() -> bool:
        camera.publish(image(next(stamps)))
        time.sleep(0.05)
        return bool(heard)

    wait(answered, "not answered after coming back")


def test_failed_configure_leaves_an_unconfigured_node_that_can_try_again(bench: Bench) -> None:
    from headway.errors import ModelError

    node = bench.add(TinyNode(context=bench.context))
    load, node.load = node.load, lambda: (_ for _ in ()).throw(ModelError("no model 'x'"))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node._state_machine.current_state[1] == "unconfigured"
    node.load = load
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("threads", 0, "[1, 64]"),
        ("threads", 1.5, "type int"),
        ("input.max_age_s", 1, "write 1.0"),
        ("input.transport", "pigeon", "raw, compressed"),
        ("input.transprt", "raw", "did you mean 'input.transport'"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_with_the_cure(bench: Bench, name: str, value: Any, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TinyNode(context=bench.context, parameter_overrides=[Parameter(name, value=value)])
    assert word in str(caught.value)
    assert name.rpartition(".")[2][:6] in str(caught.value)


def test_parameters_change_only_where_they_take_effect(bench: Bench) -> None:
    node = bench.add(TinyNode(context=bench.context))
    assert node.set_parameters([Parameter("input.max_age_s", value=2.0)])[0].successful
    refused = node.set_parameters([Parameter("input.transport", value="pigeon")])[0]
    assert not refused.successful
    assert "raw, compressed" in refused.reason
    node.trigger_configure()
    assert node.config.input.max_age_s == 2.0
    late = node.set_parameters([Parameter("input.max_age_s", value=3.0)])[0]
    assert not late.successful
    assert "configure" in late.reason
    description = node.describe_parameter("input.max_age_s")
    assert description.description
    assert description.floating_point_range[0].to_value == 60.0


def test_diagnostics_tell_rate_drops_and_reasons(bench: Bench, tiny: TinyNode) -> None:
    diagnostics = bench.record(DiagnosticArray, "/diagnostics")
    camera = bench.publisher(Image, "image")
    camera.publish(image(encoding="bayer_rggb8"))
    wait(lambda: tiny.ledger.answered == 1, "not answered")

    def told() -> bool:
        values = {v.key: v.value for m in diagnostics for s in m.status for v in s.values}
        return values.get("answered") == "1" and any("bayer_rggb8" in k for k in values)

    wait(told, "the reason is not in the diagnostics")


def test_incompatible_reliability_is_warned_of_once_with_the_cure(bench: Bench) -> None:
    node = bench.add(
        TinyNode(context=bench.context, parameter_overrides=[Parameter("input.reliability", value="reliable")])
    )
    said: list[str] = []
    log = node.get_logger()
    node.get_logger = lambda: type("Log", (), {"warning": said.append, "info": log.info})()  # type: ignore[method-assign]
    node.trigger_configure()
    node.trigger_activate()
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    for _ in range(2):
        bench.tester.create_publisher(Image, "image", best_effort)
    wait(lambda: bool(said), "no warning")
    assert "/image" in said[0]
    assert "RELIABILITY" in said[0]
    assert "set input.reliability to best_effort" in said[0]
    assert len(said) == 1


def test_the_period_of_the_diagnostics_may_be_changed_before_configuring(bench: Bench) -> None:
    node = bench.add(TinyNode(context=bench.context))
    timers = len(list(node.timers))
    assert node.set_parameters([Parameter("diagnostics_period_s", value=0.25)])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert len(list(node.timers)) == timers
    assert node._diagnose_timer.timer_period_ns == SECOND // 4
