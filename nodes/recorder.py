"""Writes every output of the graph as it comes, and keeps account of which frame was answered when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from headway.bags import BagWriter
from headway.nodes.outputs import message_class
from headway.nodes.player import header_stamp

DEPTH = 1000


@dataclass
class Account:
    """One task: answers by the index of their frame, latency from the image's publication to the answer's arrival."""

    answered: dict[int, int] = field(default_factory=dict)  # frame index -> stamp
    latency_ms: list[float] = field(default_factory=list)
    invalid: dict[str, int] = field(default_factory=dict)
    dropped: int = 0


class Recorder:
    """Subscribes `topics` (name -> message type); `answers` names the topic on which each task answers every frame."""

    def __init__(
        self, node: Any, path: Path, topics: Mapping[str, str], answers: Mapping[str, str], now_ns: Callable[[], int]
    ) -> None:
        self._writer = BagWriter(path)
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._open = True
        self._sent: dict[int, float] = {}  # stamp of the image -> monotonic time of its publication
        self.accounts = {task: Account() for task in answers}
        self.diagnostics: dict[str, dict[str, str]] = {}
        tasks = {topic: task for task, topic in answers.items()}
        for topic, kind in topics.items():
            callback = self._hearing(topic, kind, tasks.get(topic))
            node.create_subscription(message_class(kind), topic, callback, QoSProfile(depth=DEPTH), raw=True)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=50))

    def sent(self, data: bytes) -> None:
        """An image goes out now."""
        with self._lock:
            self._sent[header_stamp(data)] = time.monotonic()

    def _hearing(self, topic: str, kind: str, task: str | None) -> Callable[[bytes], None]:
        def heard(data: bytes) -> None:
            arrived = time.monotonic()
            with self._lock:
                if not self._open:
                    return
                self._writer.write_raw(topic, kind, bytes(data), self._now_ns())
                if task:
                    self._count(self.accounts[task], deserialize_message(data, message_class(kind)), arrived)

        return heard

    def _count(self, account: Account, message: Any, arrived: float) -> None:
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        index = message.trace.frame_index
        account.dropped = max(account.dropped, message.trace.dropped_total)
        # What a node says by itself while its input is silent repeats a frame that was answered, or has no stamp yet.
        if index in account.answered or stamp_ns not in self._sent:
            return
        account.answered[index] = stamp_ns
        account.latency_ms.append((arrived - self._sent[stamp_ns]) * 1e3)
        if not message.valid:
            account.invalid[message.reason] = account.invalid.get(message.reason, 0) + 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                name = status.name.partition(":")[0]
                self.diagnostics[name] = {v.key: v.value for v in status.values}

    def waiting_for(self, frames: int, answers: Mapping[str, str]) -> list[str]:
        """Tasks that still owe an answer: fewer frames answered or counted as dropped than were sent to them."""
        with self._lock:
            owing = []
            for task in answers:
                a = self.accounts[task]
                due = frames
                if task == "trajectory" and "head_pose" in self.accounts:
                    due = len(self.accounts["head_pose"].answered)
                if len(a.answered) + a.dropped < due:
                    owing.append(task)
            return owing

    def close(self) -> None:
        """Finishes the bag; what comes later is not recorded."""
        with self._lock:
            self._open = False
            self._writer.close()
