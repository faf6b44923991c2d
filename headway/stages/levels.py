"""When a risk becomes a warning, and when it stops being one: thresholds with hysteresis, one person at a time."""

from __future__ import annotations

from dataclasses import dataclass

from headway.types import Level

NOTICE_RELEASE, NOTICE_HOLD_S = 0.6, 0.4
"""A notice costs nobody anything and may come and go sooner than an alert."""


@dataclass(frozen=True)
class Rule:
    """alert: probability of a contact soon that calls for an alert; notice: of any contact, for a notice; release: part
    of the alert's threshold below which it falls; hold_s: least time after the last call for it."""

    alert: float
    notice: float
    release: float
    hold_s: float


@dataclass(frozen=True)
class Held:
    """One person's level, and the stamp at which it was last called for."""

    level: Level = Level.CLEAR
    called_ns: int = 0


def next_level(
    rule: Rule,
    held: Held,
    probability: float,
    soon: float,
    stamp_ns: int,
    visible: bool = True,
    existence: float = 1.0,
) -> Held:
    """The level after one more frame. probability of a contact (0 where none is expected), and of one that is soon.

    A level does not rise while the person is not visible: what happened since nobody saw. existence: probability that
    there is a person at all; where even a certain contact would call for no alert any more, none is kept beyond its
    hold: forecasts sway, and a low threshold keeps an alert up meanwhile, but a tree does not become a person.
    """
    wanted = Level.CLEAR
    if soon >= rule.alert:
        wanted = Level.ALERT
    elif probability >= rule.notice:
        wanted = Level.NOTICE
    if not visible:
        wanted = min(wanted, held.level)
    if wanted >= held.level:
        return Held(wanted, stamp_ns)
    alert = held.level == Level.ALERT
    threshold = rule.release * rule.alert if alert else NOTICE_RELEASE * rule.notice
    if existence < rule.alert:
        threshold = rule.alert
    silent_s = (stamp_ns - held.called_ns) * 1e-9
    if probability < threshold and silent_s >= (rule.hold_s if alert else NOTICE_HOLD_S):
        return Held(wanted, stamp_ns)
    return held
