"""Scores of forecasts made through the tracker by a camera that moves: what the radius in use is calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.coverage import Scores
from headway.evaluate.egocentric import Columns, Walk, Wearing, at_level, dense, rows_of, walk, wearers
from headway.evaluate.pedestrians import read_split
from headway.runtime.model import Model
from headway.stages.forecast import ForecastStage
from headway.stages.tracks import TrackStage
from headway.types import Forecast

Array = NDArray[np.floating]

EVERY_S = 0.4
SEEN_S = 0.5
"""Nobody is scored before they have been seen for this long."""
FEWEST_STEPS = 7
"""Somebody whose next 2.8 s are not recorded is not scored."""


@dataclass
class WalkScores:
    """Collects scores over walks; people and moments of different walks are different.

    held: moment -> whether everybody scored then stayed inside the radius that was drawn.
    """

    rows: list[tuple[float, str, str, Array]] = field(default_factory=list)
    held: dict[str, bool] = field(default_factory=dict)

    def add(self, walk: Walk, frame: int, forecast: Forecast, rows: Mapping[int, int], quantiles: Array) -> None:
        """Scores of everybody seen in `frame`. rows: column of a person in the walk -> row in the forecast; quantiles
        (n, 1): those that the radius was made with."""
        every = round(EVERY_S * walk.rate)
        ahead = frame + every * np.arange(1, forecast.modes.shape[2] + 1)
        ahead = ahead[ahead < len(walk.relative)]
        if len(ahead) < FEWEST_STEPS:
            return
        for person in np.flatnonzero(walk.seen[frame]):
            row = rows.get(int(person))
            if row is None or forecast.tracks.age_s[row] < SEEN_S:
                continue
            truth = walk.relative[ahead, person]
            known = int(np.logical_and.accumulate(np.isfinite(truth).all(axis=1)).sum())
            if known < FEWEST_STEPS:
                continue
            best = forecast.modes[row, int(forecast.probability[row].argmax()), :known]
            error = np.linalg.norm(best - truth[:known], axis=1)
            score = float((quantiles[row] * error / forecast.radius[row, :known]).max())
            place, moment = forecast.tracks.position[row, :2], f"{walk.name} {frame}"
            self.rows.append((score, f"{walk.name} {walk.ids[person]}", moment, place))
            self.held[moment] = self.held.get(moment, True) and score <= quantiles[row, 0]

    def scores(self) -> Scores:
        """Everything collected."""
        if not self.rows:
            return Scores.joined([])
        score, track, moment, place = zip(*self.rows, strict=True)
        people, moments = (np.unique(names, return_inverse=True)[1] for names in (track, moment))
        return Scores(np.array(score), people, moments, np.array(place))


def run(walk: Walk, model: Model, found: WalkScores) -> None:
    """One wearer's walk through tracker and forecast."""
    tracks, forecasts = TrackStage(), ForecastStage(model)
    columns = Columns()
    every = round(EVERY_S * walk.rate)
    for frame in range(len(walk.seen)):
        seen = tracks.follow(walk.view(frame), walk.sightings(frame))
        forecast = forecasts(seen)
        rows = rows_of(columns(seen))
        if frame % every == 0 and len(seen):
            found.add(walk, frame, forecast, rows, forecasts.quantiles(seen))


def scene_scores(
    scene: str,
    model: Model,
    levels: Sequence[str],
    per_scene: int,
    seed: int,
    odometry: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """`per_scene` pedestrians of `scene` wear the camera at each level of noise (see `egocentric.at_level`), with heads
    of other sizes where one comes twice; `odometry`: the camera knows its way."""
    found = WalkScores()
    recordings = read_split(scene, "test")
    share = -(-per_scene // len(recordings))
    for number, level in enumerate(levels):
        how = at_level(Wearing(odometry=odometry), level)
        random = np.random.default_rng(seed + number)
        for recording in recordings:
            positions = dense(recording, how.rate)
            for person in wearers(recording, share):
                one = walk(recording, positions, person, how, random)
                run(replace(one, name=f"{one.name} {number}"), model, found)
        progress(number + 1, len(levels))
    return found.scores()
