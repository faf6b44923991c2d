"""A closed-loop run as a bag: the same images and odometry for the node and for replay, and the commands given.

What the node answers to such a bag must be what the driver answered in the loop: a test holds them together.
"""

from __future__ import annotations

import math
from pathlib import Path

from headway.bags import BagWriter
from headway.messages import COMMAND, drive_command, stamp
from headway.types import DriveCommand, Trace, View
from headway.worlds import Observation

IMAGE_TOPIC, ODOM_TOPIC, COMMAND_TOPIC = "/camera/image_raw", "/odom", "/ground_truth/drive"
FRAME_ID = "camera_optical_frame"


class RunRecorder:
    """Writes every step of a run; pass `step` as the `watch` of headway.evaluate.closed_loop.drive.

    with RunRecorder(path) as recorder:
        drive(world, driver, "one-turn", 20_000, watch=recorder.step)
    """

    def __init__(self, path: Path) -> None:
        self._bag = BagWriter(path)

    def __enter__(self) -> RunRecorder:
        return self

    def __exit__(self, *error: object) -> None:
        self._bag.close()

    def step(self, seen: Observation, command: DriveCommand) -> None:
        """One image, raw so that no pixel changes, with its odometry before it and the command after it."""
        at = seen.stamp_ns
        header = {"stamp": stamp(at), "frame_id": FRAME_ID}
        x, y, yaw = seen.pose
        turn = {"z": math.sin(yaw / 2), "w": math.cos(yaw / 2)}
        odometry = {
            "header": {"stamp": stamp(at), "frame_id": "odom"},
            "child_frame_id": "base_link",
            "pose": {"pose": {"position": {"x": x, "y": y}, "orientation": turn}},
            "twist": {"twist": {"linear": {"x": seen.speed_mps}, "angular": {"z": seen.yaw_rate}}},
        }
        height, width = seen.image.shape[:2]
        image = {
            "header": header,
            "height": height,
            "width": width,
            "encoding": "bgr8",
            "step": 3 * width,
            "data": seen.image.tobytes(),
        }
        self._bag.write(ODOM_TOPIC, "nav_msgs/msg/Odometry", odometry, at)
        self._bag.write(IMAGE_TOPIC, "sensor_msgs/msg/Image", image, at + 1_000)
        fields = drive_command(command, View(stamp_ns=at, frame_id=FRAME_ID), Trace())
        self._bag.write(COMMAND_TOPIC, COMMAND, fields, at + 2_000)
