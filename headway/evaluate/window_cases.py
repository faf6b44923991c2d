"""The worst windows of the published protocol, for the report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.cases import ForecastCase, Worst
from headway.evaluate.pedestrians import STEP_S, Moment
from headway.evaluate.predictors import constant_velocity

Array = NDArray[np.floating]


def note(worst: Worst[ForecastCase], moment: Moment, modes: Array, probability: Array, radius: Array) -> None:
    """Keeps what is among the worst of one moment's windows: modes (n, K, T, 2) and probability (n, K) of everybody,
    radius (n, T). Pictures have their origin where the person is now."""
    people = np.arange(len(moment.ids))
    best = modes[people, probability.argmax(axis=1)]
    error = np.linalg.norm(best - moment.future, axis=-1).mean(axis=-1)
    for row in np.flatnonzero(moment.scored):
        if error[row] <= worst.bar:
            continue
        now = moment.past[row, -1]
        straight = constant_velocity(moment.past[row][None], modes.shape[2])[0]
        case = ForecastCase(
            where=moment.recording,
            person=int(moment.ids[row]),
            at_s=moment.frame * STEP_S,
            error_m=float(error[row]),
            history=moment.past[row] - now,
            truth=moment.future[row] - now,
            modes=modes[row] - now,
            probability=probability[row].copy(),
            radius=radius[row].copy(),
            step_s=STEP_S,
            others={"constant-velocity": straight - now},
            wearer=False,
        )
        worst.add(case)
