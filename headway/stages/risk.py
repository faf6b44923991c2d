"""Who will meet the wearer, when, and how likely: forecasts in, one risk for each person out.

A mode meets the wearer where its path comes within `wearer_radius_m` + `conflict_margin_m` of the origin. The share of
the modes that do, by probability, decides on a notice, the share that does so within `alert_s` on an alert. Levels rise
at one share and fall at a lower one, some time after the last frame that called for them, so that they do not flicker.
What of this is told aloud is `announce`'s matter.

The probability that is said is what such a share has come to with recorded people (`contact_belief`), times the
probability that there is a person at all (`existence`): a tree crown of which all paths meet the wearer must not sound
as sure as a walker, nor must somebody out of sight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headway.config import Config, parameter
from headway.stages.contact_belief import CONTACT
from headway.stages.contacts import Contacts, Disc, meet, words
from headway.stages.levels import Held, Rule, next_level
from headway.types import Forecast, Level, Risk, Risks, Tracks

_AHEAD_DEG, _BESIDE_DEG = 30.0, 120.0
"""Ahead within 30 degrees of where the camera looks, left or right up to 120, behind beyond."""
_EVEN = 0.5
"""What is more likely a person than not is warned of as one, as early as if that were certain: only the probability
that is said is lower. What is less likely one must make up for it by its paths."""


@dataclass(frozen=True)
class RiskConfig(Config):
    """When to warn. The values of the alert rule come from tools/tune_alerts.py."""

    mode: str = parameter(
        "headway", "heads-up: the published filter and alert rule in place of the network and this rule",
        choices=("headway", "heads-up"),
    )  # fmt: skip
    wearer_radius_m: float = parameter(0.4, "half width of the wearer or the vehicle, metres", 0.1, 2.0)
    conflict_margin_m: float = parameter(0.6, "room that a person wants round the wearer, metres", 0.0, 2.0)
    soft_m: float = parameter(0.2, "a path that passes this far outside that room still counts a quarter", 0.01, 1.0)
    horizon_s: float = parameter(4.0, "contacts later than this are not reported, seconds", 0.4, 4.8)
    alert_s: float = parameter(3.0, "contacts within this time raise an alert, seconds", 0.4, 4.8)
    alert_share: float = parameter(
        0.25, "share of somebody's paths within reach within `alert_s` that raises an alert", 0.01, 1.0
    )
    notice_share: float = parameter(0.15, "share of somebody's paths within reach that raises a notice", 0.01, 1.0)
    release: float = parameter(0.1, "an alert falls when the share is below this part of its threshold", 0.01, 1)
    hold_s: float = parameter(2.0, "and this time has passed since the last frame that called for it, seconds", 0, 5.0)
    min_age_s: float = parameter(0.2, "a track seen for less time than this is unsure, seconds", 0.0, 2.0)
    max_silence_s: float = parameter(
        0.5,
        "a longer time between two forecasts, or without seeing a person, makes the answer unsure, seconds",
        0.05,
        5,
    )
    repeat_s: float = parameter(
        5.0, "a person is not announced again within this time, unless the level rises, seconds", 0.0, 60.0
    )
    pause_s: float = parameter(1.0, "least time between any two announcements of one level, seconds", 0.0, 60.0)
    announce_notices: bool = parameter(False, "announce notices too, not only alerts")

    @property
    def disc(self) -> Disc:
        """The wearer's disc."""
        return Disc(self.wearer_radius_m + self.conflict_margin_m, self.soft_m, self.horizon_s, self.alert_s)

    @property
    def rule(self) -> Rule:
        """Thresholds and hysteresis."""
        return Rule(self.alert_share, self.notice_share, self.release, self.hold_s)


class RiskStage:
    """Remembers each track's level for the hysteresis."""

    def __init__(self, config: RiskConfig | None = None) -> None:
        self.config = config or RiskConfig()
        self._disc, self._rule = self.config.disc, self.config.rule
        self.reset()

    def reset(self) -> None:
        """Forgets all levels."""
        self._held: dict[int, Held] = {}
        self._seen_ns: dict[int, int] = {}
        self._stamp_ns: int | None = None

    def __call__(self, forecast: Forecast) -> Risks:
        """Risks of everybody in `forecast`, in its order (nearest first)."""
        tracks = forecast.tracks
        reasons = [tracks.unsure] if tracks.unsure else []
        silence = 0.0 if self._stamp_ns is None else (tracks.stamp_ns - self._stamp_ns) * 1e-9
        if silence < 0:
            self._held, self._seen_ns = {}, {}
        elif silence > self.config.max_silence_s:
            reasons.append(f"no forecast for {silence:.1f} s before this one")
        self._stamp_ns = tracks.stamp_ns
        here = np.asarray(tracks.position[:, :2], float)
        contacts = meet(here, forecast.modes, forecast.probability, forecast.step_s, self._disc)
        ids, visible = tracks.ids.tolist(), (tracks.head_index >= 0).tolist()
        unseen_s = self._unseen_s(tracks.stamp_ns, ids, visible)
        within = here[:, 0] ** 2 + here[:, 1] ** 2 <= self._disc.limit_m**2
        own_motion = tracks.ego_velocity is not None
        probability = CONTACT.probability(contacts.share, within, unseen_s, tracks.age_s, own_motion)
        people = _people(tracks, here, contacts, ids, visible, unseen_s, probability.tolist())
        items = tuple(self._risk(tracks.stamp_ns, person) for person in people)
        self._held = {r.track_id: self._held[r.track_id] for r in items}
        return Risks(tracks.stamp_ns, items, "; ".join(reasons))

    def _unseen_s(self, now: int, ids: list[int], visible: list[bool]) -> list[float]:
        """Seconds since each was last in view; somebody new counts as in view."""
        seen_ns = [now if v else self._seen_ns.get(identity, now) for identity, v in zip(ids, visible, strict=True)]
        self._seen_ns = dict(zip(ids, seen_ns, strict=True))
        return [(now - ns) * 1e-9 for ns in seen_ns]

    def _risk(self, now: int, person: _Person) -> Risk:
        c, identity, age, time = self.config, person.id, person.age_s, person.time_s
        meets = time <= c.horizon_s
        touching = math.hypot(person.x, person.y) < c.wearer_radius_m
        held = Held(called_ns=now)
        if age < c.min_age_s and not touching:
            # Not remembered: what a velocity not yet known says must not be held over into the time when it is.
            level, reason = Level.UNSURE, f"seen for {age:.2f} s only"
        else:
            person_or_not = 1.0 if person.existence >= _EVEN else person.existence
            expected = person_or_not * person.share if meets else 0.0
            held = self._held.get(identity, held)
            soon = person_or_not * person.soon
            held = next_level(self._rule, held, expected, soon, now, person.visible, person.existence)
            level = held.level
            reason = words(person.share, time, person.existence) if level else ""
            if level != Level.ALERT and person.unseen_s > c.max_silence_s:
                level, reason = Level.UNSURE, f"not seen for {person.unseen_s:.1f} s"
            elif level == Level.CLEAR and not person.visible:
                # No level rises while nobody sees what happens, but that is no reason to call the way clear.
                seen_s = max(age - person.unseen_s, 0.0)
                if seen_s < c.min_age_s:
                    level, reason = Level.UNSURE, f"seen for {seen_s:.2f} s only"
                elif expected >= c.notice_share:
                    level, reason = Level.UNSURE, f"not in view, {words(person.share, time, person.existence)}"
        self._held[identity] = held
        return Risk(
            track_id=identity,
            level=level,
            time_to_contact_s=time if meets else None,
            probability=person.existence * person.probability,
            closest_m=person.closest_m,
            direction=person.direction,
            reason=reason,
        )


class _Person(NamedTuple):
    """One person's row of the tracks and the contacts."""

    id: int
    age_s: float
    x: float
    y: float
    visible: bool
    unseen_s: float
    existence: float
    share: float
    soon: float
    probability: float
    time_s: float
    closest_m: float
    direction: str


def _people(
    tracks: Tracks,
    here: np.ndarray,
    contacts: Contacts,
    ids: list[int],
    visible: list[bool],
    unseen_s: list[float],
    probability: list[float],
) -> Iterator[_Person]:
    """Column by column into Python's numbers: taken out of the arrays one by one they cost more than the rule."""
    x, y = here.T.tolist()
    heading = tracks.heading_rad
    columns = (
        ids,
        tracks.age_s.tolist(),
        x,
        y,
        visible,
        unseen_s,
        [1.0] * len(x) if tracks.existence is None else tracks.existence.tolist(),
        contacts.share.tolist(),
        contacts.soon.tolist(),
        probability,
        contacts.time_s.tolist(),
        contacts.closest_m.tolist(),
        [_word(*place, heading) for place in zip(x, y, strict=True)],
    )
    return map(_Person, *columns)


def direction_word(tracks: Tracks, i: int) -> str:
    """left, ahead, right or behind: where person `i` is now, seen from the camera."""
    x, y = tracks.position[i, :2].tolist()
    return _word(x, y, tracks.heading_rad)


def _word(x: float, y: float, heading_rad: float) -> str:
    degrees = math.degrees(math.remainder(math.atan2(y, x) - heading_rad, math.tau))
    if abs(degrees) <= _AHEAD_DEG:
        return "ahead"
    if abs(degrees) > _BESIDE_DEG:
        return "behind"
    return "left" if degrees > 0 else "right"
