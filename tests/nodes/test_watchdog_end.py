"""How the watchdog gives a node up: never while the vehicle rolls, unless that takes too long."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headway.node_config import WatchdogConfig
from headway.nodes import watchdog as watchdog_module
from headway.nodes.inputs import Ledger
from headway.nodes.request import Request
from headway.nodes.watchdog import Watchdog
from headway.types import Trace


class Node:
    """What the watchdog asks of a node."""

    def __init__(self, **settings: Any) -> None:
        self.config = SimpleNamespace(watchdog=WatchdogConfig(**settings))
        self.rests, self.ended = False, 0
        self.errors: list[str] = []
        self.given_up: list[str] = []
        self.ledger, self.in_work, self.busy = Ledger(), Request(None, 1, 1, Trace()), 0.0

    opened = ()

    def busy_s(self) -> float:
        return self.busy

    def worker_ended(self) -> bool:
        return False

    def give_up(self, request: Request, reason: str) -> None:
        self.given_up.append(reason)

    def at_rest(self) -> bool:
        return self.rests

    def trigger_deactivate(self) -> None:
        self.ended += 1

    def get_logger(self) -> Any:
        return SimpleNamespace(error=self.errors.append, warning=self.errors.append)

    def diagnose(self) -> None:
        pass


def failed(node: Node) -> Watchdog:
    found = Watchdog(node)
    found._failing("the engine hung again")
    return found


def test_the_error_state_waits_for_standstill() -> None:
    node = Node()
    watchdog = failed(node)
    for _ in range(5):
        watchdog._tick()
    assert node.ended == 0
    node.rests = True
    watchdog._tick()
    assert node.ended == 1
    assert node.errors == ["going to the error state: the engine hung again"]


def test_a_vehicle_that_never_stands_does_not_keep_a_broken_node_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    watchdog = failed(node)
    watchdog._failing_since_s = time.monotonic() - watchdog_module.REST_S - 1.0
    watchdog._tick()
    assert node.ended == 1


def test_a_restart_that_does_not_end_in_time_is_a_failure() -> None:
    may_end = threading.Event()
    watchdog = Watchdog(Node(restart_s=5.0))
    watchdog._opening = threading.Thread(target=may_end.wait, daemon=True)
    watchdog._opening.start()
    for waited_s, fault in ((4.0, ""), (6.0, "its restart has not ended within 6.0 s")):
        watchdog._opening_since_s = time.monotonic() - waited_s
        watchdog._tick()
        assert fault in watchdog.fault
        assert bool(watchdog.fault) is bool(fault)
    may_end.set()


def test_a_frame_that_is_being_published_at_this_moment_is_not_answered_twice() -> None:
    node = Node()
    watchdog = Watchdog(node)
    answered, hanging = (Request(None, 1, 1, Trace()) for _ in range(2))
    assert answered.claim("worker")
    watchdog._give_up(answered, "no answer for 1.0 s")
    assert (node.given_up, watchdog.fault) == ([], "")
    watchdog._give_up(hanging, "no answer for 2.0 s")
    assert node.given_up == ["no answer for 2.0 s"]
    assert watchdog.fault, "what hangs is no engine: nothing can be opened anew"


def test_a_process_that_stood_still_is_not_taken_for_one_that_hangs() -> None:
    node = Node()
    watchdog = Watchdog(node)
    node.busy = 5.0  # as the first look after the pause finds it
    watchdog._tick()
    assert node.errors, "it is reported at once"
    node.busy = 0.0
    for _ in range(10):
        watchdog._tick()
    assert (node.given_up, watchdog.fault) == ([], "")
    node.in_work = Request(None, 2, 2, Trace())
    for node.busy in np.arange(1.5, 2.0, watchdog_module.TICK_S):
        watchdog._tick()
    assert len(node.given_up) == 1, "what hangs is given up still"
