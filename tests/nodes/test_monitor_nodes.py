"""The image monitor in the separate nodes: what is no picture of the world is not answered as one, as in replay."""

from __future__ import annotations

import array
import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_bench import Bench, wait
from sensor_msgs.msg import CameraInfo, CompressedImage
from task_messages import started

from headway.bags import BagReader
from headway.images import COMPRESSED
from headway.paths import sample_dir
from headway.runtime.model import installed_models
from headway.stages.monitor import INVALID
from headway_msgs.msg import DriveCommand, HeadArray, RiskArray

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="the shipped weights are missing"
    ),
]

PERIOD_NS = 66_666_667
START_NS = 1_700_000_000 * 10**9
INTRINSICS = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
BLACK = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def street() -> list[bytes]:
    """JPEG bytes of the first frames of the bundled recording."""
    with BagReader(sample_dir() / "street-vehicle.mcap") as bag:
        found = itertools.islice(bag.messages(bag.of_type(COMPRESSED)), 12)
        return [bytes(m.decode().data) for m in found]


def picture(index: int, jpeg: bytes) -> CompressedImage:
    message = CompressedImage(format="jpeg", data=array.array("B", jpeg))
    ns = START_NS + index * PERIOD_NS
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
    message.header.frame_id = "lens"
    return message


def shown(camera: Any, answers: list[Any], jpegs: list[bytes], first: int = 0) -> list[Any]:
    """Publishes each picture when the one before is answered; the answers, one a picture."""
    said = []
    for index, jpeg in enumerate(jpegs, first):
        message = picture(index, jpeg)
        camera.publish(message)
        wait(lambda m=message: any(a.header == m.header for a in answers), f"picture {index} was not answered")  # type: ignore[misc]
        said.append(next(a for a in answers if a.header == message.header))
    return said


def test_head_pose_says_suspect_then_sensor_invalid_in_message_and_diagnostics_and_recovers(
    bench: Bench, street: list[bytes]
) -> None:
    from headway.nodes.head_pose import HeadPoseNode

    node = started(bench, HeadPoseNode, input__transport="compressed", diagnostics_period_s=0.1)
    heads, diagnostics = bench.record(HeadArray, "/head_pose/heads"), bench.record(DiagnosticArray, "/diagnostics")
    bench.matched("/head_pose/heads")
    bench.publisher(CameraInfo, "camera_info").publish(CameraInfo(width=640, height=480, k=INTRINSICS))
    wait(lambda: not isinstance(node.sensors.camera(640, 480), str), "the intrinsics did not arrive")
    camera = bench.publisher(CompressedImage, "image/compressed")
    said = shown(camera, heads, [*street[:3], BLACK, BLACK, BLACK, BLACK, *street[3:6], street[6]])
    assert [a.valid for a in said] == [True] * 5 + [False] * 4 + [True] * 2
    assert [a.reason for a in said[:3]] == [""] * 3
    assert [a.reason for a in said[3:5]] == ["image suspect: black"] * 2
    assert [a.reason for a in said[5:7]] == [f"{INVALID}: black"] * 2
    assert all(a.reason.startswith(INVALID) for a in said[7:9])
    assert [a.reason for a in said[9:]] == ["", ""]
    assert "monitor" in list(said[0].trace.stages)
    assert node.ledger.summary()["invalid"][f"{INVALID}: black"] == 2

    def told() -> bool:
        values = {v.key: v.value for m in diagnostics for s in m.status for v in s.values}
        return values.get(f"invalid: {INVALID}: black") == "2"

    wait(told, "SENSOR_INVALID is not in the diagnostics")


def test_driving_comes_to_a_stop_while_the_sensor_is_invalid(bench: Bench, street: list[bytes]) -> None:
    from headway.nodes.driving import DrivingNode

    started(bench, DrivingNode, input__transport="compressed", heartbeat_s=2.0)
    commands = bench.record(DriveCommand, "/driving/command")
    bench.matched("/driving/command")
    camera = bench.publisher(CompressedImage, "image/compressed")
    said = shown(camera, commands, [*street[:3], *[BLACK] * 60])
    assert all(c.valid for c in said[:5])
    assert not any(c.valid for c in said[5:])
    assert all(c.reason == f"{INVALID}: black" for c in said[5:])
    assert said[-1].speed == 0.0
    assert said[-1].throttle == 0.0


def test_a_restarted_source_is_judged_anew(bench: Bench, street: list[bytes]) -> None:
    from headway.nodes.driving import DrivingNode

    started(bench, DrivingNode, input__transport="compressed", heartbeat_s=2.0)
    commands = bench.record(DriveCommand, "/driving/command")
    bench.matched("/driving/command")
    camera = bench.publisher(CompressedImage, "image/compressed")
    assert not shown(camera, commands, [street[0], *[BLACK] * 3], first=100)[-1].valid
    # Stamps that jump back by seconds are another source: the three good pictures of the debounce are not owed by it.
    first, second = shown(camera, commands, street[:2], first=20)
    assert "did not advance" in first.reason, "the gate, which goes on, takes one answer to see the clock change"
    assert second.valid


def test_a_suspect_image_makes_the_risk_unsure_across_the_nodes(bench: Bench, street: list[bytes]) -> None:
    from headway.nodes.head_pose import HeadPoseNode
    from headway.nodes.trajectory import TrajectoryNode

    started(bench, HeadPoseNode, input__transport="compressed")
    trajectory = started(bench, TrajectoryNode, input__timeout_s=5.0)
    risks = bench.record(RiskArray, "/trajectory/risk")
    heads = bench.record(HeadArray, "/head_pose/heads")
    # The tester hands the heads on: the launch files remap `heads` to the same effect.
    source = bench.publisher(HeadArray, "heads")
    info = bench.publisher(CameraInfo, "camera_info")
    bench.matched("/trajectory/risk")
    bench.matched("/head_pose/heads")
    k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
    info.publish(CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[0.0] * 5, k=k))
    wait(lambda: trajectory._sensors._camera is not None, "camera_info did not arrive")
    camera = bench.publisher(CompressedImage, "image/compressed")
    said = []
    for answer in shown(camera, heads, [street[0], BLACK, BLACK, BLACK]):
        source.publish(answer)
        wait(lambda a=answer: any(r.header == a.header for r in risks), "the heads were not answered")  # type: ignore[misc]
        said.append(next(r for r in risks if r.header == answer.header))
    assert "suspect" not in said[0].reason
    assert all(r.unsure for r in said[1:])
    assert all("image suspect: black" in r.reason for r in said[1:3])
    assert said[3].reason == f"no heads: {INVALID}: black"
    assert not said[3].valid


def test_the_monitor_can_be_switched_off(bench: Bench) -> None:
    from headway.nodes.driving import DrivingNode

    started(bench, DrivingNode, input__transport="compressed", heartbeat_s=2.0, monitor__enabled=False)
    commands = bench.record(DriveCommand, "/driving/command")
    bench.matched("/driving/command")
    camera = bench.publisher(CompressedImage, "image/compressed")
    assert all("SENSOR" not in c.reason for c in shown(camera, commands, [BLACK] * 4))
