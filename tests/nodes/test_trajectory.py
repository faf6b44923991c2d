"""The node trajectory with the shipped weights: missing sensors, silence, alerts."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import TransitionCallbackReturn
from ros_bench import Bench, wait
from sensor_msgs.msg import CameraInfo, Imu
from task_messages import HEIGHT, START_S, TASK_NODE, WIDTH, camera_info, heads, matched, stamped, started
from visualization_msgs.msg import MarkerArray

from headway.nodes.watch import DEACTIVATED
from headway_msgs.msg import ForecastArray, Head, HeadArray, Risk, RiskArray

pytestmark = TASK_NODE


@pytest.fixture
def trajectory(bench: Bench) -> Any:
    from headway.nodes.trajectory import TrajectoryNode

    # Long enough that a busy machine does not say "silence" between two messages of a test.
    mounting = [-0.5, 0.5, -0.5, 0.5]
    return started(bench, TrajectoryNode, sensors__camera_imu_rotation=mounting, input__timeout_s=2.0)


def test_trajectory_without_camera_info_is_unsure_and_says_why_and_then_recovers(bench: Bench, trajectory: Any) -> None:
    forecasts, risks = bench.record(ForecastArray, "/trajectory/forecasts"), bench.record(RiskArray, "/trajectory/risk")
    matched(bench, "/trajectory/forecasts", "/trajectory/risk")
    source, info = bench.publisher(HeadArray, "heads"), bench.publisher(CameraInfo, "camera_info")
    source.publish(heads(1))
    wait(lambda: len(forecasts) == 1 and len(risks) == 1, "not answered")
    assert forecasts[0].unsure
    assert not forecasts[0].forecasts
    assert "camera_info" in forecasts[0].reason
    assert risks[0].unsure
    assert "camera_info" in risks[0].reason
    assert risks[0].level == Risk.UNSURE
    info.publish(camera_info(2))
    wait(lambda: trajectory._sensors._camera is not None, "camera_info did not arrive")
    source.publish(heads(2))
    wait(lambda: len(forecasts) == 2, "not answered after camera_info")
    assert forecasts[1].valid
    assert len(forecasts[1].forecasts) == 1
    assert len(forecasts[1].forecasts[0].x) == 20 * 12
    assert forecasts[1].unsure, "no IMU yet"
    source.publish(heads(3, valid=False))
    wait(lambda: len(forecasts) == 3, "invalid heads were not answered")
    assert not forecasts[2].valid
    assert "truncated" in forecasts[2].reason


def test_trajectory_uses_the_imu_and_marks_people_for_rviz(bench: Bench, trajectory: Any) -> None:
    forecasts = bench.record(ForecastArray, "/trajectory/forecasts")
    markers = bench.record(MarkerArray, "/trajectory/markers")
    matched(bench, "/trajectory/forecasts", "/trajectory/markers")
    source, info = bench.publisher(HeadArray, "heads"), bench.publisher(CameraInfo, "camera_info")
    imu = bench.publisher(Imu, "imu")
    info.publish(camera_info(1))
    for index in (10, 11):
        message = stamped(Imu(), index)
        message.orientation.w = 1.0
        imu.publish(message)
    wait(
        lambda: trajectory._sensors.view(START_S * 10**9 + 10**9, "lens", WIDTH, HEIGHT).unsure == "", "sensors missing"
    )
    source.publish(heads(10))
    wait(lambda: len(forecasts) == 1 and len(markers) == 1, "not answered")
    assert forecasts[0].valid
    # A head 20 px wide in the image's centre is straight ahead, x in the semi-local frame.
    position = forecasts[0].forecasts[0].position
    assert position.x > 1.0
    assert abs(position.y) < 0.2 * position.x
    assert markers[0].markers
    unstamped = heads(11)
    unstamped.header.stamp = Time()
    source.publish(unstamped)
    wait(lambda: len(markers) == 2, "not answered")
    assert {m.header.stamp.sec for m in markers[1].markers} == {0}, "a stamp was invented"


def test_trajectory_says_unsure_when_its_input_stops(bench: Bench) -> None:
    from headway.nodes.trajectory import TrajectoryNode

    started(bench, TrajectoryNode)
    risks = bench.record(RiskArray, "/trajectory/risk")
    matched(bench, "/trajectory/risk")
    info, source = bench.publisher(CameraInfo, "camera_info"), bench.publisher(HeadArray, "heads")
    info.publish(camera_info(1))
    source.publish(heads(1))
    wait(lambda: any("no heads for" in r.reason for r in risks), "silence was never said")
    said = next(r for r in risks if "no heads for" in r.reason)
    assert said.unsure
    assert not said.valid
    assert said.level == Risk.UNSURE
    assert said.header.stamp.sec == START_S, "no stamp is invented"


def test_trajectory_tells_of_an_alert_once_while_the_risk_goes_out_with_every_frame(
    bench: Bench, trajectory: Any
) -> None:
    risks = bench.record(RiskArray, "/trajectory/risk")
    told = bench.record(DiagnosticArray, "/diagnostics")
    matched(bench, "/trajectory/risk", "/diagnostics")
    source, info = bench.publisher(HeadArray, "heads"), bench.publisher(CameraInfo, "camera_info")
    info.publish(camera_info(1))
    wait(lambda: trajectory._sensors._camera is not None, "camera_info did not arrive")
    for index in range(20):
        distance = 4.0 - 0.14 * index
        half = 0.5 * 300.0 * 0.23 / distance
        message = heads(index)
        message.heads = [
            Head(x_min=160 - half, y_min=120 - half, x_max=160 + half, y_max=120 + half, score=0.9, sigma=1.0)
        ]
        message.heads[0].orientation.w = 1.0
        source.publish(message)
        # By its stamp and not by its number: on a busy machine the node may have said "silence" in between.
        stamp = message.header.stamp
        wait(lambda s=stamp: any(r.header.stamp == s for r in risks), f"frame {index} not answered")
    alerts = [r for r in risks if r.level == Risk.ALERT]
    assert len(alerts) > 5, "somebody who walks up to the camera"
    said = [s for m in told for s in m.status if s.name == "trajectory: alert"]
    assert len(said) == 1
    assert said[0].message.startswith("person ahead")
    assert said[0].level == DiagnosticStatus.ERROR
    values = {v.key: v.value for v in said[0].values}
    assert values["direction"] == "ahead"
    wait(
        lambda: any(v.key == "alerts_told" and v.value == "1" for m in told for s in m.status for v in s.values),
        "the account does not say how often the wearer was told",
    )


def stream(told: list[Any]) -> tuple[bytes, str, str]:
    """Level, message and the risk as the last diagnostics have them."""
    status = next(s for m in reversed(told) for s in m.status if s.name == "trajectory: stream")
    return status.level, status.message, {v.key: v.value for v in status.values}.get("risk", "")


def test_diagnostics_never_call_a_risk_clear_or_running_that_is_unsure(bench: Bench) -> None:
    from headway.nodes.trajectory import TrajectoryNode

    started(bench, TrajectoryNode, input__timeout_s=2.0, diagnostics_period_s=0.1)
    told = bench.record(DiagnosticArray, "/diagnostics")
    matched(bench, "/diagnostics")
    source = bench.publisher(HeadArray, "heads")
    source.publish(heads(1))
    no_camera = "no camera_info received"
    wait(lambda: bool(told) and no_camera in stream(told)[2], "the risk is not told")
    level, message, _ = stream(told)
    assert level == DiagnosticStatus.WARN
    assert message.startswith(f"risk unsure: {no_camera}")
    source.publish(heads(2, valid=False))
    wait(
        lambda: stream(told)[2] == "unsure: no heads: image is truncated",
        "a frame not answered left the risk as it was",
    )


def test_the_last_word_of_a_node_that_is_deactivated_is_that_the_risk_is_unsure(bench: Bench, trajectory: Any) -> None:
    risks = bench.record(RiskArray, "/trajectory/risk")
    matched(bench, "/trajectory/risk")
    bench.publisher(HeadArray, "heads").publish(heads(1))
    wait(lambda: any(r.valid for r in risks), "not answered")
    assert trajectory.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    wait(lambda: risks[-1].reason == DEACTIVATED, "it fell silent")
    assert (risks[-1].valid, risks[-1].unsure, risks[-1].level) == (False, True, Risk.UNSURE)
