"""What counts of alerts come to; who is warned of what is tested in test_egocentric.py."""

from __future__ import annotations

from dataclasses import fields

import pytest

from headway.evaluate.alerts import AlertCount, pooled

FIRST = AlertCount(4, 3, 1, 5, 2, 1800.0, [1.0, 2.0, 9.0], 1, 7, 5, 2, 1)
SECOND = AlertCount(6, 2, 2, 3, 3, 600.0, [0.5, 4.0], None, 4, 3, 4, 2)


def test_the_summary_is_that_worked_out_by_hand() -> None:
    assert FIRST.summary() == {
        "conflicts": 4,
        "recall": 0.75,
        "recall_in_time": 0.25,
        "recall_in_time_seen_2s": 0.5,
        "precision": 0.4,
        "false_alarms": 3,
        "false_per_hour": 6.0,
        "lead_s": 2.0,
        "rises_per_alert": 1.4,
        "told_false_per_hour": 2.0,
    }


def test_pooled_counts_are_sums_and_nothing_is_told_where_nobody_tells() -> None:
    total = pooled([FIRST, SECOND])
    for field in fields(AlertCount):
        if field.name != "told_false":
            assert getattr(total, field.name) == getattr(FIRST, field.name) + getattr(SECOND, field.name)
    assert total.told_false == 1
    assert pooled([SECOND]).told_false is None
    assert total.summary()["recall"] == pytest.approx(0.5)
