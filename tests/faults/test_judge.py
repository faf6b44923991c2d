"""The judge of faults sees each promise that is broken: it must not be the reason why none ever is."""

from dataclasses import replace

import pytest

from headway import messages
from headway.bags.topics import InputTopics
from headway.faults import judge
from headway.faults.inject import CAUTION, HALT, NEWEST, NOTHING, ORDER, STOP, TOLD, UNSURE, Fault, Injector
from headway.faults.live import Record, Said
from headway.node_config import HeadwayNodeConfig

SECOND = 10**9
FIRST, LAST = SECOND, 4 * SECOND  # the fault's first and last message
CONFIG = HeadwayNodeConfig()


def said(kind: str, at_s: float, **changes) -> Said:
    """A good answer while the fault lasts: it says what it must, and the vehicle stands."""
    at = round(at_s * SECOND)
    good = Said(at, kind, "the fault; pedestrians unsure; speed unknown", False, True, 0.0, at - 30_000_000, 30_000_000)
    return replace(good, **changes)


def record(changed: str = "", since_s: float = 1.5, **changes) -> list[Said]:
    """Answers 15 times a second for six seconds, good ones after the fault; messages of the kind `changed` differ from
    `since_s` to the fault's end."""
    found = []
    for i in range(90):
        at_s = i / 15
        for kind in (messages.HEADS, messages.RISK, messages.COMMAND):
            if FIRST <= at_s * SECOND <= LAST:
                differs = changes if kind == changed and at_s >= since_s else {}
                made = {name: value(at_s) if callable(value) else value for name, value in differs.items()}
                found.append(said(kind, at_s, **made))
            else:
                found.append(said(kind, at_s, text="", valid=True, unsure=False))
    return found


def judged(safe: str, record_: list[Said], finite: bool = True, count: int = 45) -> judge.Outcome:
    fault = Fault("made-up", "the fault", safe)
    injector = Injector(fault, InputTopics("/image"), FIRST, LAST)
    injector.first_ns, injector.last_ns, injector.count = FIRST, LAST, count
    return judge.judge(fault, injector, Record(record_, finite), CONFIG)


@pytest.mark.parametrize("safe", [STOP, HALT, UNSURE, CAUTION, ORDER, TOLD, NEWEST, NOTHING])
def test_a_run_that_keeps_every_promise_is_called_so(safe):
    outcome = judged(safe, record())
    assert outcome.unsafe == ""
    assert outcome.periods == 0.0
    assert outcome.recovered_s is not None
    assert outcome.recovered_s <= 0.1
    assert outcome.kept


@pytest.mark.parametrize(
    ("safe", "kind", "changes", "word"),
    [
        (STOP, messages.RISK, {"unsure": False}, "a risk was not unsure"),
        (UNSURE, messages.RISK, {"unsure": False}, "a risk was not unsure"),
        (UNSURE, messages.COMMAND, {"valid": True, "text": "the fault"}, "as if nobody were there"),
        (UNSURE, messages.COMMAND, {"speed_mps": lambda s: s}, "faster than allowed while pedestrians are unsure"),
        (STOP, messages.COMMAND, {"valid": True}, "a command was valid"),
        (HALT, messages.COMMAND, {"valid": True}, "a command was valid"),
        (HALT, messages.COMMAND, {"speed_mps": lambda s: s}, "the commanded speed rose"),
        (STOP, messages.COMMAND, {"speed_mps": 1.0}, "the commanded speed did not fall"),
        (CAUTION, messages.COMMAND, {"text": "the fault"}, "while the speed is unknown"),
        (CAUTION, messages.COMMAND, {"speed_mps": CONFIG.gate.unknown_speed_mps + 0.1}, "while the speed is unknown"),
        (ORDER, messages.HEADS, {"stamp_ns": 7}, "stamps went back"),
        (NEWEST, messages.HEADS, {"age_ns": SECOND}, "the age of the frame behind an answer grew"),
    ],
)
def test_each_broken_promise_is_named(safe, kind, changes, word):
    outcome = judged(safe, record(kind, **changes))
    assert word in outcome.unsafe
    assert not outcome.kept


def test_a_watch_that_falls_silent_is_named():
    gap = [s for s in record() if s.kind != messages.RISK or not 2.0 < s.at_ns / SECOND < 2.5]
    assert judged(TOLD, gap).unsafe == "silent for more than 0.25 s"


def test_what_is_said_before_the_fault_could_be_found_is_not_held_against_it():
    periods = judge.DETECT_PERIODS / 15
    soon = [replace(s, valid=True) if 0 <= s.at_ns / SECOND - 1 < periods - 0.01 else s for s in record()]
    assert judged(HALT, soon).unsafe == ""


@pytest.mark.parametrize(
    "spoil",
    [
        {"valid": False},
        {"text": "the fault"},
        {"text": "speed unknown"},
        {"kind": messages.TWIST},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [messages.HEADS, messages.RISK, messages.COMMAND])
def test_recovered_is_only_what_answered_everything_without_a_word_of_the_fault(kind, spoil):
    late = 5 * SECOND
    half = [replace(s, **spoil) if s.kind == kind and LAST < s.at_ns < late else s for s in record()]
    outcome = judged(NOTHING, half)
    assert outcome.recovered_s == pytest.approx((late - LAST) / SECOND - 1 / 15, abs=0.08)
    never = [replace(s, **spoil) if s.kind == kind and s.at_ns > LAST else s for s in record()]
    assert judged(NOTHING, never).recovered_s is None


@pytest.mark.parametrize(("finite", "count", "kept"), [(True, 45, True), (False, 45, False), (True, 0, False)])
def test_what_was_not_put_in_or_gave_nan_was_not_kept(finite, count, kept):
    assert judged(HALT, record(), finite, count).kept is kept


def test_a_fault_found_too_late_or_left_too_late_was_not_kept():
    late = [replace(s, text="") if s.at_ns < FIRST + 4 * SECOND // 15 else s for s in record()]
    outcome = judged(HALT, late)
    assert (outcome.periods, outcome.unsafe, outcome.kept) == (4.0, "", False)
    slow = [replace(s, valid=False) if LAST < s.at_ns < LAST + 3 * SECOND // 2 else s for s in record()]
    outcome = judged(HALT, slow)
    assert outcome.recovered_s > judge.RECOVER_S
    assert not outcome.kept
