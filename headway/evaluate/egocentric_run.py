"""Runs walks (see `egocentric`) through the stages and through the published rule, scored on the same people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import AlertCount, count, pooled
from headway.evaluate.egocentric import Walk, Wearing, dense, walk, wearers
from headway.evaluate.pedestrians import SCENES, read_split
from headway.evaluate.predictors import line_fit
from headway.runtime.engine import Model, open_model
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.heads_up import ALERT_M, HORIZON_S, HeadsUpTrack, predict
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Forecast, Level

Array = NDArray[np.floating]

MODELS = ("headway", "heads-up", "line-fit", "constant-velocity")
STEPS = 7
"""Forecasts are scored over seven steps of 0.4 s, 2.8 s: the published horizon is 3 s."""
_LINE_POINTS = 15
_EVERY_S = 0.4
_SEEN_S = 0.5
"""Errors are scored once a person has been seen for this long; what happens before is the matter of the alerts."""


@dataclass
class Errors:
    """Per model, distances (steps,) of the forecasts from the truth; flicker_m between successive frames."""

    rows: dict[str, list[Array]] = field(default_factory=lambda: {m: [] for m in MODELS})
    best: list[Array] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    flicker_m: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in MODELS})

    def add(self, other: Errors) -> None:
        """Takes in another collection."""
        for name in MODELS:
            self.rows[name] += other.rows[name]
            self.flicker_m[name] += other.flicker_m[name]
        self.best += other.best
        self.inside += other.inside


class Stages:
    """Tracks, forecast and risk as on the device, with the column of the person that each track is looking at."""

    def __init__(self, model: Model, nominal: float, memory_s: float | None = None) -> None:
        config = ForecastConfig(nominal=nominal)
        if memory_s is not None:
            config = replace(config, memory_s=memory_s)
        self.tracks = TrackStage(TrackConfig())
        self.forecast = ForecastStage(model, config)
        self.risk = RiskStage(RiskConfig(alert_s=HORIZON_S))
        self._column: dict[int, int] = {}

    def step(self, walk: Walk, frame: int) -> tuple[Forecast, dict[int, int], set[int]]:
        """Forecast, row of each person's track (column -> row), columns of the people an alert is raised for."""
        tracks = self.tracks.follow(walk.view(frame), walk.sightings(frame))
        forecast = self.forecast(tracks, None)
        risks = self.risk(forecast)
        for identity, index in zip(tracks.ids, tracks.head_index, strict=True):
            if index >= 0:
                self._column[int(identity)] = int(index)
        columns = [self._column[int(i)] for i in tracks.ids]
        rows = {c: r for r, c in reversed(list(enumerate(columns)))}
        alerts = {c for c, r in zip(columns, risks.items, strict=True) if r.level == Level.ALERT}
        return forecast, rows, alerts


def run_walk(
    walk: Walk,
    model: Model,
    nominal: float,
    counts: dict[str, AlertCount],
    errors: Errors,
    memory_s: float | None = None,
) -> None:
    """One wearer: every frame through every model; alerts and errors are added to `counts` and `errors`."""
    frames, people = walk.seen.shape
    stages = Stages(model, nominal, memory_s)
    published = [HeadsUpTrack(walk.rate) for _ in range(people)]
    alerts = {m: np.zeros((frames, people), bool) for m in ("headway", "heads-up", "line-fit")}
    every = round(_EVERY_S * walk.rate)
    before: tuple[Forecast, dict[int, int]] | None = None
    for frame in range(frames):
        forecast, rows, raised = stages.step(walk, frame)
        alerts["headway"][frame, list(raised)] = True
        for person in range(people):
            seen = walk.seen[frame, person]
            track = published[person]
            if not seen and frame / walk.rate - track.seen_s > 1:
                continue
            alerts["heads-up"][frame, person] = track.see(
                frame / walk.rate, walk.measured[frame, person] if seen else None
            )
            if len(track.points) >= 2:
                alerts["line-fit"][frame, person] = line_alert(track, walk.rate)
        if before is not None:
            _flicker(errors, before, (forecast, rows), 1 / walk.rate)
        before = (forecast, rows)
        if frame % every == 0:
            _score(walk, frame, forecast, rows, published, errors)
    count(walk.distance, walk.seen, alerts, walk.rate, counts)


def line_alert(track: HeadsUpTrack, rate: float) -> bool:
    """The published rule on a line through the last second instead of the published filter."""
    steps = round(HORIZON_S * rate)
    path = line_fit(np.array(track.points)[-_LINE_POINTS:][None], steps)[0]
    return bool((np.linalg.norm(path, axis=1) < ALERT_M).any())


def _score(
    walk: Walk, frame: int, forecast: Forecast, rows: Mapping[int, int], published: list[HeadsUpTrack], errors: Errors
) -> None:
    every = round(_EVERY_S * walk.rate)
    ahead = frame + every * np.arange(1, STEPS + 1)
    if ahead[-1] >= len(walk.seen):
        return
    for person in np.flatnonzero(walk.seen[frame]):
        truth = walk.relative[ahead, person]
        row, points = rows.get(int(person)), np.array(published[person].points)
        if row is None or forecast.tracks.age_s[row] < _SEEN_S or len(points) < 2 or not np.isfinite(truth).all():
            continue
        modes = forecast.modes[row, :, :STEPS]
        best = int(forecast.probability[row].argmax())
        tracks, seconds = forecast.tracks, _EVERY_S * np.arange(1, STEPS + 1)[:, None]
        paths = {
            "headway": modes[best],
            "heads-up": predict(points, every * STEPS)[every - 1 :: every],
            "line-fit": line_fit(points[-_LINE_POINTS:][None], every * STEPS)[0, every - 1 :: every],
            "constant-velocity": tracks.position[row, :2] + seconds * tracks.velocity[row, :2],
        }
        for name, path in paths.items():
            errors.rows[name].append(np.linalg.norm(path - truth, axis=1))
        errors.best.append(np.linalg.norm(modes - truth, axis=-1))
        errors.inside.append(bool((errors.rows["headway"][-1] <= forecast.radius[row, :STEPS]).all()))


def _flicker(
    errors: Errors, old: tuple[Forecast, dict[int, int]], new: tuple[Forecast, dict[int, int]], dt: float
) -> None:
    """How far the most likely path 2 s ahead has jumped since the frame before, at the same moment of time."""
    for person, row in new[1].items():
        was = old[1].get(person)
        if was is None or old[0].tracks.ids[was] != new[0].tracks.ids[row] or new[0].tracks.age_s[row] < _SEEN_S:
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


def egocentric(
    models: Mapping[str, str],
    how: Wearing | None = None,
    noises: tuple[float, ...] = (0.03, 0.1),
    per_scene: int = 8,
    nominal: float = 0.9,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda s, d, t: None,
) -> dict[str, Any]:
    """Every scene's pedestrians as wearers, with a network that never saw the scene. Keys as in the architecture, one
    entry of `noise` for each noise level; the top level repeats the first."""
    how = how or Wearing()
    report: dict[str, Any] = {"protocol": "egocentric", "data": "eth_ucy", "wearers_per_scene": per_scene, "seed": seed}
    levels: dict[str, Any] = {}
    for noise in noises:
        level = replace(how, noise_m=noise)
        results = {s: _scene(s, models[s], level, per_scene, nominal, seed, progress) for s in SCENES}
        levels[f"{noise:g}"] = {
            "scenes": {
                s: {"windows": len(e.inside), "models": table(e), "alerts": _alerts(c)} for s, (c, e) in results.items()
            },
            "mean": _mean([table(e) for _, e in results.values()]),
            "coverage": {
                "nominal": nominal,
                "measured": float(np.mean(np.concatenate([e.inside for _, e in results.values()]))),
            },
            "alerts": _alerts({m: pooled(c[m] for c, _ in results.values()) for m in next(iter(results.values()))[0]}),
            "flicker_m": {
                m: float(np.mean(np.concatenate([e.flicker_m[m] for _, e in results.values()])))
                for m in ("headway", "constant-velocity")
            },
        }
    report["noise"] = levels
    return report | next(iter(levels.values()))


def _scene(
    scene: str, folder: str, how: Wearing, per_scene: int, nominal: float, seed: int, progress: Callable[..., None]
) -> tuple[dict[str, AlertCount], Errors]:
    random = np.random.default_rng(seed)
    counts = {m: AlertCount() for m in ("headway", "heads-up", "line-fit")}
    errors = Errors()
    model = open_model(folder, "trajectory")
    recordings = read_split(scene, "test")
    share = -(-per_scene // len(recordings))
    chosen = [(r, dense(r, how.rate), p) for r in recordings for p in wearers(r, share)][:per_scene]
    for number, (recording, positions, person) in enumerate(chosen):
        run_walk(walk(recording, positions, person, how, random), model, nominal, counts, errors)
        progress(f"{scene}, {100 * how.noise_m:g} cm", number + 1, len(chosen))
    model.close()
    return counts, errors


def table(errors: Errors) -> dict[str, dict[str, float]]:
    """Model -> ade, fde, min_ade20, min_fde20 over 2.8 s, metres; single paths repeat themselves in the last two."""
    found: dict[str, dict[str, float]] = {}
    for name, rows in errors.rows.items():
        if rows:
            e = np.array(rows)
            single = {"ade": float(e.mean()), "fde": float(e[:, -1].mean())}
            found[name] = single | {"min_ade20": single["ade"], "min_fde20": single["fde"]}
    if errors.best:
        best = np.array(errors.best)
        found["headway"]["min_ade20"] = float(best.mean(axis=2).min(axis=1).mean())
        found["headway"]["min_fde20"] = float(best[..., -1].min(axis=1).mean())
    return found


def _alerts(counts: Mapping[str, AlertCount]) -> dict[str, Any]:
    return {m: c.summary() for m, c in counts.items()}


def _mean(tables: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    full = [t for t in tables if t]
    return {m: {k: float(np.mean([t[m][k] for t in full])) for k in full[0][m]} for m in full[0]}
