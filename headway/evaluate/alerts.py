"""Alerts against what really happened: a conflict is somebody coming within 1.0 m of the wearer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.egocentric import runs

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

CONFLICT_M = 1.0
HORIZON_S = 3.0
WANTED_LEAD_S = 1.5
_APART_S = 1.0
"""Somebody within reach who was so a second ago is the same meeting: companions do not count over and over."""
_SAME_ALERT_S = 0.5


@dataclass
class AlertCount:
    """What one model's alerts came to. leads_s: of the conflicts warned of, from the first alert to contact."""

    conflicts: int = 0
    warned: int = 0
    in_time: int = 0
    alerts: int = 0
    true_alerts: int = 0
    seconds: float = 0.0
    leads_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float | int | None]:
        """Recall, precision, false alarms an hour of wearing, median lead; None where nothing was there to count."""
        false = self.alerts - self.true_alerts
        return {
            "conflicts": self.conflicts,
            "recall": self.warned / self.conflicts if self.conflicts else None,
            "recall_in_time": self.in_time / self.conflicts if self.conflicts else None,
            "precision": self.true_alerts / self.alerts if self.alerts else None,
            "false_alarms": false,
            "false_per_hour": 3600 * false / self.seconds if self.seconds else None,
            "lead_s": float(np.median(self.leads_s)) if self.leads_s else None,
        }


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


def count(distance: Array, seen: Mask, alerts: Mapping[str, Mask], rate: float, counts: dict[str, AlertCount]) -> None:
    """Adds one walk. distance, seen and each of `alerts` are (F, P).

    A conflict counts where the person was seen for 1.5 s during the last 3 s before contact. It is warned of where an
    alert stands at some moment of those 3 s; the lead is counted from the first alert of that unbroken warning. An
    alert is true where the person comes within reach before it ends or within 3 s after. Alerts that begin within reach
    and those whose person leaves before the truth is known are not judged.
    """
    horizon, same = round(HORIZON_S * rate), round(_SAME_ALERT_S * rate)
    frames, people = distance.shape
    for entry in counts.values():
        entry.seconds += frames / rate
    with np.errstate(invalid="ignore"):
        near = distance < CONFLICT_M
    for person in range(people):
        found = meetings(distance[:, person], rate)
        fair = [a for a, _ in found if seen[max(0, a - horizon) : a, person].sum() >= WANTED_LEAD_S * rate]
        for name, raised in alerts.items():
            entry, warnings = counts[name], closed(raised[:, person], same)
            entry.conflicts += len(fair)
            for contact in fair:
                before = [w for w in warnings if w[0] <= contact and w[1] >= contact - horizon]
                if before:
                    lead = (contact - before[-1][0]) / rate
                    entry.warned += 1
                    entry.in_time += lead >= WANTED_LEAD_S
                    entry.leads_s.append(lead)
            for first, last in warnings:
                until = min(frames, last + horizon + 1)
                true = bool(near[first:until, person].any())
                known = until == last + horizon + 1 and np.isfinite(distance[last:until, person]).all()
                if not near[first, person] and (true or known):
                    entry.alerts += 1
                    entry.true_alerts += true


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
    return total
