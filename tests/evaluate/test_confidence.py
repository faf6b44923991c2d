"""Calibration metrics against slow oracles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate.confidence import auroc, expected_calibration_error, reliability

PAIRS = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=2, max_size=60)


@given(PAIRS)
def test_auroc_is_the_share_of_ordered_pairs(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs, strict=True))
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[positive] for b in scores[np.logical_not(positive)]
    ]
    if wins:
        assert auroc(scores, positive) == pytest.approx(np.mean(wins))
    else:
        assert math.isnan(auroc(scores, positive))


@given(PAIRS)
def test_calibration_error_is_the_weighted_gap_and_within_one(pairs):
    confidence, correct = (np.array(column) for column in zip(*pairs, strict=True))
    gap = 0.0
    for k in range(10):
        inside = np.array([min(int(c * 10), 9) == k for c in confidence])
        if inside.any():
            gap += abs(confidence[inside].sum() - correct[inside].sum())
    found = expected_calibration_error(confidence, correct)
    assert found == pytest.approx(gap / len(pairs))
    for row in reliability(confidence, correct):
        assert row["from"] <= row["confidence"] + 1e-9 <= row["from"] + 0.1 + 2e-9
    assert 0.0 <= found <= 1.0


def test_a_true_confidence_has_no_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 200_000)
    assert expected_calibration_error(confidence, rng.uniform(0, 1, 200_000) < confidence) < 0.01
    assert sum(row["count"] for row in reliability(confidence, confidence > 0.5)) == 200_000
