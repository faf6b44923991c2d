"""Plays a bag's serialized messages into the graph at their recorded times, with /clock. Nothing is decoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from headway.bags import BagReader
from headway.nodes.outputs import message_class

CLOCK_PERIOD_S = 0.02


def header_stamp(data: bytes) -> int:
    """Stamp in ns of a serialized message that begins with a std_msgs/Header (CDR, either byte order)."""
    order = "little" if data[1] & 1 else "big"
    sec = int.from_bytes(data[4:8], order, signed=True)  # type: ignore[arg-type]
    return sec * 1_000_000_000 + int.from_bytes(data[8:12], order)  # type: ignore[arg-type]


class Player:
    """Publishers for `topics` (name -> message type) of one bag."""

    def __init__(self, node: Any, bag: Path, topics: Mapping[str, str], rate: float) -> None:
        self._bag, self._rate = bag, rate
        self.publishers = {
            name: node.create_publisher(message_class(kind), name, QoSProfile(depth=50))
            for name, kind in topics.items()
        }
        self._clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
        with BagReader(bag) as opened:
            first = next(opened.messages(list(topics)), None)
        self._start_ns = first.stamp_ns if first else 0
        self._began = 0.0

    def now_ns(self) -> int:
        """Time of the bag at this moment; it stands at the start until `play` begins, for nodes speak before that."""
        if not self._began:
            return self._start_ns
        return self._start_ns + round((time.monotonic() - self._began) * self._rate * 1e9)

    def play(self, sent: Callable[[str, bytes], None], going: Callable[[], bool]) -> str:
        """Publishes everything; `sent` hears of each message just before it goes out. Returns what the bag lost."""
        with BagReader(self._bag) as bag:
            for message in bag.messages(list(self.publishers)):
                self._began = self._began or time.monotonic()
                self._wait_until(message.stamp_ns, going)
                if not going():
                    break
                sent(message.topic, message.data)
                self.publishers[message.topic].publish(message.data)
            return bag.loss

    def _wait_until(self, stamp_ns: int, going: Callable[[], bool]) -> None:
        due = self._began + (stamp_ns - self._start_ns) * 1e-9 / self._rate
        while going():
            self.tick()
            left = due - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, CLOCK_PERIOD_S))

    def tick(self) -> None:
        """Publishes /clock; also called after the last message, so that time goes on."""
        now_ns = self.now_ns()
        self._clock.publish(Clock(clock=Time(sec=now_ns // 1_000_000_000, nanosec=now_ns % 1_000_000_000)))
