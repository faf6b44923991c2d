"""Does a head direction help the forecast? The same network with and without, on the same windows, paired.

The data (`head_orientation`, MX-LSTM) are described as positions and gaze points. They are not: the first pair of rows
is each person's displacement since the row before (it fits the recorded one within 5 mm), the second pair that of the
gaze point. The absolute head direction cannot be had from displacements. What can be tested is the direction in which
the gaze point moves: where somebody who walks on looks to, leaning to the side that the head turns to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.evaluate.pedestrians import Recording, moments, read_split
from headway.evaluate.trajectory import predict
from headway.paths import data_folder
from headway.runtime.model import Model, open_model

Array = NDArray[np.floating]

FILES = {
    "univ": ("ucy_univ_vis_body.csv", "students003"),
    "zara1": ("ucy_zara01_vis_body.csv", "crowds_zara01"),
    "zara2": ("ucy_zara02_vis_body.csv", "crowds_zara02"),
}
"""Scene -> file and the recording that it annotates: the same people and frames."""
_APART = 8
"""Frames, at 25 a second, between two annotations of a person."""
_FRAMES_PER_STEP = 10
_LEAST_M = 0.05
"""A gaze point that moves less has no direction."""
_RESAMPLES = 2000


@dataclass(frozen=True)
class Heads:
    """Recorded heads of one recording. direction (step, person id) -> (2,) unit vector on the ground; fit_m: how well
    the first pair of rows fits the recorded displacements; turned_deg: median angle to the walking direction."""

    direction: Mapping[tuple[int, int], Array]
    fit_m: float
    turned_deg: float


def head_orientation_dir() -> Path:
    """The `head_orientation` folder of the evaluation data; UsageError where it is missing."""
    return data_folder("head_orientation")


def read_heads(path: Path, recording: Recording) -> Heads:
    """Reads one file and brings it to the recording's axes with the linear map that fits the displacements best."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    if len(rows) != 6:
        raise UsageError(f"{path} has {len(rows)} rows, expected 6: frame, person, and two pairs of y, x")
    frame, person = rows[0].astype(int), rows[1].astype(int)
    column = {int(i): c for c, i in enumerate(recording.ids)}
    times = recording.first_frame + _FRAMES_PER_STEP * np.arange(len(recording.positions))
    moved = np.full((len(frame), 2), np.nan)
    for i in np.unique(person):
        if int(i) not in column:
            continue
        own = recording.positions[:, column[int(i)]]
        here = np.flatnonzero(np.isfinite(own[:, 0]))
        at = np.flatnonzero(person == i)
        at = at[(frame[at] - _APART >= times[here[0]]) & (frame[at] <= times[here[-1]])]
        for axis in (0, 1):
            now, before = (np.interp(f, times[here], own[here, axis]) for f in (frame[at], frame[at] - _APART))
            moved[at, axis] = now - before
    good = np.isfinite(moved[:, 0])
    _, fit = _fitted(rows[2:4], moved, good)
    gaze, _ = _fitted(rows[4:6], moved, good)
    size = np.linalg.norm(gaze, axis=1)
    turned = np.abs(_angle(gaze) - _angle(moved))[good & (size > _LEAST_M) & (np.linalg.norm(moved, axis=1) > _LEAST_M)]
    direction = {}
    for row in np.flatnonzero(size > _LEAST_M):
        # The newest annotation that is not from the future of the step.
        step = -(-int(frame[row] - recording.first_frame) // _FRAMES_PER_STEP)
        direction[step, int(person[row])] = gaze[row] / size[row]
    return Heads(direction, fit, float(np.degrees(np.median(np.minimum(turned, 2 * np.pi - turned)))))


def _fitted(pair: Array, moved: Array, good: NDArray[np.bool_]) -> tuple[Array, float]:
    """pair (2, M) -> (M, 2) metres by the least-squares linear map onto `moved`, and the mean distance from it."""
    table = np.column_stack([pair.T, np.ones(pair.shape[1])])
    solution = np.linalg.lstsq(table[good], moved[good], rcond=None)[0]
    found = table @ solution
    return found, float(np.linalg.norm(found[good] - moved[good], axis=1).mean())


def _angle(vectors: Array) -> Array:
    return np.asarray(np.arctan2(vectors[:, 1], vectors[:, 0]))


def compare(model: Model, recording: Recording, heads: Heads) -> dict[str, NDArray[Any]]:
    """Metric -> (M, 2) errors without and with heads, on the scored windows whose person has a head; "person" (M,)."""
    found: dict[str, list[NDArray[Any]]] = {"ade": [], "fde": [], "min_ade20": [], "min_fde20": [], "person": []}
    for moment in moments(recording):
        given = np.zeros((len(moment.ids), 2))
        for row, i in enumerate(moment.ids):
            given[row] = heads.direction.get((moment.frame, int(i)), np.zeros(2))
        rows = np.flatnonzero(moment.scored & (np.linalg.norm(given, axis=1) > 0.5))
        if not len(rows):
            continue
        sides: dict[str, list[Array]] = {k: [] for k in found if k != "person"}
        for head in (None, given):
            modes, probability = predict(model, moment, head)
            error = np.linalg.norm(modes[rows] - moment.future[rows][:, None], axis=-1)
            best = probability[rows].argmax(axis=1)
            ade, fde = error.mean(axis=2), error[..., -1]
            people = np.arange(len(rows))
            sides["ade"].append(ade[people, best])
            sides["fde"].append(fde[people, best])
            sides["min_ade20"].append(ade.min(axis=1))
            sides["min_fde20"].append(fde.min(axis=1))
        for key, values in sides.items():
            found[key].append(np.stack(values, axis=1))
        found["person"].append(moment.ids[rows])
    return {k: np.concatenate(v) for k, v in found.items()}


def difference(pairs: Array, person: NDArray[np.int64], seed: int = 0) -> dict[str, Any]:
    """(M, 2) errors without and with, person (M,) -> both means, with minus without and its 95 % interval.

    The interval is a bootstrap over people, not windows: the windows of one walk say nearly the same.
    """
    _, inverse = np.unique(person, return_inverse=True)
    people = inverse.max() + 1
    change = np.bincount(inverse, pairs[:, 1] - pairs[:, 0], people)
    count = np.bincount(inverse, minlength=people).astype(float)
    drawn = np.random.default_rng(seed).integers(people, size=(_RESAMPLES, people))
    means = change[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "without": float(pairs[:, 0].mean()),
        "with": float(pairs[:, 1].mean()),
        "difference": float((pairs[:, 1] - pairs[:, 0]).mean()),
        "interval_95": [float(low), float(high)],
    }


def head_direction(
    models: Mapping[str, str], progress: Callable[[str, int, int], None] = lambda s, d, t: None
) -> dict[str, Any]:
    """Scene -> folder of a network that never saw it. Every metric without and with heads, per scene and pooled."""
    folder = head_orientation_dir()
    scenes: dict[str, Any] = {}
    parts: dict[str, list[NDArray[Any]]] = {}
    shift = 0
    for number, (scene, (name, recorded)) in enumerate(FILES.items()):
        recording = next(r for r in read_split(scene, "test") if r.name == recorded)
        heads = read_heads(folder / name, recording)
        model = open_model(models[scene], "trajectory")
        found = compare(model, recording, heads)
        model.close()
        person = found.pop("person").astype(np.int64)
        scenes[scene] = {
            "windows": len(person),
            "people": len(np.unique(person)),
            "first_pair_fits_displacement_m": heads.fit_m,
            "gaze_against_walking_deg": heads.turned_deg,
            "metrics": {k: difference(v, person) for k, v in found.items()},
        }
        for key, values in (found | {"person": person + shift}).items():
            parts.setdefault(key, []).append(values)
        shift += int(person.max()) + 1
        progress("head direction", number + 1, len(FILES))
    pooled = {k: np.concatenate(v) for k, v in parts.items()}
    person = pooled.pop("person").astype(np.int64)
    return {
        "protocol": "head-direction",
        "data": "head_orientation",
        "what": "the direction in which the annotated gaze point moves; absolute head directions are not in the files",
        "scenes": scenes,
        "windows": len(person),
        "pooled": {k: difference(v, person) for k, v in pooled.items()},
    }
