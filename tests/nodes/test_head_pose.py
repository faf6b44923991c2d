"""The node head_pose with the shipped weights: good pictures, truncated ones, a network that fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_bench import Bench, wait
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from task_messages import HEIGHT, TASK_NODE, WIDTH, jpeg, matched, started

from headway.errors import EngineError
from headway_msgs.msg import HeadArray

pytestmark = TASK_NODE


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


def test_what_auto_has_become_is_told_by_its_name(bench: Bench) -> None:
    from headway.nodes.head_pose import HeadPoseNode

    node = started(bench, HeadPoseNode, engine="auto")
    running = node.opened[0].engine.name
    assert running != "auto"
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    heard: list[String] = []
    bench.tester.create_subscription(String, "/head_pose/model_info", heard.append, latched)
    wait(lambda: bool(heard), "no model_info")
    assert json.loads(heard[0].data) == {"engine": running, "models": node.models}
