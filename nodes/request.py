"""One input message on its way to an answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from headway.types import Trace, View


@dataclass
class Request:
    """One input message on its way to an answer.

    stamp_ns: the header's stamp, or the time of arrival where that is zero. clock_ns: the node's clock at arrival.
    suspect: what the image monitor says of a frame that is answered all the same, "" for nothing.
    """

    message: Any
    stamp_ns: int
    clock_ns: int
    trace: Trace
    suspect: str = ""
    _owner: str = field(default="", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def claim(self, by: str) -> bool:
        """True for the first who asks, ever after: the worker with its answer, or the watchdog that gave it up."""
        with self._lock:
            self._owner = self._owner or by
            return self._owner == by

    @property
    def stamp(self) -> dict[str, int]:
        """The source's own stamp, as it goes into every output."""
        stamp = self.message.header.stamp
        return {"sec": stamp.sec, "nanosec": stamp.nanosec}

    @property
    def view(self) -> View:
        """A view that knows nothing but where the message came from."""
        return View(stamp_ns=self.stamp_ns, frame_id=self.message.header.frame_id)
