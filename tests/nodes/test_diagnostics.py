"""What a node's diagnostics conclude from its account of the input."""

from __future__ import annotations

import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from headway.nodes import diagnostics
from headway.nodes.inputs import Ledger
from headway.types import Trace

pytestmark = pytest.mark.ros


def said(ledger: Ledger) -> DiagnosticStatus:
    return diagnostics.status("node", ledger, {}, "onnxruntime", "active", "", "", {})


def arrived(ledger: Ledger, *ages_s: float) -> None:
    for age_s in ages_s:
        ledger.arrive()
        ledger.arrivals_ns[-1] = time.monotonic_ns() - round(1e9 * age_s)
    ledger.valid_ns = ledger.arrivals_ns[0]


def test_one_message_and_then_nothing_is_silence_though_no_period_is_known() -> None:
    ledger = Ledger()
    arrived(ledger, 20.0)
    ledger.answer(Trace())
    assert said(ledger).level == DiagnosticStatus.ERROR
    assert said(ledger).message == "no input for 20.0 s"


def test_input_that_comes_and_is_never_answered_is_an_error_with_the_reason() -> None:
    ledger = Ledger()
    arrived(ledger, *(k / 10 for k in range(50, -1, -1)))
    for _ in range(50):
        ledger.drop("its stamp is not newer than the previous one")
    status = said(ledger)
    assert status.level == DiagnosticStatus.ERROR
    assert status.message.startswith("input comes, and no valid answer for 5.0 s: its stamp is not newer")
    ledger.answer(Trace())
    assert said(ledger).level == DiagnosticStatus.OK


def test_answers_none_of_which_is_valid_are_an_error_with_the_reason_of_the_last() -> None:
    ledger = Ledger()
    arrived(ledger, *(k / 10 for k in range(50, -1, -1)))
    ledger.drop("lost in the transport")
    for reason in ("image is truncated", "SENSOR_INVALID: black"):
        ledger.answer(Trace(), reason)
    status = said(ledger)
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "input comes, and no valid answer for 5.0 s: SENSOR_INVALID: black"
    ledger.answer(Trace())
    assert said(ledger).level == DiagnosticStatus.WARN


def test_a_frame_that_was_not_valid_is_a_warning_for_a_while_and_counted_for_good() -> None:
    ledger = Ledger()
    arrived(ledger, 0.1, 0.0)
    ledger.answer(Trace(), "image is truncated")
    assert said(ledger).level == DiagnosticStatus.WARN
    ledger.invalid_ns -= round(1e9 * diagnostics.INVALID_S)
    status = said(ledger)
    assert (status.level, status.message) == (DiagnosticStatus.OK, "running")
    assert {v.key: v.value for v in status.values}["invalid: image is truncated"] == "1"
