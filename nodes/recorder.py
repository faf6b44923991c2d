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
        self._frames = 0
        self.accounts = {task: Account() for task in answers}
        # Tasks in a process of their own that live on the answers of head_pose instead of on images.
        chained = "head_pose" in answers and not _same_node(answers, "trajectory", "head_pose")
        self._chained = {t for t in answers if t == "trajectory" and chained}
        self.diagnostics: dict[str, dict[str, str]] = {}
        self._answers = dict(answers)
        self._newest = dict.fromkeys(topics, 0)  # topic -> stamp
        tasks = {topic: task for task, topic in answers.items()}
        for topic, kind in topics.items():
            callback = self._hearing(topic, kind, tasks.get(topic))
            node.create_subscription(message_class(kind), topic, callback, QoSProfile(depth=DEPTH), raw=True)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=50))

    def sent(self, data: bytes) -> None:
        """An image goes out now."""
        with self._lock:
            self._frames += 1
            self._sent[header_stamp(data)] = time.monotonic()

    def _hearing(self, topic: str, kind: str, task: str | None) -> Callable[[bytes], None]:
        def heard(data: bytes) -> None:
            arrived = time.monotonic()
            with self._lock:
                if not self._open:
                    return
                self._writer.write_raw(topic, kind, bytes(data), self._now_ns())
                self._newest[topic] = max(self._newest[topic], header_stamp(data))
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
                name, _, kind = status.name.partition(": ")
                if kind != "stream":  # what is told to the wearer is no account of the frames
                    continue
                self.diagnostics[name] = {v.key: v.value for v in status.values}

    def lost_first(self, task: str) -> int:
        """Frames that were sent to `task` before the first it saw. A node cannot know of them; here it is counted.

        Its first answer says "frame i of those I know"; that frame's place among all that were sent is known here.
        """
        account = self.accounts[task]
        if not account.answered:
            return 0
        index, stamp_ns = next(iter(account.answered.items()))
        sent = list(self._sent) if task not in self._chained else list(self.accounts["head_pose"].answered.values())
        return max(0, sent.index(stamp_ns) - index) if stamp_ns in sent else 0

    def sent_to(self, task: str) -> int:
        """Frames that `task` could answer: the trajectory node gets those that head_pose answered."""
        return len(self.accounts["head_pose"].answered) if task in self._chained else self._frames

    def waiting_for(self) -> list[str]:
        """Tasks that still owe an answer: fewer frames answered or counted as dropped than were sent to them; then the
        topics that a node has not yet sent for the last frame that it answered."""
        with self._lock:
            owing = [
                task
                for task, a in self.accounts.items()
                if len(a.answered) + a.dropped + self.lost_first(task) < self.sent_to(task)
            ]
            return owing or self._behind()

    def _behind(self) -> list[str]:
        last: dict[str, int] = {}
        for task, topic in self._answers.items():
            stamps = self.accounts[task].answered.values()
            last[_node(topic)] = max(last.get(_node(topic), 0), max(stamps, default=0))
        return [topic for topic, stamp in self._newest.items() if stamp < last.get(_node(topic), 0)]

    def results(self) -> dict[str, dict[str, Any]]:
        """task -> what is known of it, as in headway.graph.Performance.tasks."""
        with self._lock:
            return {
                task: {
                    "sent": self.sent_to(task),
                    "answered": len(a.answered),
                    "dropped": a.dropped + self.lost_first(task),
                    "lost_first": self.lost_first(task),
                    "invalid": a.invalid,
                    "latency_ms": [round(v, 3) for v in a.latency_ms],
                }
                for task, a in self.accounts.items()
            }

    def close(self) -> None:
        """Finishes the bag; what comes later is not recorded."""
        with self._lock:
            self._open = False
            self._writer.close()


def _same_node(answers: Mapping[str, str], a: str, b: str) -> bool:
    return a in answers and b in answers and _node(answers[a]) == _node(answers[b])


def _node(topic: str) -> str:
    return topic.rpartition("/")[0]
