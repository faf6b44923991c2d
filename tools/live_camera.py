"""A camera and its sensors as a process of their own: live_camera.py PLAN.json.

Plays a bag in a loop with the stamps of now. With "raw", its images become raw bgr8 ones of that size at "rate_hz" (30
pictures of the bag, forth and back). Writes "result": per image its stamp and the monotonic time of its publication.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import time
from array import array
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image

from headway.bags import BagReader
from headway.images import IMAGE, decode_image
from headway.nodes.outputs import message_class
from headway.ros_environment import prepare

PICTURES = 30  # of a raw camera
MATCH_S, SETTLE_S = 30.0, 0.5
STAMP = struct.Struct("<iI")  # of a little-endian CDR message that begins with a std_msgs/Header
STAMP_AT = 4


class Camera:
    """See above. plan: bag, topics (role -> topic), raw, rate_hz, image_as, frames, seconds, subscribers, result."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan, self.going = plan, True
        self._node = rclpy.create_node("live_camera")
        self._image = plan["topics"]["image"]
        self._names = {self._image: plan.get("image_as") or self._image}
        self._loop, self._loop_s, kinds = self._load()
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)  # as camera drivers publish
        self._publishers = {
            t: self._node.create_publisher(message_class(kind), self._names.get(t, t), qos) for t, kind in kinds.items()
        }
        self.sent: list[tuple[int, int]] = []

    def _load(self) -> tuple[list[tuple[float, str, bytearray]], float, dict[str, str]]:
        """One round: (seconds from its start, topic, message), its length in seconds, topic -> type."""
        topics = [t for t in self._plan["topics"].values() if t]
        with BagReader(Path(self._plan["bag"])) as bag:
            messages = [(m.stamp_ns, m.topic, bytearray(m.data)) for m in bag.messages(topics)]
            kinds = {t: bag.topics[t].msgtype for t in topics}
            raw = self._raw(bag) if self._plan["raw"] else []
        start = messages[0][0]
        loop = [((ns - start) * 1e-9, topic, data) for ns, topic, data in messages]
        images = [at for at, topic, _ in loop if topic == self._image]
        length_s = images[-1] + images[-1] / (len(images) - 1)
        if not raw:
            return loop, length_s, kinds
        kinds[self._image] = IMAGE
        loop = [(at, topic, self._scaled(data) if kinds[topic].endswith("CameraInfo") else data)
                for at, topic, data in loop if topic != self._image]  # fmt: skip
        count = round(length_s * self._plan["rate_hz"])
        there_and_back = [*raw, *raw[-2:0:-1]]
        loop += [(i / self._plan["rate_hz"], self._image, there_and_back[i % len(there_and_back)])
                 for i in range(count)]  # fmt: skip
        return sorted(loop, key=lambda item: item[0]), count / self._plan["rate_hz"], kinds

    def _raw(self, bag: BagReader) -> list[bytearray]:
        wide, high = self._plan["raw"]
        made = []
        for message in islice(bag.messages([self._image]), PICTURES):
            picture = cv2.resize(decode_image(message.decode()), (wide, high), interpolation=cv2.INTER_CUBIC)
            image = Image(width=wide, height=high, encoding="bgr8", step=3 * wide)
            image.header.frame_id = message.decode().header.frame_id
            image.data = array("B")
            image.data.frombytes(memoryview(picture).cast("B"))
            made.append(bytearray(serialize_message(image)))
        return made

    def _scaled(self, data: bytearray) -> bytearray:
        """The intrinsics of the enlarged picture."""
        from rclpy.serialization import deserialize_message

        info, (wide, high) = deserialize_message(bytes(data), CameraInfo), self._plan["raw"]
        x, y = wide / info.width, high / info.height
        info.k = [k * s for k, s in zip(info.k, (x, x, x, y, y, y, 1, 1, 1), strict=True)]
        info.p = [k * s for k, s in zip(info.p, (x, x, x, x, y, y, y, y, 1, 1, 1, 1), strict=True)]
        info.width, info.height = wide, high
        return bytearray(serialize_message(info))

    def match(self) -> None:
        """Before the first frame goes out every subscriber must be there, or it is lost without a trace."""
        for role, count in self._plan["subscribers"].items():
            publisher = self._publishers[self._plan["topics"][role]]
            end = time.monotonic() + MATCH_S
            while publisher.get_subscription_count() < count and self.going:
                if time.monotonic() > end:
                    raise SystemExit(f"error: {role} has not found its {count} subscribers")
                time.sleep(0.01)
        time.sleep(SETTLE_S)

    def play(self) -> None:
        """Round after round, until so many frames are sent, so many seconds have passed, or a signal comes."""
        frames, end = self._plan.get("frames") or sys.maxsize, self._plan.get("seconds") or 1e12
        print(json.dumps({"event": "playing"}), flush=True)
        began = time.monotonic()
        for turn in range(sys.maxsize):
            for at, topic, data in self._loop:
                due = began + turn * self._loop_s + at
                while self.going and (left := due - time.monotonic()) > 0:
                    time.sleep(min(left, 0.1))
                if not self.going or len(self.sent) >= frames or due - began >= end:
                    return
                stamp_ns = time.time_ns()
                STAMP.pack_into(data, STAMP_AT, *divmod(stamp_ns, 1_000_000_000))
                message = bytes(data)
                if topic == self._image:
                    self.sent.append((stamp_ns, time.monotonic_ns()))
                self._publishers[topic].publish(message)

    def close(self) -> None:
        """Leaves the graph and writes what was sent."""
        Path(self._plan["result"]).write_text(json.dumps({"sent": self.sent}), encoding="utf-8")
        self._node.destroy_node()
        rclpy.try_shutdown()


def main() -> None:
    """Entry point."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    prepare()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    camera = Camera(plan)

    def stop(*_: Any) -> None:
        camera.going = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    camera.match()
    camera.play()
    time.sleep(0.2)  # the last one is still on its way
    camera.close()


if __name__ == "__main__":
    main()
