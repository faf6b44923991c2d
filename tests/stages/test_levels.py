"""Levels rise at one threshold and fall at a lower one, some time after the last call for them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.stages.levels import Held, Rule, next_level
from headway.types import Level

RATE = 15.0
RULE = Rule(alert=0.4, notice=0.2, release=0.2, hold_s=1.5)


def run(probabilities, soon: float = 1.0, rule: Rule = RULE) -> list[Level]:
    held, found = Held(), []
    for i, p in enumerate(probabilities):
        held = next_level(rule, held, p, soon * p, round(i / RATE * 1e9))
        found.append(held.level)
    return found


def test_what_is_soon_decides_on_an_alert_and_the_rest_makes_it_a_notice() -> None:
    assert run([0.9], soon=0.4) == [Level.NOTICE]
    assert run([0.9], soon=0.5) == [Level.ALERT]


def test_an_alert_outlasts_its_last_call_by_the_hold_time() -> None:
    found = run([0.9] * 10 + [0.0] * 40)
    last = max(i for i, level in enumerate(found) if level == Level.ALERT)
    assert (last - 9) / RATE == pytest.approx(1.5, abs=1.5 / RATE)
    assert found[-1] == Level.CLEAR


def test_between_the_two_thresholds_an_alert_stays() -> None:
    assert set(run([0.9] + [0.1] * 100)) == {Level.ALERT}
    assert run([0.9] + [0.07] * 100)[-1] == Level.CLEAR


def test_a_probability_that_sways_about_the_threshold_raises_one_alert() -> None:
    random = np.random.default_rng(0)
    found = [Level.CLEAR, *run(0.4 + 0.1 * random.normal(size=300))]
    begun = sum(a != Level.ALERT and b == Level.ALERT for a, b in pairwise(found))
    assert begun == 1


@given(st.lists(st.floats(0, 1), max_size=100))
def test_an_alert_never_stands_without_a_call_within_hold_time_unless_the_probability_keeps_it(p) -> None:
    called = None
    for i, level in enumerate(run(p)):
        if p[i] >= RULE.alert:
            called = i
            assert level == Level.ALERT
        elif level == Level.ALERT:
            assert called is not None
            assert (i - called) / RATE < RULE.hold_s or p[i] >= RULE.release * RULE.alert


def test_a_level_does_not_rise_while_the_person_is_not_visible_but_is_held() -> None:
    hidden = next_level(RULE, Held(), 0.9, 0.9, 0, visible=False)
    assert hidden.level == Level.CLEAR
    alert = next_level(RULE, Held(), 0.9, 0.9, 0)
    assert next_level(RULE, alert, 0.9, 0.9, 10**9, visible=False) == Held(Level.ALERT, 10**9)
    assert next_level(RULE, alert, 0.0, 0.0, 2 * 10**9, visible=False).level == Level.CLEAR


def test_an_alert_about_what_turns_out_to_be_nobody_ends_with_its_hold() -> None:
    rule = RULE
    held = next_level(rule, Held(), 0.9, 0.9, 0, existence=0.9)
    assert held.level == Level.ALERT
    swaying = 0.5 * (rule.release * rule.alert + rule.alert)
    after = round((rule.hold_s + 0.1) * 1e9)
    assert next_level(rule, held, swaying, swaying, after, existence=0.9).level == Level.ALERT
    assert next_level(rule, held, swaying, swaying, after // 2, existence=0.1).level == Level.ALERT
    assert next_level(rule, held, swaying, swaying, after, existence=0.1).level < Level.ALERT
