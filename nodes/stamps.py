"""Stamps, ages and silence: what a node knows of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import Image

from headway.errors import AbandonedError
from headway.nodes.inputs import Worker
from headway.nodes.request import Request
from headway.order import INCOMPARABLE_S, Order
from headway.types import Trace


class Stamps:
    """Mixin of a node: clock, logger, worker and mailbox are the node's."""

    get_clock: Callable[[], Any]
    get_logger: Callable[[], Any]
    warn_once: Callable[[str, str], None]
    restart: Callable[[], None]
    input_name: str
    heard_ns: int  # monotonic: when the newest message that was in order came; at first, activation
    last_request: Request | None
    _worker: Worker | None
    _order: Order

    def in_order(self, stamp_ns: int) -> bool:
        """False for a message that is not newer than the one before; a restarted source restarts the node's memory."""
        if stamp_ns == 0:
            self.warn_once("zero", f"{self.input_name} has stamp 0: the time of arrival is used for tracking")
        verdict = self._order.judge(stamp_ns)
        if verdict == Order.RESTARTED:
            self.get_logger().warning(f"{self.input_name} stamps went back: the source was restarted")
            self.restart()
        return verdict != Order.LATE

    def ready(self, request: Request) -> None:
        """To be called between computing an answer and publishing it: notes the age of what it answers.

        Raises AbandonedError where the watchdog has answered in the meantime.
        """
        if not request.claim("worker"):
            raise AbandonedError("the frame was given up while it was worked on")
        self.age_ms(request)

    def age_ms(self, request: Request) -> float:
        """Age of the source at this moment by the node's clock; 0 where the two clocks cannot be compared."""
        request.trace.age_ms = self._age_ms(request.stamp_ns)
        return request.trace.age_ms

    def _age_ms(self, stamp_ns: int) -> float:
        age_s = (self.get_clock().now().nanoseconds - stamp_ns) * 1e-9
        if abs(age_s) > INCOMPARABLE_S:
            self.warn_once(
                "clock", f"{self.input_name} stamps are on another clock: ages are unknown (is use_sim_time right?)"
            )
            return 0.0
        return max(0.0, age_s * 1e3)

    def busy_s(self) -> float:
        """Seconds that the worker has been at the message in work; 0 while it waits for one."""
        since_ns = self._worker.busy_since_ns if self._worker else 0
        return (time.monotonic_ns() - since_ns) * 1e-9 if since_ns else 0.0

    def worker_ended(self) -> bool:
        """True where there should be a worker and its thread is gone."""
        return self._worker is not None and not self._worker.alive

    def silence_s(self) -> float:
        """Seconds since the newest message that was in order came (or since activation), or that it is being worked on.

        What is dropped for its stamp, or is no message, breaks no silence: a camera whose clock is stuck is gone.
        """
        return max(self.busy_s(), (time.monotonic_ns() - self.heard_ns) * 1e-9)

    def silent_request(self) -> Request:
        """A request for what must be said without a message: the header is the last source's, the time goes on."""
        now_ns, last = self.get_clock().now().nanoseconds, self.last_request
        if last is None:
            return Request(Image(), now_ns, now_ns, Trace())
        trace = Trace(frame_index=last.trace.frame_index, dropped_total=last.trace.dropped_total)
        trace.age_ms = self._age_ms(last.stamp_ns)
        passed_ns = max(0, now_ns - last.clock_ns)
        return Request(last.message, last.stamp_ns + passed_ns, now_ns, trace)
