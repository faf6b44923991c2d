"""A replay on the bag's own clock: newest frame only, a worker that takes time, and the nodes' watch over silence.

Time is the bag's log time, not this machine's, so that a fault gives the same result everywhere. An answer takes
ANSWER_NS (ten times as long while the engine is slow); what happens meanwhile happens as in the nodes: a newer image
replaces the waiting one, and silence is spoken of (nodes/watch.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.reader import Message
from headway.bags.topics import InputTopics
from headway.errors import FrameError
from headway.faults.engines import Tasks
from headway.faults.inject import Injector
from headway.fields import Fields
from headway.node_config import HeadwayNodeConfig
from headway.order import INCOMPARABLE_S
from headway.replay import Run
from headway.types import Frame, Trace, View

ANSWER_NS = 30_000_000
SLOWER = 10
WATCH_NS = 40_000_000
REPEAT_NS = 200_000_000
NEWER = "a newer image came first"


@dataclass(frozen=True)
class Said:
    """One thing that was published (or counted, kind ""), at a time of the bag's clock."""

    at_ns: int
    kind: str
    text: str
    valid: bool = False
    unsure: bool = False
    speed_mps: float = 0.0
    stamp_ns: int = 0
    age_ns: int = 0


@dataclass
class Record:
    """Everything that a run said, in order; `finite` is False once a number was not."""

    said: list[Said] = field(default_factory=list)
    finite: bool = True


class LiveRun(Run):
    """See the module's docstring."""

    def __init__(
        self, reader: BagReader, writer: BagWriter, tasks: Tasks, config: HeadwayNodeConfig, topics: InputTopics,
        injector: Injector,
    ) -> None:  # fmt: skip
        super().__init__(reader, writer, tasks.pipeline(), config, topics)
        self.record = Record()
        self._config, self._tasks, self._injector = config, tasks, injector
        self._now = self._tick_ns = self._busy_ns = self._work_ns = self._told_ns = 0
        self._arrived_ns = self._heard_ns = 0  # of the newest image, and of the newest that was in order
        self._pending: tuple[Message, Any] | None = None
        self._last: tuple[View, int] | None = None  # view of the last request, and when it was worked on
        self._counted: dict[str, int] = {}

    def play(self, source: Iterable[Message], end_ns: int) -> Record:
        """Every message until `end_ns` of the bag's clock."""
        for message in self._injector.stream(source):
            if message.stamp_ns > end_ns:
                break
            self._advance(message.stamp_ns)
            self._now = max(self._now, message.stamp_ns)
            if message.topic == self._topics.image:
                if self._pending:
                    self.result.dropped[NEWER] += 1
                self._pending, self._arrived_ns = (message, self._decoded(message)), self._now
            else:
                self._take(message)
            self._count()
        return self.record

    def _advance(self, until_ns: int) -> None:
        """Work and watch up to a time of the bag's clock."""
        self._tick_ns = self._tick_ns or until_ns
        while True:
            work_ns = max(self._busy_ns, self._arrived_ns) if self._pending else until_ns + 1
            self._now = min(work_ns, self._tick_ns)
            if self._now > until_ns:
                return
            if work_ns <= self._tick_ns:
                self._work()
            else:
                self._tick_ns += WATCH_NS
                self._watch()

    def _work(self) -> None:
        assert self._pending is not None
        (message, image), self._pending = self._pending, None
        fault, at = self._injector, message.stamp_ns
        active = fault.first_ns > 0 and fault.first_ns <= at <= fault.last_ns
        for task, engine in self._tasks.engines.items():
            engine.mode = fault.fault.engine if active and fault.fault.task in ("", task) else ""
        slow = SLOWER if active and fault.fault.engine == "slow" else 1
        self._work_ns, self._busy_ns = self._now, self._now + ANSWER_NS * slow
        self._image(message, image)
        self._count()

    def _frame(self, image: Any, view: View, trace: Trace) -> Frame:
        self._last, self._heard_ns = (view, self._now), self._arrived_ns
        limit, age_s = self._config.input.max_age_s, (self._now - view.stamp_ns) * 1e-9
        if 0 < limit < age_s < INCOMPARABLE_S:
            raise FrameError(f"stale: the image is older than {limit:g} s")
        return super()._frame(image, view, trace)

    def _watch(self) -> None:
        """As nodes/watch.py: unsure after input.timeout_s, a ramp to a stop after heartbeat_s."""
        since = min(self._heard_ns, self._work_ns) if self._now < self._busy_ns else self._heard_ns
        silence_s = (self._now - since) * 1e-9
        if not self._last or silence_s < self._config.input.timeout_s:
            return
        view, then_ns = self._last
        stamp_ns = view.stamp_ns + self._now - then_ns
        view = self._sensors.view(stamp_ns, view.frame_id, 0, 0)
        if self._now - self._told_ns >= REPEAT_NS:
            self._told_ns = self._now
            fields = messages.risk_array(None, view, Trace(), False, f"no image for {silence_s:.2f} s")
            self._say(messages.RISK, fields, self._now)
        if self._pipeline.driving and silence_s >= self._config.heartbeat_s:
            reason = f"no image for {silence_s:.2f} s"
            command = self._pipeline.driving.idle(view, self._pipeline.unsure(view, reason), silent=True)
            self._say(messages.COMMAND, messages.drive_command(command, view, Trace(), False, reason), self._now)

    def _send(self, message: Message, image: Any, out: dict[str, Fields]) -> None:
        super()._send(message, image, out)
        for kind, fields in out.items():
            self._say(kind, fields, self._busy_ns)

    def _say(self, kind: str, fields: Fields, at_ns: int) -> None:
        self.record.finite &= finite(fields)
        stamp = fields["header"]["stamp"]
        stamp_ns = stamp.get("sec", 0) * 10**9 + stamp.get("nanosec", 0)
        self.record.said.append(
            Said(
                at_ns, kind, str(fields.get("reason", "")), bool(fields.get("valid")), bool(fields.get("unsure")),
                float(fields.get("speed", 0.0)), stamp_ns, at_ns - stamp_ns,
            )
        )  # fmt: skip

    def _count(self) -> None:
        """What was dropped or refused is said in diagnostics."""
        for why, count in [*self.result.dropped.items(), *self._sensors.refused.items()]:
            if count > self._counted.get(why, 0):
                self._counted[why] = count
                self.record.said.append(Said(self._now, "", why))


def finite(fields: Any) -> bool:
    """True where no number in nested dicts and lists is NaN or infinite."""
    if isinstance(fields, Mapping):
        return all(finite(value) for value in fields.values())
    if isinstance(fields, (str, bytes)):
        return True
    if hasattr(fields, "__iter__"):
        return all(finite(value) for value in fields)
    return not isinstance(fields, float) or math.isfinite(fields)
