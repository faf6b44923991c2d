"""What a drawing shows: the answers to one frame, from a pipeline or read back from a bag."""

from __future__ import annotations

from dataclasses import dataclass, field

from headway.geometry import OPTICAL_TO_BODY
from headway.types import Camera, DriveCommand, FloatArray, Forecast, Heads, Risk, Risks


@dataclass(frozen=True)
class Person:
    """One forecast: position (3,) m, modes (K, T, 2) m semi-local, probability (K,), radius (T,) m."""

    track_id: int
    position: FloatArray
    modes: FloatArray
    probability: FloatArray
    radius: FloatArray


@dataclass(frozen=True)
class Scene:
    """Everything that can be drawn. orientation: (3, 3) camera optical frame -> semi-local axes; None: level camera."""

    heads: Heads = field(default_factory=Heads.empty)
    head_ids: tuple[int, ...] = ()
    people: tuple[Person, ...] = ()
    risks: Risks | None = None
    command: DriveCommand | None = None
    camera: Camera | None = None
    orientation: FloatArray | None = None
    notes: tuple[str, ...] = ()

    @property
    def turn(self) -> FloatArray:
        """`orientation`, or that of a level camera."""
        return OPTICAL_TO_BODY if self.orientation is None else self.orientation

    def track(self, i: int) -> int:
        """The track of head `i`, -1 for none."""
        return self.head_ids[i] if i < len(self.head_ids) else -1

    def risk(self, track_id: int) -> Risk | None:
        """The risk of one track."""
        return next((r for r in self.risks.items if r.track_id == track_id), None) if self.risks else None


def people_of(forecast: Forecast) -> tuple[Person, ...]:
    """One Person for each track."""
    return tuple(
        Person(int(t), forecast.tracks.position[i], forecast.modes[i], forecast.probability[i], forecast.radius[i])
        for i, t in enumerate(forecast.tracks.ids)
    )
