"""One input message on its way to an answer, and the order in which stamps may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headway.types import Trace, View


@dataclass
class Request:
    """One input message on its way to an answer.

    stamp_ns: the header's stamp, or the time of arrival where that is zero. clock_ns: the node's clock at arrival.
    """

    message: Any
    stamp_ns: int
    clock_ns: int
    trace: Trace

    @property
    def stamp(self) -> dict[str, int]:
        """The source's own stamp, as it goes into every output."""
        stamp = self.message.header.stamp
        return {"sec": stamp.sec, "nanosec": stamp.nanosec}

    @property
    def view(self) -> View:
        """A view that knows nothing but where the message came from."""
        return View(stamp_ns=self.stamp_ns, frame_id=self.message.header.frame_id)


class Order:
    """Keeps output stamps strictly increasing, except over a restart of the source."""

    FRESH, LATE, RESTARTED = "fresh", "late", "restarted"
    RESTART_S = 1.0  # stamps that jump back further than this are a restarted source, not disorder

    def __init__(self) -> None:
        self._last_ns = 0

    def judge(self, stamp_ns: int) -> str:
        """FRESH, LATE (not newer than the previous one: not to be answered) or RESTARTED. Stamp 0 is always fresh."""
        last = self._last_ns
        if stamp_ns == 0:
            return self.FRESH
        if stamp_ns <= last and last - stamp_ns < self.RESTART_S * 1e9:
            return self.LATE
        self._last_ns = stamp_ns
        return self.FRESH if stamp_ns > last else self.RESTARTED
