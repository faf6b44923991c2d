"""How the watchdog gives a node up: never while the vehicle rolls, unless that takes too long."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from headway.node_config import WatchdogConfig
from headway.nodes import watchdog as watchdog_module
from headway.nodes.watchdog import Watchdog


class Node:
    """What the watchdog asks of a node."""

    def __init__(self, **settings: Any) -> None:
        self.config = SimpleNamespace(watchdog=WatchdogConfig(**settings))
        self.rests, self.ended = False, 0
        self.errors: list[str] = []

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
