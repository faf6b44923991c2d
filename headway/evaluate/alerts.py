"""Alerts against what really happened: a conflict is somebody coming within 1.0 m of the wearer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.egocentric import runs

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

CONFLICT_M = 1.0
HORIZON_S = 3.0
WANTED_LEAD_S = 1.5
IN_SIGHT_S = 2.0
_APART_S = 1.0
"""Somebody within reach who was so a second ago is the same meeting: companions do not count over and over."""
_SAME_ALERT_S = 0.5


@dataclass
class AlertCount:
    """What one model's alerts came to. leads_s: of the conflicts warned of, from the first alert to contact;
    told_false: times that a false alarm was told to the wearer, None where nothing is held back; rises, stretches:
    how often an alert came on, and the same with breaks of less than half a second closed; in_sight: conflicts with
    somebody in sight for 2 s before, who could be warned of 1.5 s ahead after half a second of looking."""

    conflicts: int = 0
    warned: int = 0
    in_time: int = 0
    alerts: int = 0
    true_alerts: int = 0
    seconds: float = 0.0
    leads_s: list[float] = field(default_factory=list)
    told_false: int | None = None
    rises: int = 0
    stretches: int = 0
    in_sight: int = 0
    in_sight_in_time: int = 0

    def add(self, seconds: float, conflicts: Sequence[Conflict], alarms: Sequence[Alarm]) -> None:
        """One walk of `seconds`."""
        self.seconds += seconds
        self.conflicts += len(conflicts)
        self.warned += sum(c.warning is not None for c in conflicts)
        self.in_time += sum(c.in_time for c in conflicts)
        self.leads_s += [c.lead_s for c in conflicts if c.lead_s is not None]
        self.in_sight += sum(c.sight_s >= IN_SIGHT_S for c in conflicts)
        self.in_sight_in_time += sum(c.sight_s >= IN_SIGHT_S and c.in_time for c in conflicts)
        self.alerts += len(alarms)
        self.true_alerts += sum(a.true for a in alarms)

    def flicker(self, raised: Mask, rate: float) -> None:
        """How often the alerts of one walk (F, P) came on."""
        for person in range(raised.shape[1]):
            self.rises += sum(1 for _ in runs(raised[:, person]))
            self.stretches += len(closed(raised[:, person], round(_SAME_ALERT_S * rate)))

    def tell(self, told: Mask, alarms: Sequence[Alarm]) -> None:
        """What of one walk's alarms was told to the wearer, told (F, P): each time is counted, reminders too."""
        false = sum(int(told[a.first : a.last + 1, a.person].sum()) for a in alarms if not a.true)
        self.told_false = (self.told_false or 0) + false

    def summary(self) -> dict[str, float | int | None]:
        """Recall, precision, false alarms an hour of wearing, median lead, and how often an alert came on for one that
        stood (1: it never flickered); None where nothing was there to count."""
        false = self.alerts - self.true_alerts
        told = {} if self.told_false is None else {"told_false_per_hour": 3600 * self.told_false / max(1, self.seconds)}
        return {
            "conflicts": self.conflicts,
            "recall": self.warned / self.conflicts if self.conflicts else None,
            "recall_in_time": self.in_time / self.conflicts if self.conflicts else None,
            "recall_in_time_seen_2s": self.in_sight_in_time / self.in_sight if self.in_sight else None,
            "precision": self.true_alerts / self.alerts if self.alerts else None,
            "false_alarms": false,
            "false_per_hour": 3600 * false / self.seconds if self.seconds else None,
            "lead_s": float(np.median(self.leads_s)) if self.leads_s else None,
            "rises_per_alert": self.rises / self.stretches if self.stretches else None,
        } | told


def meetings(distance: Array, rate: float) -> list[tuple[int, int]]:
    """(F,) distance of one person, NaN where absent -> (frame of contact, last frame) of every meeting.

    A meeting that begins before the person was there for a second cannot be warned of and is left out.
    """
    with np.errstate(invalid="ignore"):
        near = distance < CONFLICT_M
    gap = round(_APART_S * rate)
    merged: list[list[int]] = []
    for first, last in runs(near):
        if merged and first - merged[-1][1] <= gap:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    return [(a, b) for a, b in merged if a >= gap and np.isfinite(distance[a - gap : a]).all()]


@dataclass(frozen=True)
class Conflict:
    """A person who came within reach at frame `contact`. warning: first and last frame of the warning that stood
    before, None where nobody warned; lead_s: from its first frame to contact; sight_s: from the first sight of the last
    three seconds to contact."""

    person: int
    contact: int
    warning: tuple[int, int] | None
    lead_s: float | None
    sight_s: float

    @property
    def in_time(self) -> bool:
        """Warned of as early as is wanted."""
        return self.lead_s is not None and self.lead_s >= WANTED_LEAD_S


@dataclass(frozen=True)
class Alarm:
    """An alert that stood from frame `first` to `last`; true: its person came within reach; closest_m: how near."""

    person: int
    first: int
    last: int
    true: bool
    closest_m: float


def judge(distance: Array, seen: Mask, raised: Mask, rate: float) -> tuple[list[Conflict], list[Alarm]]:
    """One model's alerts on one walk. distance, seen and raised are (F, P).

    A conflict counts where the person was seen for 1.5 s during the last 3 s before contact. It is warned of where an
    alert that began before contact stands at some moment of those 3 s; the lead is counted from the first alert of that
    unbroken warning, of two warnings from the last one's. An alert is true where the person comes within reach before
    it ends or within 3 s after. Alerts that begin within reach and those whose person leaves before the truth is known
    are not judged.
    """
    horizon, same = round(HORIZON_S * rate), round(_SAME_ALERT_S * rate)
    frames, people = distance.shape
    conflicts, alarms = [], []
    with np.errstate(invalid="ignore"):
        near = distance < CONFLICT_M
    for person in range(people):
        found = meetings(distance[:, person], rate)
        warnings = closed(raised[:, person], same)
        for contact, _ in found:
            first = max(0, contact - horizon)
            looked = seen[first:contact, person]
            if looked.sum() < WANTED_LEAD_S * rate:
                continue
            sight = (contact - first - int(np.argmax(looked))) / rate
            before = [w for w in warnings if w[0] < contact and w[1] >= contact - horizon]
            lead = (contact - before[-1][0]) / rate if before else None
            conflicts.append(Conflict(person, contact, before[-1] if before else None, lead, sight))
        for first, last in warnings:
            until = min(frames, last + horizon + 1)
            true = bool(near[first:until, person].any())
            known = until == last + horizon + 1 and np.isfinite(distance[last:until, person]).all()
            if not near[first, person] and (true or known):
                alarms.append(Alarm(person, first, last, true, float(np.nanmin(distance[first:until, person]))))
    return conflicts, alarms


def closed(raised: Mask, gap: int) -> list[tuple[int, int]]:
    """Runs of True, those less than `gap` frames apart joined."""
    merged: list[tuple[int, int]] = []
    for first, last in runs(raised):
        if merged and first - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def pooled(counts: Iterable[AlertCount]) -> AlertCount:
    """The sum of several counts."""
    total = AlertCount()
    for c in counts:
        total.conflicts += c.conflicts
        total.warned += c.warned
        total.in_time += c.in_time
        total.alerts += c.alerts
        total.true_alerts += c.true_alerts
        total.seconds += c.seconds
        total.leads_s += c.leads_s
        total.in_sight += c.in_sight
        total.in_sight_in_time += c.in_sight_in_time
        total.rises += c.rises
        total.stretches += c.stretches
        if c.told_false is not None:
            total.told_false = (total.told_false or 0) + c.told_false
    return total
