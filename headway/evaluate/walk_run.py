"""One walk (see `egocentric`) through the stages and through the published rule, scored on the same people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import AlertCount, judge
from headway.evaluate.cases import Cases, ForecastCase, add_alerts
from headway.evaluate.contact_calibration import ContactOutcomes
from headway.evaluate.egocentric import Columns, Walk, rows_of
from headway.evaluate.predictors import line_fit
from headway.evaluate.walk_scores import EVERY_S, SEEN_S, WalkScores
from headway.runtime.model import Model
from headway.stages.announce import Announcer
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.heads_up import ALERT_M, HORIZON_S, HeadsUpTrack, predict
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Forecast, Level

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

MODELS = ("headway", "heads-up", "line-fit", "constant-velocity")
STEPS = 7
"""Forecasts are scored over seven steps of 0.4 s, 2.8 s: the published horizon is 3 s."""
RULES = ("headway", "heads-up", "line-fit")
"""Who raises alerts."""
_LINE_POINTS = 15
_HISTORY_S = 3.0


@dataclass
class Errors:
    """Per model, mean and last distance of each forecast from the truth; flicker_m between successive frames.

    best: the same of the best of all modes, each by itself; inside: whether the whole truth lay within the radius that
    was drawn; contacts: the probability that was said of each person, and whether they came.
    """

    rows: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {m: [] for m in MODELS})
    best: list[tuple[float, float]] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    scores: WalkScores = field(default_factory=WalkScores)
    contacts: ContactOutcomes = field(default_factory=ContactOutcomes)
    flicker_m: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in MODELS})

    def add(self, other: Errors) -> None:
        """Takes in another collection."""
        for name in MODELS:
            self.rows[name] += other.rows[name]
            self.flicker_m[name] += other.flicker_m[name]
        self.best += other.best
        self.inside += other.inside
        self.scores.rows += other.scores.rows
        self.scores.held |= other.scores.held
        self.contacts.rows += other.contacts.rows


class Stages:
    """Tracks, forecast and risk as on the device, with the column of the person that each track is looking at."""

    def __init__(self, model: Model, nominal: float, memory_s: float | None = None) -> None:
        config = ForecastConfig(nominal=nominal)
        if memory_s is not None:
            config = replace(config, memory_s=memory_s)
        self.tracks = TrackStage(TrackConfig())
        self.forecast = ForecastStage(model, config)
        self.risk, self.announcer = RiskStage(RiskConfig()), Announcer(RiskConfig())
        self._columns = Columns()

    def step(self, walk: Walk, frame: int) -> Said:
        """Everything that is said of one frame."""
        tracks = self.tracks.follow(walk.view(frame), walk.sightings(frame))
        forecast = self.forecast(tracks)
        risks = self.risk(forecast)
        told = {a.track_id for a in self.announcer(risks)}
        columns = self._columns(tracks)
        said = Said(forecast, rows_of(columns))
        for column, risk in zip(columns, risks.items, strict=True):
            if column == Columns.UNKNOWN:
                continue
            said.probability[column] = max(risk.probability, said.probability.get(column, 0.0))
            if risk.level == Level.ALERT:
                said.alerts.append(column)
            if risk.track_id in told:
                said.told.append(column)
        return said


@dataclass
class Said:
    """One frame. rows: column of a person in the walk -> row in the forecast; alerts, told: columns."""

    forecast: Forecast
    rows: dict[int, int]
    probability: dict[int, float] = field(default_factory=dict)
    alerts: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)


def run_walk(
    walk: Walk,
    model: Model,
    nominal: float,
    counts: dict[str, AlertCount],
    errors: Errors,
    memory_s: float | None = None,
    cases: Cases | None = None,
) -> None:
    """One wearer: every frame through every model; alerts and errors are added to `counts`, `errors` and `cases`."""
    frames, people = walk.seen.shape
    stages = Stages(model, nominal, memory_s)
    published = [HeadsUpTrack(walk.rate) for _ in range(people)]
    alerts = {m: np.zeros((frames, people), bool) for m in RULES}
    told = np.zeros((frames, people), bool)
    probability = np.full((frames, people), np.nan)
    every = round(EVERY_S * walk.rate)
    before: Said | None = None
    for frame in range(frames):
        said = stages.step(walk, frame)
        alerts["headway"][frame, said.alerts] = told[frame, said.told] = True
        probability[frame, list(said.probability)] = list(said.probability.values())
        _published(walk, frame, published, alerts)
        if before is not None:
            _flicker(errors, (before.forecast, before.rows), (said.forecast, said.rows), 1 / walk.rate)
        before = said
        if frame % every == 0:
            _score(walk, frame, said, published, errors, cases)
            quantiles = stages.forecast.quantiles(said.forecast.tracks)
            errors.scores.add(walk, frame, said.forecast, said.rows, quantiles)
    errors.contacts.add(walk, probability)
    for name, entry in counts.items():
        found = judge(walk.distance, walk.seen, alerts[name], walk.rate)
        entry.add(frames / walk.rate, *found)
        entry.flicker(alerts[name], walk.rate)
        if name == "headway":
            entry.tell(told, found[1])
            if cases is not None:
                add_alerts(cases, walk.name, walk.rate, walk.distance, walk.seen, alerts, probability, found)


def _published(walk: Walk, frame: int, tracks: list[HeadsUpTrack], alerts: dict[str, Mask]) -> None:
    """One frame of the published rule, and of the same rule on a line."""
    for person, track in enumerate(tracks):
        seen = walk.seen[frame, person]
        if not seen and frame / walk.rate - track.seen_s > 1:
            continue
        place = walk.measured[frame, person] if seen else None
        alerts["heads-up"][frame, person] = track.see(frame / walk.rate, place)
        if len(track.points) >= 2:
            alerts["line-fit"][frame, person] = line_alert(track, walk.rate)


def line_alert(track: HeadsUpTrack, rate: float) -> bool:
    """The published rule on a line through the last second instead of the published filter."""
    steps = round(HORIZON_S * rate)
    path = line_fit(np.array(track.points)[-_LINE_POINTS:][None], steps)[0]
    return bool((np.linalg.norm(path, axis=1) < ALERT_M).any())


def _score(
    walk: Walk, frame: int, said: Said, published: list[HeadsUpTrack], errors: Errors, cases: Cases | None
) -> None:
    forecast, rows = said.forecast, said.rows
    every = round(EVERY_S * walk.rate)
    ahead = frame + every * np.arange(1, STEPS + 1)
    if ahead[-1] >= len(walk.seen):
        return
    for person in np.flatnonzero(walk.seen[frame]):
        truth = walk.relative[ahead, person]
        row, points = rows.get(int(person)), np.array(published[person].points)
        if row is None or forecast.tracks.age_s[row] < SEEN_S or len(points) < 2 or not np.isfinite(truth).all():
            continue
        modes = forecast.modes[row, :, :STEPS]
        best = int(forecast.probability[row].argmax())
        tracks, seconds = forecast.tracks, EVERY_S * np.arange(1, STEPS + 1)[:, None]
        paths = {
            "headway": modes[best],
            "heads-up": predict(points, every * STEPS)[every - 1 :: every],
            "line-fit": line_fit(points[-_LINE_POINTS:][None], every * STEPS)[0, every - 1 :: every],
            "constant-velocity": tracks.position[row, :2] + seconds * tracks.velocity[row, :2],
        }
        away = {name: np.linalg.norm(path - truth, axis=1) for name, path in paths.items()}
        for name, error in away.items():
            errors.rows[name].append((float(error.mean()), float(error[-1])))
        every_mode = np.linalg.norm(modes - truth, axis=-1)
        errors.best.append((float(every_mode.mean(axis=1).min()), float(every_mode[:, -1].min())))
        errors.inside.append(bool((away["headway"] <= forecast.radius[row, :STEPS]).all()))
        if cases is not None and away["headway"].mean() > cases.forecasts.bar:
            others = {name: paths[name] for name in ("constant-velocity", "heads-up")}
            cases.forecasts.add(_case(walk, frame, int(person), forecast, row, truth, others))


def _case(
    walk: Walk, frame: int, person: int, forecast: Forecast, row: int, truth: Array, others: Mapping[str, Array]
) -> ForecastCase:
    """The picture of one forecast; what was seen before is the true path as long as the person was in sight."""
    back = np.arange(max(0, frame - round(_HISTORY_S * walk.rate)), frame + 1)
    back = back[walk.seen[back, person]]
    modes = forecast.modes[row, :, :STEPS]
    best = modes[int(forecast.probability[row].argmax())]
    return ForecastCase(
        where=walk.name,
        person=int(walk.ids[person]),
        at_s=frame / walk.rate,
        error_m=float(np.linalg.norm(best - truth, axis=1).mean()),
        history=walk.relative[back, person],
        truth=truth,
        modes=modes.copy(),
        probability=forecast.probability[row].copy(),
        radius=forecast.radius[row, :STEPS].copy(),
        step_s=EVERY_S,
        others=others,
    )


def _flicker(
    errors: Errors, old: tuple[Forecast, dict[int, int]], new: tuple[Forecast, dict[int, int]], dt: float
) -> None:
    """How far the most likely path 2 s ahead has jumped since the frame before, at the same moment of time."""
    for person, row in new[1].items():
        was = old[1].get(person)
        if was is None or old[0].tracks.ids[was] != new[0].tracks.ids[row] or new[0].tracks.age_s[row] < SEEN_S:
            continue
        a = _at(old[0], was, 2.0 + dt)
        b = _at(new[0], row, 2.0)
        errors.flicker_m["headway"].append(float(np.linalg.norm(a - b)))
        (t0, r0), (t1, r1) = (old[0].tracks, was), (new[0].tracks, row)
        a = t0.position[r0, :2] + (2.0 + dt) * t0.velocity[r0, :2]
        b = t1.position[r1, :2] + 2.0 * t1.velocity[r1, :2]
        errors.flicker_m["constant-velocity"].append(float(np.linalg.norm(a - b)))


def _at(forecast: Forecast, row: int, seconds: float) -> Array:
    path = forecast.modes[row, int(forecast.probability[row].argmax())]
    times = forecast.step_s * np.arange(1, len(path) + 1)
    return np.array([np.interp(seconds, times, path[:, axis]) for axis in (0, 1)])


def drawn(parts: Iterable[Errors]) -> dict[str, float]:
    """What the radius that the stage drew holds. "measured": share of moments at which everybody scored stayed inside;
    "single": share of forecasts of which 2.8 s of the truth lay inside."""
    found = list(parts)
    held = [one for errors in found for one in errors.scores.held.values()]
    inside = [one for errors in found for one in errors.inside]
    shares = {"measured": float(np.mean(held)), "single": float(np.mean(inside))}
    return shares | {"moments": len(held), "forecasts": len(inside)}


def table(errors: Errors) -> dict[str, dict[str, float]]:
    """Model -> ade, fde, min_ade20, min_fde20 over 2.8 s, metres; single paths repeat themselves in the last two."""
    found: dict[str, dict[str, float]] = {}
    for name, rows in errors.rows.items():
        if rows:
            ade, fde = np.array(rows).mean(axis=0)
            single = {"ade": float(ade), "fde": float(fde)}
            found[name] = single | {"min_ade20": single["ade"], "min_fde20": single["fde"]}
    if errors.best:
        least, last = np.array(errors.best).mean(axis=0)
        found["headway"] |= {"min_ade20": float(least), "min_fde20": float(last)}
    return found
