"""The node with all tasks and the shipped weights: one frame, an answer on every topic."""

from __future__ import annotations

import pytest
from ros_bench import Bench, wait
from sensor_msgs.msg import CameraInfo, Image
from task_messages import TASK_NODE, camera_info, matched, picture, started

from headway_msgs.msg import DriveCommand, ForecastArray, HeadArray, RiskArray

pytestmark = TASK_NODE


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

    def answers(kind: type) -> list:
        """Without what the heartbeat says where this machine takes two seconds to begin."""
        return [message for message in outputs[kind] if message.header == image.header]

    wait(lambda: all(map(answers, outputs)), "a topic stayed silent, or has another header")
    found = {kind: answers(kind)[0] for kind in outputs}
    if good:
        assert found[HeadArray].valid
        assert found[DriveCommand].valid
    else:
        assert not any(message.valid for message in found.values())
        assert all("bayer_rggb8" in message.reason for message in found.values())
