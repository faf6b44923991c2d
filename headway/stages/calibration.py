"""How wide the tube round the most likely path must be, so that it holds the whole path at a nominal level.

Split conformal prediction on scores: a person's score is the largest error of the most likely mode over the horizon,
each step measured against its own scale. The quantile of the scores, times the scale, is the radius. Joint over m
people, the score is the largest of theirs (the idea of Batch Predictive Inference), so there is one quantile for every
number of people in view. Scores were taken where the network meets its inputs: recordings from above, tracks
relative to a moving camera, tracks of people's own motion, and the latter two again where ranges come from the size of
heads: there the spread of the modes says less about how far off a path is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import ModelError
from headway.runtime.manifest import verified_path
from headway.runtime.model import Model

Array = NDArray[np.floating]

RECORDED, RELATIVE, OWN = "recorded", "relative", "own"
BY_SIZE = {RELATIVE: "relative_by_size", OWN: "own_by_size"}
"""Of a condition the one with ranges from the size of heads."""
CONDITIONS = (RECORDED, RELATIVE, OWN, *BY_SIZE.values())
SPREAD_BY_SIZE = 0.3
"""Share of the modes' spread that counts where ranges come from the size of heads; 1 else. Of those tried this one gave
the smallest radius that holds 90 % in scenes left out, over all steps and ranges."""


@dataclass(frozen=True)
class Calibration:
    """floor_m (T,); levels (L,); people (G,) group sizes; scores: condition -> (G, L) quantiles."""

    floor_m: Array
    levels: Array
    people: Array
    scores: Mapping[str, Array]

    @classmethod
    def read(cls, model: Model) -> Calibration:
        """Reads the calibration file that the manifest names; ModelError where it is missing or malformed."""
        return cls.parse(verified_path(model.folder, model.manifest, "calibration"))

    @classmethod
    def parse(cls, path: Path) -> Calibration:
        """Reads one calibration file; ModelError where it is malformed. A plain list of scores serves everywhere."""
        try:
            raw: Any = json.loads(path.read_text(encoding="utf-8"))
            floor, levels = (np.array(raw[key], float) for key in ("floor_m", "levels"))
            people = np.array(raw.get("people", [1]), float)
            tables = raw["scores"] if isinstance(raw["scores"], dict) else {key: [raw["scores"]] for key in CONDITIONS}
            if missing := [name for name in CONDITIONS if name not in tables]:
                raise ModelError(
                    f"{path} is no calibration that serves here: no scores for '{missing[0]}': it comes from an older "
                    "headway, and `python tools/renew_trajectory.py FOLDER --calibrate` adds them"
                )
            scores = {name: np.array(tables[name], float) for name in CONDITIONS}
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ModelError(f"{path} is no calibration: {type(error).__name__}: {error}") from error
        lists = (floor, levels, people)
        good = all(a.ndim == 1 and len(a) and np.isfinite(a).all() for a in lists)
        if not good or not all(s.shape == (len(people), len(levels)) and np.isfinite(s).all() for s in scores.values()):
            raise ModelError(f"{path} is no calibration: floor_m, levels, people and scores must be numbers that fit")
        return cls(floor, levels, people, scores)

    def quantile(self, nominal: float, people: int = 1, condition: str = RECORDED) -> float:
        """The score that holds with probability `nominal` for `people` at once."""
        table = self.scores[condition]
        by_size = [np.interp(nominal, self.levels, row) for row in table]
        return float(np.interp(np.log(max(people, 1)), np.log(self.people), by_size))

    def scale(
        self, modes: Array, probability: Array, doubt: Array | float = 0.0, by_size: NDArray[np.bool_] | None = None
    ) -> Array:
        """modes (n, K, T, 2), probability (n, K), doubt (n, T) m², variance of the track; by_size (n,) who is placed by
        the size of their head, None: nobody -> (n, T) metres: what an error is measured against."""
        away = spread(modes, probability)
        if by_size is not None:
            away = np.where(by_size[:, None], SPREAD_BY_SIZE, 1.0) * away
        return np.asarray(np.sqrt((self.floor_m + away) ** 2 + doubt))


def spread(modes: Array, probability: Array) -> Array:
    """(n, K, T, 2), (n, K) -> (n, T) root mean square distance of the modes from the most likely one."""
    if not len(modes):
        return np.zeros((0, modes.shape[2]))
    best = modes[np.arange(len(modes)), probability.argmax(axis=1), None]
    away = (modes - best) ** 2
    return np.asarray(np.sqrt((probability[:, None] @ (away[..., 0] + away[..., 1]))[:, 0]))
