"""What the tests of the task nodes send, and how they start a node."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_bench import Bench
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from headway.runtime.model import installed_models
from headway_msgs.msg import Head, HeadArray

TASK_NODE = [
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
