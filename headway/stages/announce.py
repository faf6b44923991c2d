"""What is told to the wearer, and how often: the state goes out with every frame, words only when something is new.

A person who becomes an alert is announced once. The same person is announced again only when the level rises or after
`repeat_s`; of several people who become alerts together the most urgent comes first and the others follow with
`pause_s` between them, as long as they are still alerts then. Nothing is announced of a level that has already fallen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headway.stages.risk import RiskConfig
from headway.types import Level, Risk, Risks


@dataclass(frozen=True)
class Announcement:
    """One thing to say at one frame; `text` is what a loudspeaker would say."""

    stamp_ns: int
    track_id: int
    level: Level
    direction: str
    time_to_contact_s: float | None
    probability: float

    @property
    def text(self) -> str:
        """For example "person ahead, 1.8 seconds"."""
        place = self.direction if self.direction in ("ahead", "behind") else f"from the {self.direction}"
        when = "" if self.time_to_contact_s is None else f", {self.time_to_contact_s:.1f} seconds"
        return f"person {place}{when}"


class Announcer:
    """Remembers what was said. `held_back` counts frames on which somebody at a level to be told was not told again."""

    def __init__(self, config: RiskConfig | None = None) -> None:
        self.config = config or RiskConfig()
        self.said = self.held_back = 0
        self.reset()

    def reset(self) -> None:
        """Forgets what was said; the counts go on."""
        self._told: dict[int, tuple[Level, int]] = {}  # track -> level and stamp of its last announcement
        self._last: dict[Level, int] = {}  # level -> stamp of the last announcement of it
        self._stamp_ns = 0

    def __call__(self, risks: Risks) -> tuple[Announcement, ...]:
        """What to say at this frame: nothing, or one announcement for each level that has something new."""
        if risks.stamp_ns < self._stamp_ns:
            self.reset()
        self._stamp_ns = risks.stamp_ns
        self._forget()
        return tuple(self._say(risks))

    def _say(self, risks: Risks) -> Iterator[Announcement]:
        levels = (Level.ALERT, Level.NOTICE) if self.config.announce_notices else (Level.ALERT,)
        for level in levels:
            waiting = [r for r in risks.items if r.level == level]
            fresh = [r for r in waiting if self._is_new(r)]
            self.held_back += len(waiting)
            if not fresh or self._within(self._last.get(level), self.config.pause_s):
                continue
            urgent = min(fresh, key=lambda r: (_seconds(r), -r.probability, r.track_id))
            self._told[urgent.track_id] = (level, self._stamp_ns)
            self._last[level] = self._stamp_ns
            self.said, self.held_back = self.said + 1, self.held_back - 1
            yield Announcement(
                self._stamp_ns, urgent.track_id, level, urgent.direction, urgent.time_to_contact_s, urgent.probability
            )

    def _is_new(self, risk: Risk) -> bool:
        level, stamp_ns = self._told.get(risk.track_id, (Level.CLEAR, None))
        return risk.level > level or not self._within(stamp_ns, self.config.repeat_s)

    def _within(self, stamp_ns: int | None, seconds: float) -> bool:
        return stamp_ns is not None and (self._stamp_ns - stamp_ns) < seconds * 1e9

    def _forget(self) -> None:
        """Old entries go: identities are never used twice, and the memory must not grow with them."""
        self._told = {i: told for i, told in self._told.items() if self._within(told[1], self.config.repeat_s)}


def _seconds(risk: Risk) -> float:
    return float("inf") if risk.time_to_contact_s is None else risk.time_to_contact_s
