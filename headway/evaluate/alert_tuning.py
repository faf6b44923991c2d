"""Chooses the alert rule's numbers on recordings that no reported table uses.

Tracks and forecasts are run once on walks (see `egocentric`) and what the rule needs of them is kept; after that a rule
is tried in a second. The recordings are those of the training parts that are in nobody's test part. The networks are
the leave-one-out ones in turn; all of them have seen these recordings, so forecasts here are a little better than on
strangers, which is why the result is judged on the reported scenes, by `headway evaluate`, and not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import AlertCount, judge
from headway.evaluate.egocentric import Columns, Walk, Wearing, dense, walk, wearers
from headway.evaluate.pedestrians import SCENES, Recording, read_split
from headway.runtime.model import Model
from headway.stages.contacts import Approach, approach, weigh
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.heads_up import HeadsUpTrack
from headway.stages.levels import Held, next_level
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Forecast, Level

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

MOST_SHARE = 0.45
"""Of the published rule's false alarms. Half is promised: another set of people is another sample."""
CHOICES: dict[str, tuple[float, ...]] = {
    "soft_m": (0.1, 0.2, 0.3, 0.45, 0.6),
    "alert_share": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6),
    "alert_s": (2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.4),
    "release": (0.1, 0.2, 0.3, 0.4, 0.6),
    "hold_s": (0.4, 0.8, 1.2, 1.5, 2.0),
    "min_age_s": (0.1, 0.15, 0.2, 0.3),
}
"""The wearer's disc is not among them: it says what a conflict is."""


@dataclass(frozen=True)
class Run:
    """One walk, and n rows of a person in a frame, ordered by track, then frame."""

    walk: Walk
    published: Mask  # (F, P) alerts of the published rule
    frame: NDArray[np.int64]
    column: NDArray[np.int64]
    track: NDArray[np.int64]
    age_s: Array
    touching: Mask
    visible: Mask
    paths: Approach
    probability: Array  # (n, K)


def tuning_recordings() -> list[Recording]:
    """Training and validation parts of the recordings that are nobody's test part."""
    tested = {r.name for scene in SCENES for r in read_split(scene, "test")}
    parts = {r.name: r for scene in SCENES for split in ("train", "val") for r in read_split(scene, split)}
    return [parts[name] for name in sorted(parts) if name.rpartition("_")[0] not in tested]


def record(
    models: Sequence[Model],
    noise_m: float,
    per_recording: int,
    seed: int,
    progress: Callable[[str, int, int], None] = lambda label, done, total: None,
) -> list[Run]:
    """Tracks and forecasts of `per_recording` wearers of every tuning recording."""
    how, runs = Wearing(noise_m=noise_m), []
    for recording in tuning_recordings():
        positions, chosen = dense(recording, how.rate), wearers(recording, per_recording)
        for number, person in enumerate(chosen):
            random = np.random.default_rng([seed, number])
            runs.append(follow(walk(recording, positions, person, how, random), models[number % len(models)]))
            progress(f"{recording.name}, {100 * noise_m:g} cm", number + 1, len(chosen))
    return runs


def follow(walk: Walk, model: Model, risk: RiskConfig | None = None) -> Run:
    """One walk through tracks and forecast as on the device, and through the published rule."""
    risk = risk or RiskConfig()
    tracks, forecast = TrackStage(TrackConfig()), ForecastStage(model, ForecastConfig())
    columns = Columns()
    rows: list[tuple[Any, ...]] = []
    for frame in range(len(walk.seen)):
        found = forecast(tracks.follow(walk.view(frame), walk.sightings(frame)))
        of_people = np.array(columns(found.tracks), int)
        if len(found):
            parts = (np.full(len(found), frame), of_people, *_kept(found, risk))
            rows.append(tuple(p[of_people != Columns.UNKNOWN] for p in parts))
    if not rows:
        rows.append(_nobody(forecast.modes))
    joined: list[Any] = [np.concatenate(p) for p in zip(*rows, strict=True)]
    order = np.lexsort((joined[0], joined[2]))
    in_frame, of_person, track, age, touching, visible, *rest = (p[order] for p in joined)
    paths = Approach(*rest[:3])
    return Run(walk, published_alerts(walk)[0], in_frame, of_person, track, age, touching, visible, paths, rest[3])


def _kept(found: Forecast, risk: RiskConfig) -> tuple[NDArray[Any], ...]:
    people, n = found.tracks, len(found)
    here = people.position[:n, :2]
    paths = approach(here, found.modes, found.probability, found.step_s, risk.disc)
    touching = np.linalg.norm(here, axis=1) < risk.wearer_radius_m
    near, first = paths.closest_m.astype(np.float32), paths.first_s.astype(np.float32)
    visible = people.head_index >= 0
    return people.ids, people.age_s, touching, visible, near, first, paths.best, found.probability


def _nobody(modes: int) -> tuple[NDArray[Any], ...]:
    none, no, paths = np.zeros(0, int), np.zeros(0, bool), np.zeros((0, modes))
    return none, none, none, np.zeros(0), no, no, paths, paths, none, paths


def published_alerts(walk: Walk) -> tuple[Mask, Mask]:
    """(F, P) alerts of the published rule, and whether it knows anything of a person in a frame."""
    frames, people = walk.seen.shape
    raised, knows = np.zeros((2, frames, people), bool)
    for person in range(people):
        track = HeadsUpTrack(walk.rate)
        for frame in range(frames):
            seen = walk.seen[frame, person]
            raised[frame, person] = track.see(frame / walk.rate, walk.measured[frame, person] if seen else None)
            knows[frame, person] = len(track.points) > 0
    return raised, knows


def raised(run: Run, risk: RiskConfig) -> Mask:
    """(F, P) alerts of a rule, the same as RiskStage's."""
    found = weigh(run.paths, run.probability, risk.disc)
    meets = found.time_s <= risk.horizon_s
    share = np.where(meets, found.share, 0.0).tolist()
    young = ((run.age_s < risk.min_age_s) & ~run.touching).tolist()
    stamps = [run.walk.stamp_ns(f) for f in run.frame.tolist()]
    alert = np.zeros(len(stamps), bool)
    rule, track, held = risk.rule, -1, Held()
    columns = (run.track.tolist(), young, share, found.soon.tolist(), stamps, run.visible.tolist())
    for i, (identity, too_young, p, soon, stamp_ns, visible) in enumerate(zip(*columns, strict=True)):
        if identity != track:
            track, held = identity, Held(called_ns=stamp_ns)
        held = Held(called_ns=stamp_ns) if too_young else next_level(rule, held, p, soon, stamp_ns, visible)
        alert[i] = held.level == Level.ALERT
    out = np.zeros(run.walk.seen.shape, bool)
    out[run.frame[alert], run.column[alert]] = True
    return out


def score(runs: Sequence[Run], masks: Sequence[Mask]) -> AlertCount:
    """What these alerts come to over all walks."""
    total = AlertCount()
    for run, mask in zip(runs, masks, strict=True):
        w = run.walk
        total.add(len(w.seen) / w.rate, *judge(w.distance, w.seen, mask, w.rate))
    return total


def judged(levels: Mapping[str, Sequence[Run]], risk: RiskConfig) -> dict[str, dict[str, Any]]:
    """Noise level -> summary of the rule, with `share`: its false alarms over those of the published rule."""
    found = {}
    for name, runs in levels.items():
        ours = score(runs, [raised(r, risk) for r in runs]).summary()
        published = score(runs, [r.published for r in runs]).summary()
        found[name] = ours | {"share": ours["false_alarms"] / max(1, published["false_alarms"] or 0)}  # type: ignore[operator]
    return found


def cost(found: Mapping[str, Mapping[str, Any]]) -> float:
    """Less is better: conflicts not warned of in time, then false alarms, once there are no more than MOST_SHARE."""
    missed = float(np.mean([1.0 - (s["recall_in_time"] or 0.0) for s in found.values()]))
    beyond = sum(max(0.0, s["share"] - MOST_SHARE) for s in found.values())
    return missed + 20.0 * beyond + 0.02 * float(np.mean([s["share"] for s in found.values()]))


def tune(
    levels: Mapping[str, Sequence[Run]],
    start: RiskConfig | None = None,
    said: Callable[[RiskConfig, float], None] = lambda risk, cost: None,
) -> RiskConfig:
    """One number after the other over its choices, until no change of a single one makes the rule better."""
    best = start or RiskConfig()
    least, changed = cost(judged(levels, best)), True
    while changed:
        changed = False
        for name, values in CHOICES.items():
            for value in values:
                tried = best.replaced({name: value})
                if tried != best and (found := cost(judged(levels, tried))) < least - 1e-9:
                    best, least, changed = tried, found, True
                    said(best, least)
    return best
