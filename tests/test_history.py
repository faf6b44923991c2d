"""What a sensor said is found by its stamp, whatever has come since."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.history import CLOCK_STEP_NS, History

STAMPS = st.lists(st.integers(0, CLOCK_STEP_NS), min_size=1, max_size=20, unique=True)


@given(STAMPS, st.integers(0, CLOCK_STEP_NS))
def test_the_value_that_held_and_the_nearest_one_are_those_of_a_search_by_hand(stamps: list[int], at: int) -> None:
    history: History[int] = History(8)
    for stamp in stamps:  # in any order
        history.push(stamp, stamp)
    kept = sorted(stamps)[-8:]
    before = [s for s in kept if s <= at]
    assert history.until(at) == (before[-1] if before else kept[0])
    nearest, value = history.nearest(at) or (None, None)
    assert nearest == value == min(kept, key=lambda s: (abs(s - at), s))


def test_a_repeated_stamp_is_refused_a_late_one_finds_its_place_and_one_far_back_starts_afresh() -> None:
    history: History[str] = History(4)
    assert history.until(0) is None
    assert history.nearest(0) is None
    later = 5 * CLOCK_STEP_NS
    assert history.push(later, "a")
    assert not history.push(later, "again")
    assert history.push(later - CLOCK_STEP_NS, "late")
    assert history.until(later) == "a"
    assert history.until(later - 1) == "late"
    assert history.push(1, "restarted")
    assert history.until(later) == "restarted"


def test_what_is_stamped_ahead_holds_nothing_back() -> None:
    history: History[str] = History(2)
    assert history.push(1_000, "now")
    assert history.push(1_000 + CLOCK_STEP_NS, "ahead")
    assert history.push(2_000, "next")
    assert history.until(2_000) == "next"
    assert not history.push(1_500, "older than all that is kept")
