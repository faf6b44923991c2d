"""Counts of alerts add up over walks and scenes."""

import pytest

from headway.evaluate.alerts import AlertCount, pooled


@pytest.mark.parametrize(("told", "total"), [((2, 3), 5), ((None, 3), 3), ((None, None), None), ((0, 0), 0)])
def test_pooled_counts_are_sums_and_what_nobody_held_back_stays_none(told, total):
    parts = [
        AlertCount(5, 4, 3, 10, 7, 60.0, [1.0, 2.0], told[0], 12, 10, 4, 2),
        AlertCount(1, 1, 1, 2, 1, 30.0, [3.0], told[1], 2, 2, 1, 1),
    ]
    assert pooled(parts) == AlertCount(6, 5, 4, 12, 8, 90.0, [1.0, 2.0, 3.0], total, 14, 12, 5, 3)
