"""The state goes out with every frame; what is told to the wearer is rate-limited."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from walking_people import stamp

from headway.stages.announce import Announcer
from headway.stages.risk import RiskConfig
from headway.types import Level, Risk, Risks

RATE = 15.0


def risk(track: int, level: Level, seconds: float | None = 2.0, direction: str = "ahead") -> Risk:
    return Risk(track, level, seconds, 0.8, 0.3, direction)


def told(announcer: Announcer, frames: list[list[Risk]], rate: float = RATE) -> list[tuple[int, int, Level]]:
    """(frame, track, level) of every announcement."""
    return [
        (i, a.track_id, a.level)
        for i, items in enumerate(frames)
        for a in announcer(Risks(stamp(i / rate), tuple(items)))
    ]


def test_an_alert_that_stands_is_told_once_and_again_only_after_the_time_set() -> None:
    announcer = Announcer(RiskConfig(repeat_s=4.0))
    found = told(announcer, [[risk(1, Level.ALERT)]] * 150)
    assert [f for f, _, _ in found] == [0, 60, 120]
    assert (announcer.said, announcer.held_back) == (3, 147)


def test_an_alert_that_flickers_is_not_told_again() -> None:
    frames = [[risk(1, Level.ALERT if i % 3 else Level.CLEAR)] for i in range(60)]
    assert len(told(Announcer(), frames)) == 1


def test_a_level_that_rises_is_told_at_once() -> None:
    frames = [[risk(1, Level.NOTICE)]] * 10 + [[risk(1, Level.ALERT)]] * 10
    assert told(Announcer(), frames) == [(10, 1, Level.ALERT)]
    both = told(Announcer(RiskConfig(announce_notices=True)), frames)
    assert both == [(0, 1, Level.NOTICE), (10, 1, Level.ALERT)]


def test_of_two_people_the_more_urgent_is_told_first_and_the_other_after_a_pause() -> None:
    frames = [[risk(1, Level.ALERT, 2.5), risk(2, Level.ALERT, 1.0)]] * 40
    assert told(Announcer(RiskConfig(pause_s=1.0)), frames) == [(0, 2, Level.ALERT), (15, 1, Level.ALERT)]


def test_somebody_whose_alert_has_fallen_meanwhile_is_not_told() -> None:
    frames = [[risk(1, Level.ALERT, 1.0), risk(2, Level.ALERT)]] * 5 + [
        [risk(1, Level.ALERT), risk(2, Level.CLEAR)]
    ] * 40
    assert [t for _, t, _ in told(Announcer(), frames)] == [1]


def test_unsure_and_clear_are_never_told_as_alerts() -> None:
    assert told(Announcer(RiskConfig(announce_notices=True)), [[risk(1, Level.UNSURE), risk(2, Level.CLEAR)]] * 5) == []


def test_a_new_recording_starts_afresh() -> None:
    announcer = Announcer()
    assert len(announcer(Risks(stamp(100), (risk(1, Level.ALERT),)))) == 1
    assert len(announcer(Risks(stamp(0), (risk(1, Level.ALERT),)))) == 1


def test_words_say_where_and_when() -> None:
    announcer = Announcer(RiskConfig(pause_s=0.0))
    (ahead,) = announcer(Risks(stamp(0), (risk(1, Level.ALERT, 1.84),)))
    (left,) = announcer(Risks(stamp(1), (risk(2, Level.ALERT, None, "left"),)))
    assert (ahead.text, left.text) == ("person ahead, 1.8 seconds", "person from the left")


levels = st.sampled_from([Level.CLEAR, Level.NOTICE, Level.ALERT, Level.UNSURE])


@given(st.lists(st.lists(levels, min_size=3, max_size=3), max_size=80))
def test_nobody_is_ever_told_twice_within_the_time_set(frames: list[list[Level]]) -> None:
    found = told(Announcer(RiskConfig(repeat_s=2.0)), [[risk(t, lv) for t, lv in enumerate(f)] for f in frames])
    for track in range(3):
        at = [f for f, t, _ in found if t == track]
        assert all(b - a >= 2.0 * RATE for a, b in pairwise(at))
    assert all(frames[f][t] == Level.ALERT for f, t, _ in found)


def test_the_memory_does_not_grow_with_the_people_who_came_by() -> None:
    announcer = Announcer(RiskConfig(pause_s=0.0, repeat_s=1.0))
    for i in range(500):
        announcer(Risks(stamp(i / RATE), (risk(i, Level.ALERT),)))
    assert len(announcer._told) <= RATE + 1
