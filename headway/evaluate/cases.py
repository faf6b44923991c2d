"""The worst of an evaluation, kept for the report: forecasts furthest from the truth, conflicts not warned of in time,
and false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import Alarm, Conflict

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

KEPT = 6
"""Cases of each kind that a report shows."""
_BEFORE_S, _AFTER_S = 6.0, 4.0


class Case(Protocol):
    """Something that may be among the worst. Of cases with the same `who` only the worst is kept."""

    @property
    def who(self) -> str:
        """Whose it is."""

    @property
    def badness(self) -> float:
        """More is worse."""


@dataclass(frozen=True)
class ForecastCase:
    """One forecast. Places in metres, axes of the forecast, origin at the camera (or at the person's last place).

    where: recording or sequence; history (H, 2), truth (T, 2), modes (K, T, 2), probability (K,), radius (T,) round the
    most likely mode; step_s of truth, modes and radius; others: other forecasts, name -> (T, 2).
    """

    where: str
    person: int
    at_s: float
    error_m: float
    history: Array
    truth: Array
    modes: Array
    probability: Array
    radius: Array
    step_s: float
    others: Mapping[str, Array] = field(default_factory=dict)
    wearer: bool = True

    @property
    def who(self) -> str:
        """Recording and person."""
        return f"{self.where}, person {self.person}"

    @property
    def badness(self) -> float:
        """Mean error of the most likely path, metres."""
        return self.error_m


@dataclass(frozen=True)
class AlertCase:
    """A stretch of one person's meeting with the wearer, one entry a frame from `start_s` on.

    kind: "missed", "late" or "false alarm"; distance (F,) m, NaN where the person is not there; seen (F,); alerts:
    model -> (F,); probability (F,) that headway gave; contact_s: when they came within reach, None where they never
    did.
    """

    kind: str
    where: str
    person: int
    rate: float
    start_s: float
    distance: Array
    seen: Mask
    alerts: Mapping[str, Mask]
    probability: Array
    contact_s: float | None
    lead_s: float | None
    badness: float

    @property
    def who(self) -> str:
        """Recording and person."""
        return f"{self.where}, person {self.person}"


C = TypeVar("C", bound=Case)


class Worst(Generic[C]):
    """The worst cases, one for each `who`, worst first."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._cases: dict[str, C] = {}

    def __iter__(self) -> Iterator[C]:
        """The cases, worst first; of equally bad ones the first by name."""
        return iter(sorted(self._cases.values(), key=lambda c: (-c.badness, c.who)))

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def bar(self) -> float:
        """A case less bad than this need not be made: it would not be kept."""
        return -np.inf if len(self._cases) < self._most else min(c.badness for c in self._cases.values())

    def add(self, case: C) -> None:
        """Keeps the case where it is among the worst."""
        known = self._cases.get(case.who)
        if known is None or case.badness > known.badness:
            self._cases[case.who] = case
        if len(self._cases) > self._most:
            del self._cases[list(self)[-1].who]


@dataclass
class Cases:
    """The worst of one evaluation."""

    forecasts: Worst[ForecastCase] = field(default_factory=Worst)
    missed: Worst[AlertCase] = field(default_factory=Worst)
    false: Worst[AlertCase] = field(default_factory=Worst)

    def add(self, other: Cases) -> None:
        """Takes in the worst of another part of the evaluation."""
        for forecast in other.forecasts:
            self.forecasts.add(forecast)
        for case in other.missed:
            self.missed.add(case)
        for case in other.false:
            self.false.add(case)


def add_alerts(
    cases: Cases,
    where: str,
    rate: float,
    distance: Array,
    seen: Mask,
    alerts: Mapping[str, Mask],
    probability: Array,
    judged: tuple[list[Conflict], list[Alarm]],
) -> None:
    """The missed conflicts and false alarms of one walk; distance, seen, alerts and probability are (F, P)."""

    def cut(kind: str, person: int, middle: int, contact: int | None, lead: float | None, badness: float) -> AlertCase:
        first = max(0, middle - round(_BEFORE_S * rate))
        part = np.s_[first : middle + round(_AFTER_S * rate) + 1, person]
        raised = {name: mask[part].copy() for name, mask in alerts.items()}
        contact_s = None if contact is None else contact / rate
        return AlertCase(
            kind, where, person, rate, first / rate, distance[part], seen[part], raised, probability[part], contact_s,
            lead, badness,
        )  # fmt: skip

    conflicts, alarms = judged
    for c in conflicts:
        if not c.in_time:
            late = -1.0 if c.lead_s is None else c.lead_s
            kind = "missed" if c.lead_s is None else "late"
            cases.missed.add(cut(kind, c.person, c.contact, c.contact, c.lead_s, -late))
    for a in alarms:
        if not a.true and a.closest_m > cases.false.bar:
            cases.false.add(cut("false alarm", a.person, a.first, None, None, a.closest_m))
