"""Signals that end a process in order."""

from __future__ import annotations

import signal
from typing import Any


class Stopped:
    """Set by SIGINT or SIGTERM, for a loop to look at: what it is in the midst of is finished.

    A threading.Event has a lock, for which a second signal in the midst of the first waits for ever.
    """

    asked = False

    def ask(self, *_: Any) -> None:
        """The handler."""
        self.asked = True

    def listen(self) -> None:
        """Takes both signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.ask)
