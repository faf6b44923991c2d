"""Threads that compute give way to those that listen, as long as they keep up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from headway.nodes.inputs import OVERLOAD, Ledger, Mailbox, Worker
from headway.nodes.priority import ComputingPriority

Scheduling = tuple[int, int]


def now() -> Scheduling:
    """Policy and priority of the calling thread."""
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def in_thread(policy: int, priority: int, body: Callable[[], Any]) -> Any:
    """What `body` returns in a thread of this policy and priority; skips where this process may not have it."""
    told: list[Any] = []
    refused: list[PermissionError] = []

    def run() -> None:
        try:
            os.sched_setscheduler(0, policy, os.sched_param(priority))
        except PermissionError as error:
            refused.append(error)
        else:
            told.append(body())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30.0)
    if refused:
        pytest.skip("real-time priorities are not allowed here")
    return told[0]


def as_it_works(overloads: list[bool]) -> list[Scheduling]:
    """Of the calling thread after each choice."""
    priority, seen = ComputingPriority(), []
    for overloaded in overloads:
        priority.choose(overloaded)
        seen.append(now())
    return seen


@pytest.mark.parametrize("policy", [os.SCHED_RR, os.SCHED_FIFO])
def test_it_computes_below_what_listens_and_as_its_equal_where_frames_come_too_fast(policy: int) -> None:
    seen = in_thread(policy, 10, lambda: as_it_works([False, False, True, True, False]))
    assert seen == [(policy, 9), (policy, 9), (policy, 10), (policy, 10), (policy, 9)]


@pytest.mark.parametrize(("policy", "priority"), [(os.SCHED_RR, 1), (os.SCHED_OTHER, 0)])
def test_without_a_priority_to_spare_nothing_changes(policy: int, priority: int) -> None:
    assert in_thread(policy, priority, lambda: as_it_works([False, True, False])) == 3 * [(policy, priority)]


def test_a_thread_that_may_not_rise_again_stays_below(monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.sched_setscheduler

    def only_down(pid: int, policy: int, param: os.sched_param) -> None:
        if param.sched_priority > os.sched_getparam(0).sched_priority:
            raise PermissionError(1, "Operation not permitted")
        really(pid, policy, param)

    def work() -> list[Scheduling]:
        with monkeypatch.context() as patch:
            patch.setattr(os, "sched_setscheduler", only_down)
            return as_it_works([False, True, False])

    assert in_thread(os.SCHED_RR, 10, work) == 3 * [(os.SCHED_RR, 9)]


def test_a_worker_says_overloaded_when_many_frames_were_passed_over() -> None:
    def node() -> list[Scheduling]:
        seen: list[Scheduling] = []
        first, done, go_on = threading.Event(), threading.Event(), threading.Event()

        def handle(_: object) -> None:
            seen.append(now())
            (first if len(seen) == 1 else done).set()
            go_on.wait(10.0)

        mailbox = Mailbox(Ledger())
        worker = Worker(mailbox, handle, "worker")
        mailbox.put(b"")
        first.wait(10.0)
        for _ in range(OVERLOAD + 2):
            mailbox.put(b"")
        go_on.set()
        done.wait(10.0)
        worker.stop(10.0)
        return seen

    assert in_thread(os.SCHED_RR, 10, node) == [(os.SCHED_RR, 9), (os.SCHED_RR, 10)]


def test_the_mailbox_counts_what_was_passed_over_since_the_last_take() -> None:
    ledger = Ledger()
    mailbox = Mailbox(ledger)
    assert not mailbox.put(b"a")
    assert mailbox.put(b"b")
    mailbox.skip()
    assert mailbox.put(b"c")
    assert (taken := mailbox.take())
    assert (taken.data, taken.passed_over) == (b"c", 3)
    assert not mailbox.put(b"d")
    assert (taken := mailbox.take())
    assert (taken.data, taken.passed_over) == (b"d", 0)
    assert (ledger.received, sum(ledger.dropped.values())) == (5, 3)
