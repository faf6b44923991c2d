"""Does the probability of a contact tell the truth?

A contact is somebody within `alerts.CONFLICT_M` of the wearer at some moment from now to the rule's horizon. Only
people who were recorded for all of that time count, whether they came or not: to count also those who came and were
lost afterwards would make contacts look more frequent than they are. Successive moments of one person are not
independent; the numbers are shares, not tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.alerts import CONFLICT_M
from headway.evaluate.confidence import auroc, expected_calibration_error, reliability
from headway.evaluate.egocentric import Walk
from headway.evaluate.walk_scores import EVERY_S
from headway.stages.risk import RiskConfig

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]


def outcomes(distance: Array, rate: float, horizon_s: float) -> tuple[Mask, Mask]:
    """distance (F, P), NaN where somebody is not there -> came, known (F, P): whether they come within reach from this
    frame to the horizon, and whether they are there for all of it."""
    ahead = round(horizon_s * rate) + 1
    with np.errstate(invalid="ignore"):
        near = distance < CONFLICT_M
    came, there = (_sums(mask, ahead) for mask in (near, np.isfinite(distance)))
    return came > 0, there == ahead


def _sums(mask: Mask, ahead: int) -> NDArray[np.int64]:
    """(F, P) how often each is true in the `ahead` frames from this one on."""
    frames = len(mask)
    total = np.concatenate([np.zeros((1, mask.shape[1]), np.int64), mask.cumsum(axis=0)])
    return np.asarray(total[np.minimum(np.arange(frames) + ahead, frames)] - total[:frames])


@dataclass
class ContactOutcomes:
    """What was said of people at moments 0.4 s apart: rows of probability, whether they came, whether in view."""

    rows: list[Array] = field(default_factory=list)

    def add(self, seen: Walk, probability: Array) -> None:
        """One walk. probability (F, P) that was said, NaN where nothing was."""
        came, known = outcomes(seen.distance, seen.rate, RiskConfig().horizon_s)
        every = round(EVERY_S * seen.rate)
        counts = known[::every] & np.isfinite(probability[::every])
        parts = (m[::every][counts] for m in (probability, came, seen.seen))
        self.rows.append(np.column_stack([np.asarray(p, float) for p in parts]))

    def summary(self) -> dict[str, Any] | None:
        """See `reliable`, of everybody and of those out of view; None where nobody was there long enough."""
        said, came, in_view = (np.concatenate(self.rows) if self.rows else np.zeros((0, 3))).T
        if not len(said):
            return None
        out, truth = in_view == 0, came > 0
        found = reliable(said, truth)
        return found | {"out_of_view": reliable(said[out], truth[out]) if out.any() else None}


def reliable(said: Array, came: Mask) -> dict[str, Any]:
    """Calibration of probabilities `said` (n,) of what `came` (n,): moments, mean of both, ece and brier over ten equal
    bins, auroc (None where nobody or everybody came), and the bins themselves."""
    kinds = len(np.unique(came))
    return {
        "moments": len(said),
        "said": float(said.mean()),
        "came": float(came.mean()),
        "ece": expected_calibration_error(said, came),
        "brier": float(((said - came) ** 2).mean()),
        "auroc": auroc(said, came) if kinds == 2 else None,
        "bins": [
            {"count": row["count"], "said": row["confidence"], "came": row["correct"]}
            for row in reliability(said, came)
        ],
    }
