"""How a node tells of trouble: one line for everybody, the traceback at debug level, nothing twice."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import rclpy

MOST_WARNINGS = 100  # reasons carry numbers of the input: the memory of what was said must not grow with it


class Reports:
    """Mixin of a node: `get_logger` and `context` are the node's."""

    get_logger: Callable[[], Any]
    context: Any
    _warned: set[str] | None = None

    def guarded(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """`callback` that never raises: an exception in a callback would end the whole node."""

        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                if rclpy.ok(context=self.context):
                    self.report("callback failed", error)

        return call

    def report(self, what: str, error: BaseException) -> None:
        """One line for everybody, the traceback at debug level."""
        self.get_logger().error(f"{what}: {type(error).__name__}: {error}")
        self.get_logger().debug("".join(traceback.format_exception(error)))

    def warn_once(self, key: str, text: str) -> None:
        """Logs the first time only; the count of each reason is in the diagnostics."""
        warned = self._warned = self._warned or set()
        if key not in warned and len(warned) < MOST_WARNINGS:
            warned.add(key)
            self.get_logger().warning(text)
