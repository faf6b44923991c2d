"""The real nodes with the shipped weights: what they say of good frames, bad frames and silence."""

from __future__ import annotations

import array
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench, wait
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
from visualization_msgs.msg import MarkerArray

from headway.errors import EngineError
from headway.runtime.engine import installed_models
from headway.sensors import stamp_of
from headway_msgs.msg import DriveCommand, ForecastArray, Head, HeadArray, Risk, RiskArray

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="the shipped weights are missing"
    ),
]

WIDTH, HEIGHT = 320, 240
START_S = 1_700_000_000


def stamped(message: Any, index: int) -> Any:
    message.header.stamp.sec, message.header.stamp.nanosec = START_S + index // 10, index % 10 * 100_000_000
    message.header.frame_id = "lens"
    return message


def picture(index: int) -> Image:
    pixels = np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    message = Image(width=WIDTH, height=HEIGHT, encoding="bgr8", step=3 * WIDTH)
    message.data = array.array("B", pixels.tobytes())
    return stamped(message, index)


def jpeg(index: int) -> CompressedImage:
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    message = CompressedImage(format="jpeg")
    message.data = array.array("B", cv2.imencode(".jpg", pixels)[1].tobytes())
    return stamped(message, index)


def camera_info(index: int) -> CameraInfo:
    k = [300.0, 0.0, WIDTH / 2, 0.0, 300.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    return stamped(CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5, k=k), index)


def heads(index: int, valid: bool = True) -> HeadArray:
    message = HeadArray(valid=valid, reason="" if valid else "image is truncated", width=WIDTH, height=HEIGHT)
    if valid:
        head = Head(x_min=150.0, y_min=90.0, x_max=170.0, y_max=115.0, score=0.9)
        head.orientation.w = 1.0
        message.heads = [head]
    return stamped(message, index)


def started(bench: Bench, kind: type, **parameters: Any) -> Any:
    overrides = [Parameter(k.replace("__", "."), value=v) for k, v in parameters.items()]
    node = bench.add(kind(context=bench.context, parameter_overrides=overrides))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    return node


def matched(bench: Bench, *topics: str) -> None:
    for topic in topics:
        bench.matched(topic)


@pytest.fixture
def head_pose(bench: Bench) -> Any:
    from headway.nodes.head_pose import HeadPoseNode

    return started(bench, HeadPoseNode, input__transport="compressed")


def test_head_pose_answers_compressed_images_with_the_hash_of_its_weights(bench: Bench, head_pose: Any) -> None:
    heard = bench.record(HeadArray, "/head_pose/heads")
    matched(bench, "/head_pose/heads")
    camera = bench.publisher(CompressedImage, "image/compressed")
    camera.publish(jpeg(1))
    wait(lambda: len(heard) == 1, "not answered")
    assert heard[0].valid
    assert (heard[0].width, heard[0].height) == (WIDTH, HEIGHT)
    assert list(heard[0].trace.models) == ["head-pose"]
    assert len(heard[0].trace.hashes[0]) == 64
    assert list(heard[0].trace.stages) == ["decode", "monitor", "heads"]
    broken = jpeg(2)
    broken.data = broken.data[: len(broken.data) // 2]
    camera.publish(broken)
    wait(lambda: len(heard) == 2, "the truncated image was not answered")
    assert not heard[1].valid
    assert "truncated" in heard[1].reason


def test_debug_image_is_drawn_only_while_somebody_looks(bench: Bench, head_pose: Any) -> None:
    heard = bench.record(HeadArray, "/head_pose/heads")
    matched(bench, "/head_pose/heads")
    camera = bench.publisher(CompressedImage, "image/compressed")
    camera.publish(jpeg(1))
    wait(lambda: len(heard) == 1, "not answered")
    assert not head_pose._picture.wanted
    pictures = bench.record(Image, "/head_pose/debug_image")
    wait(lambda: head_pose._picture.wanted, "not matched")
    camera.publish(jpeg(2))
    wait(lambda: len(pictures) == 1 and len(heard) == 2, "nothing drawn")
    assert pictures[0].encoding == "bgr8"
    assert len(pictures[0].data) == pictures[0].height * pictures[0].step
    assert pictures[0].header == heard[1].header


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


def test_a_network_that_fails_is_answered_with_its_words_and_the_next_frame_is_fine(
    bench: Bench, head_pose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = bench.record(HeadArray, "/head_pose/heads")
    bench.matched("/head_pose/heads")
    camera = bench.publisher(CompressedImage, "image/compressed")

    def fail(*_: Any) -> None:
        raise EngineError("ONNX Runtime failed: out of memory")

    with monkeypatch.context() as broken:
        broken.setattr(head_pose._task, "_heads", fail)
        camera.publish(jpeg(1))
        wait(lambda: len(heard) == 1, "not answered")
    camera.publish(jpeg(2))
    wait(lambda: len(heard) == 2, "not answered after the failure")
    assert (heard[0].valid, heard[0].reason) == (False, "ONNX Runtime failed: out of memory")
    assert heard[1].valid


@pytest.mark.parametrize("good", [True, False], ids=["good frame", "unknown encoding"])
def test_the_node_with_all_tasks_answers_on_every_topic_with_the_image_header(bench: Bench, good: bool) -> None:
    from headway.nodes.headway import HeadwayNode

    started(bench, HeadwayNode, input__timeout_s=5.0, heartbeat_s=2.0)
    names = {"heads": HeadArray, "forecasts": ForecastArray, "risk": RiskArray, "command": DriveCommand}
    outputs = {kind: bench.record(kind, f"/headway/{name}") for name, kind in names.items()}
    matched(bench, *(f"/headway/{name}" for name in names))
    info, camera = bench.publisher(CameraInfo, "camera_info"), bench.publisher(Image, "image")
    info.publish(camera_info(1))
    image = picture(1)
    if not good:
        image.encoding = "bayer_rggb8"
    camera.publish(image)
    wait(lambda: all(outputs.values()), "a topic stayed silent")
    for heard in outputs.values():
        assert heard[0].header == image.header
    if good:
        assert outputs[HeadArray][0].valid
        assert outputs[DriveCommand][0].valid
    else:
        assert not any(heard[0].valid for heard in outputs.values())
        assert all("bayer_rggb8" in heard[0].reason for heard in outputs.values())


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
        wait(lambda i=index: len(risks) == i + 1, f"frame {index} not answered")
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
