"""Who goes first in a node that has a real-time priority: the thread that listens, or the one that computes."""

from __future__ import annotations

import os

SWITCH_S = 5e-4
"""How long a thread that computes may keep Python's lock from one that listens: several turns of it lie between a frame
and the mailbox, and with Python's own 5 ms frames came up to 20 ms late."""


class ComputingPriority:
    """Of the calling thread, which computes; made in that thread. Without a real-time priority it changes nothing.

    As long as the thread keeps up, it is one below those that listen: among equals it would keep its core for a whole
    time slice (100 ms under round robin), and what arrives meanwhile would wait. Where frames come faster than they are
    answered it is their equal: listening alone could fill the processor.
    """

    def __init__(self) -> None:
        self._policy, self._own = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
        self._lower = False
        self._may_rise = self._own > 1

    def choose(self, overloaded: bool) -> None:
        """For the work at hand. A thread that may not raise its priority again stays where it is from then on."""
        if overloaded != self._lower or not self._may_rise:
            return
        try:
            os.sched_setscheduler(0, self._policy, os.sched_param(self._own - (not overloaded)))
            self._lower = not overloaded
        except PermissionError:
            self._may_rise = False
