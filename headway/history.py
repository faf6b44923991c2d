"""The last messages of one sensor by their stamps, so that an answer does not depend on how late it is asked for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Generic, TypeVar

from headway.order import RESTART_S

T = TypeVar("T")

CLOCK_STEP_NS = round(RESTART_S * 1e9)


class History(Generic[T]):
    """The newest `size` values, oldest first by their stamps, in whatever order they came: a message that is stamped
    ahead holds no later one back. A stamp that jumps far back starts afresh."""

    def __init__(self, size: int) -> None:
        self._stamps: deque[int] = deque(maxlen=size)
        self._values: deque[T] = deque(maxlen=size)

    def push(self, stamp_ns: int, value: T) -> bool:
        """Adds a value. False where it was refused: its stamp is there already, or older than all of a full history."""
        if self._stamps and stamp_ns < self._stamps[-1] - CLOCK_STEP_NS:
            self._stamps.clear()
            self._values.clear()
        at = bisect_left(self._stamps, stamp_ns)
        if at < len(self._stamps) and self._stamps[at] == stamp_ns:
            return False
        if len(self._stamps) == self._stamps.maxlen:
            if at == 0:
                return False
            self._stamps.popleft()
            self._values.popleft()
            at -= 1
        self._stamps.insert(at, stamp_ns)
        self._values.insert(at, value)
        return True

    def until(self, stamp_ns: int) -> T | None:
        """The newest value that is not later than `stamp_ns`, or else the oldest one; None where there is nothing."""
        if not self._values:
            return None
        return self._values[max(0, bisect_right(self._stamps, stamp_ns) - 1)]

    def nearest(self, stamp_ns: int) -> tuple[int, T] | None:
        """(stamp, value) nearest to `stamp_ns`, the earlier of two; None where there is nothing."""
        if not self._values:
            return None
        i = min(range(len(self._stamps)), key=lambda k: abs(self._stamps[k] - stamp_ns))
        return self._stamps[i], self._values[i]
