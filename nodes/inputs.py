"""The newest frame wins: the subscription callback only stores, a worker thread decodes and infers.

Every frame that was sent to this node is accounted for: answered, or dropped with a reason. Losses in the transport
are seen in the sequence numbers of the publisher and counted too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind

from headway.counting import Reasons
from headway.nodes.priority import ComputingPriority
from headway.types import Trace

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

NEWER = "a newer frame arrived while this one waited"
LOST = "lost in the transport"
# Room in DDS for frames that come while the executor is kept from running: with room for one, a busy machine lost 8 of
# 120 frames. It makes no frame older, since the callback empties the queue and hands on the newest only.
QUEUE = 16
OVERLOAD = 2
"""Frames passed over before one answer above which listening and computing have the same priority: with more, listening
alone could fill the processor."""
LISTENING_SHARE, LONGEST_PAUSE_S = 1 / 3, 0.03
"""Of a core, for taking frames out of DDS while the thread that computes does not come along; no pause is longer."""


@dataclass(frozen=True)
class Item:
    """One serialized message as it came, its index among all that were sent, when it came (monotonic), and how many
    were dropped since the one before it was taken."""

    data: bytes
    index: int
    received_ns: int
    passed_over: int = 0


class Ledger:
    """received == answered + dropped + (the one in work or waiting). Thread-safe."""

    def __init__(self, window: int = 256) -> None:
        self._lock = threading.Lock()
        self.received = 0
        self.answered = 0
        self.dropped = Reasons()  # reason -> frames
        self.invalid = Reasons()  # reason -> frames answered with valid = false
        self.ages_ms: deque[float] = deque(maxlen=window)
        self.stage_ms: dict[str, deque[float]] = {}
        self.arrivals_ns: deque[int] = deque(maxlen=window)
        # Monotonic, of the last valid answer (at first of the first arrival), and of the last one not valid; 0: none
        self.valid_ns = self.invalid_ns = 0
        self.last_invalid = ""
        self._reported = 0

    def arrive(self, lost: int = 0) -> int:
        """Counts one frame, and `lost` before it; returns its index."""
        with self._lock:
            self.received += lost + 1
            if lost:
                self.dropped.add(LOST, lost)
            self.arrivals_ns.append(time.monotonic_ns())
            self.valid_ns = self.valid_ns or self.arrivals_ns[-1]
            return self.received - 1

    def drop(self, reason: str) -> None:
        """Counts one frame that will not be answered."""
        with self._lock:
            self.dropped.add(reason)

    def open_trace(self, index: int) -> Trace:
        """A trace for the answer to frame `index`, with the frames dropped since the previous answer."""
        with self._lock:
            total = sum(self.dropped.values())
            trace = Trace(frame_index=index, dropped=total - self._reported, dropped_total=total)
            self._reported = total
            return trace

    def answer(self, trace: Trace, reason: str = "") -> None:
        """Counts one answer; `reason` where it is not valid."""
        with self._lock:
            self.answered += 1
            if reason:
                self.invalid.add(reason)
                self.invalid_ns, self.last_invalid = time.monotonic_ns(), reason
            else:
                self.valid_ns = time.monotonic_ns()
            self.ages_ms.append(trace.age_ms)
            for stage, duration in trace.stage_ms.items():
                self.stage_ms.setdefault(stage, deque(maxlen=256)).append(duration)

    def summary(self) -> dict[str, Any]:
        """A consistent copy of everything that diagnostics show."""
        with self._lock:
            return {
                "received": self.received,
                "answered": self.answered,
                "dropped": dict(self.dropped),
                "invalid": dict(self.invalid),
                "ages_ms": list(self.ages_ms),
                "stage_ms": {k: list(v) for k, v in self.stage_ms.items()},
                "arrivals_ns": list(self.arrivals_ns),
                "valid_ns": self.valid_ns,
                "invalid_ns": self.invalid_ns,
                "last_invalid": self.last_invalid,
            }


class Mailbox:
    """Room for one message. A newer one replaces an unread one, which is counted as dropped."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._condition = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self._sequence = 0
        self._passed_over = 0

    def put(self, data: bytes, sequence: int | None = None) -> bool:
        """Stores a message; True where it replaced an unread one. `sequence` is the publisher's number where that is
        known to be the only one."""
        index, now = self._arrived(sequence), time.monotonic_ns()
        with self._condition:
            replaced = self._item is not None
            if replaced:
                self._drop()
            self._item = Item(data, index, now, self._passed_over)
            self._condition.notify()
        return replaced

    def skip(self, sequence: int | None = None) -> None:
        """Counts a message as dropped: a newer one is at hand already."""
        self._arrived(sequence)
        with self._condition:
            self._drop()

    def _drop(self) -> None:
        self._ledger.drop(NEWER)
        self._passed_over += 1

    def _arrived(self, sequence: int | None) -> int:
        lost = 0
        if sequence:
            lost = max(0, sequence - self._sequence - 1) if 0 < self._sequence < sequence else 0
            self._sequence = sequence
        return self._ledger.arrive(lost)

    def take(self) -> Item | None:
        """Waits for a message; None when the box is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed)
            item, self._item, self._passed_over = self._item, None, 0
            return None if self._closed else item

    def close(self) -> None:
        """Wakes the reader for the last time; what still waits is counted as dropped."""
        with self._condition:
            if self._item is not None:
                self._ledger.drop("the node was deactivated")
            self._item, self._closed = None, True
            self._condition.notify_all()


class Worker:
    """One thread that hands every taken message to `handle`."""

    def __init__(self, mailbox: Mailbox, handle: Callable[[Item], None], name: str) -> None:
        self._mailbox, self._handle = mailbox, handle
        self.busy_since_ns = 0  # monotonic; 0 while idle
        self.given_up = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        priority = ComputingPriority()
        while (item := self._mailbox.take()) is not None:
            priority.choose(overloaded=item.passed_over > OVERLOAD)
            self.busy_since_ns = time.monotonic_ns()
            self._handle(item)
            if self.given_up:
                return  # another worker has the mailbox now
            self.busy_since_ns = 0

    @property
    def alive(self) -> bool:
        """False where the thread has ended, whatever ended it."""
        return self._thread.is_alive()

    def give_up(self) -> None:
        """Leaves the thread to the message that it hangs on; it takes no other, and counts as busy until replaced."""
        self.given_up = True

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread, unless it was given up; False where it still works after `timeout_s`."""
        self._mailbox.close()
        if not self.given_up:
            self._thread.join(timeout_s)
        return self.given_up or not self._thread.is_alive()


def input_qos(reliability: str, depth: int = 1) -> QoSProfile:
    """Volatile, keep last `depth`."""
    policy = ReliabilityPolicy.RELIABLE if reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=policy)


def subscribe(
    node: Any,
    kind: type,
    topic: str,
    callback: Callable[..., None],
    reliability: str,
    depth: int = 1,
    raw: bool = False,
) -> Any:
    """A subscription that warns, once and with the cure, when a publisher offers a QoS it cannot take."""
    warned: list[bool] = []

    def incompatible(event: Any) -> None:
        if not warned:
            warned.append(True)
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            cure = ": set input.reliability to best_effort" if policy == "RELIABILITY" else ""
            node.get_logger().warning(
                f"a publisher on {node.resolve_topic_name(topic)} offers another QoS ({policy}) than is asked of it, "
                f"and nothing will arrive from it{cure}"
            )

    return node.create_subscription(
        kind,
        topic,
        callback,
        input_qos(reliability, depth),
        raw=raw,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
    )


def hear(node: Any, kind: type, topic: str, callback: Callable[[Any], None], reliability: str, depth: int = 1) -> Any:
    """Subscribes `topic`, and hands on everything that waits there at once.

    The executor takes one message of each topic a round: on a busy machine a frame overtook the motion that had arrived
    before it, and was answered with an older one.
    """

    def store(message: Any) -> None:
        callback(message)
        for _ in range(depth - 1):
            with subscription.handle:
                newer = subscription.handle.take_message(kind, False)
            if newer is None:
                return
            callback(newer[0])

    subscription = subscribe(node, kind, topic, store, reliability, depth)
    return subscription


def feed(node: Any, kind: type, topic: str, mailbox: Mailbox, reliability: str) -> Any:
    """Subscribes `topic` in serialized form into `mailbox`: a frame that is dropped costs no decoding."""

    def number(info: Any) -> int | None:
        # Numbers of several publishers interleave: then a gap proves nothing.
        alone = node.count_publishers(subscription.topic_name) <= 1
        return info.get("publication_sequence_number") if alone and isinstance(info, dict) else None

    def store(data: bytes, info: Any) -> None:
        began = time.monotonic()
        for _ in range(QUEUE):  # no more: the node's timers want their turn
            with subscription.handle:
                newer = subscription.handle.take_message(kind, True)
            if newer is None:
                break
            mailbox.skip(number(info))
            data, info = newer
        if mailbox.put(data, number(info)):
            # What waits is not even looked at: another frame is worth less than the time to answer this one.
            time.sleep(min((time.monotonic() - began) * (1 / LISTENING_SHARE - 1), LONGEST_PAUSE_S))

    subscription = subscribe(node, kind, topic, store, reliability, QUEUE, raw=True)
    return subscription
