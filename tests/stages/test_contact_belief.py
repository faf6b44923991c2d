"""The probability of a contact is never as sure as the paths of one network are, least of all about the unseen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.stages.contact_belief import CONTACT, NEW_S, SURE, UNSEEN_S

shares, seconds, flags = st.floats(0.0, 1.0), st.floats(0.0, 5.0), st.booleans()


def said(
    share: float, within: bool = False, unseen_s: float = 0.0, age_s: float = 3.0, own_motion: bool = False
) -> float:
    return float(CONTACT.probability([share], [within], [unseen_s], [age_s], own_motion)[0])


@given(shares, flags, seconds, seconds, flags)
def test_it_is_the_logistic_function_of_what_the_field_names_say(share, within, unseen_s, age_s, own) -> None:
    kept, unseen_s = min(max(share, SURE), 1 - SURE), min(unseen_s, UNSEEN_S)
    newness = max(0.0, 1 - age_s / NEW_S)
    weight = CONTACT.weight + CONTACT.new * newness + CONTACT.unseen * unseen_s
    z = CONTACT.bias + CONTACT.own * own + weight * math.log(kept / (1 - kept))
    if within:
        z = CONTACT.within + CONTACT.within_unseen * unseen_s
    assert said(share, within, unseen_s, age_s, own) == pytest.approx(1 / (1 + math.exp(-z)))


@given(shares, shares, flags, st.floats(0.0, 0.4), st.floats(NEW_S, 5.0), flags)
def test_more_paths_are_more_likely_and_nothing_is_certain(a, b, within, unseen_s, age_s, own) -> None:
    low, high = sorted((a, b))
    assert 0.0 < said(low, within, unseen_s, age_s, own) <= said(high, within, unseen_s, age_s, own) < 1.0


@given(st.floats(0.5, 1.0), flags, seconds, seconds, flags)
def test_what_most_paths_say_counts_less_the_longer_somebody_is_out_of_view(share, within, a, b, own) -> None:
    early, late = sorted((a, b))
    assert said(share, within, late, own_motion=own) <= said(share, within, early, own_motion=own)


@given(shares, seconds, flags)
def test_paths_of_somebody_new_move_the_probability_less(share, unseen_s, own) -> None:
    base, old, new = (said(s, False, 0.0, age, own) for s, age in ((0.5, 3.0), (share, 3.0), (share, 0.0)))
    assert abs(new - base) <= abs(old - base) + 1e-12


@given(shares, seconds, seconds)
def test_a_camera_that_knows_its_motion_takes_it_for_granted_and_so_is_believed_less(share, unseen_s, age_s) -> None:
    assert said(share, False, unseen_s, age_s, True) < said(share, False, unseen_s, age_s, False)


def test_somebody_in_view_and_within_reach_is_nearly_certain_and_out_of_view_not() -> None:
    assert said(1.0, True) > 0.97
    assert 0.7 < said(1.0, True, unseen_s=0.8) < 0.9
    assert said(1.0, False) < 0.95
    assert said(1.0, False, unseen_s=0.8) < 0.65


def test_nobody_is_nobody() -> None:
    none = np.zeros(0)
    assert CONTACT.probability(none, none, none, none, True).shape == (0,)
