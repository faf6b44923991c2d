"""What the runtime says while it opens an engine (a build of minutes, a cache that does not fit, a fall-back): one line
in the node's log and one diagnostic each, at once, since the node is busy opening and its own timer does not run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

LOGGER = "headway.engine"


@contextmanager
def told_by(node: Any) -> Iterator[None]:
    """Hands the runtime's lines to `node` (get_logger, get_name, tell) for as long as the block lasts."""
    handler = _Teller(node)
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Teller(logging.Handler):
    """Lines come from whatever thread speaks; publishing and logging are safe from any."""

    def __init__(self, node: Any) -> None:
        super().__init__(logging.WARNING)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a line that cannot be published must not end the build that it tells of."""
        try:
            text = record.getMessage()
            self._node.get_logger().warning(text)
            name = f"{self._node.get_name()}: engine"
            self._node.tell(
                DiagnosticStatus(level=DiagnosticStatus.WARN, name=name, message=text, hardware_id="headway")
            )
        except Exception:
            self.handleError(record)
