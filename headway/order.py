"""The order in which image stamps may come, the same live and in replay."""

from __future__ import annotations

RESTART_S = 1.0
"""Stamps that jump back further than this are a restarted source or a clock step, not disorder."""
INCOMPARABLE_S = 86_400.0
"""A stamp a day off is on another clock, not late."""
LATE = "its stamp is not newer than the previous one"
"""Why a message was dropped."""


class Order:
    """Keeps output stamps strictly increasing, except over a restart of the source."""

    FRESH, LATE, RESTARTED = "fresh", "late", "restarted"

    def __init__(self) -> None:
        self._last_ns = 0

    def judge(self, stamp_ns: int) -> str:
        """FRESH, LATE (not newer than the previous one: not to be answered) or RESTARTED. Stamp 0 is always fresh."""
        last = self._last_ns
        if stamp_ns == 0:
            return self.FRESH
        if stamp_ns <= last and last - stamp_ns < RESTART_S * 1e9:
            return self.LATE
        self._last_ns = stamp_ns
        return self.FRESH if stamp_ns > last else self.RESTARTED
