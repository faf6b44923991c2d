"""Accuracy of forecasts on recorded pedestrians: ADE and FDE of the most likely mode, best of 20, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.cases import Cases
from headway.evaluate.coverage import Scores, coverage
from headway.evaluate.pedestrians import SCENES, Moment, contiguous_valid, moments, position_noise, read_split
from headway.evaluate.predictors import BASELINES
from headway.evaluate.published import PUBLISHED
from headway.evaluate.window_cases import note
from headway.runtime.model import Model, open_model
from headway.stages.calibration import Calibration

Array = NDArray[np.floating]

_COVERED_AT_ONCE = 12
"""In a crowd larger than the network's slots, one call answers for this many people round its centre: the rest of the
slots are their neighbours."""


@dataclass(frozen=True)
class Windows:
    """All scored windows of one scene. errors (M, K, T) m of each mode; probability (M, K); scale (M, T) m, see
    `Calibration`; track (M,) number of the person; moment (M,) number of the moment; place (M, 2) m."""

    errors: Array
    probability: Array
    scale: Array
    track: NDArray[np.int64]
    moment: NDArray[np.int64]
    place: Array

    def scores(self) -> Scores:
        """Largest error of the most likely mode over the path, in units of its scale, with whose it is."""
        best = np.take_along_axis(self.errors, self.probability.argmax(axis=1)[:, None, None], axis=1)[:, 0]
        return Scores((best / self.scale).max(axis=1), self.track, self.moment, self.place)


def metrics(errors: Array, probability: Array) -> dict[str, float]:
    """errors (M, K, T), probability (M, K) -> ade and fde of the most likely mode, min_ade20 and min_fde20, metres."""
    ade, fde = errors.mean(axis=2), errors[..., -1]
    best = probability.argmax(axis=1)[:, None]
    return {
        "ade": float(np.take_along_axis(ade, best, 1).mean()),
        "fde": float(np.take_along_axis(fde, best, 1).mean()),
        "min_ade20": float(ade.min(axis=1).mean()),
        "min_fde20": float(fde.min(axis=1).mean()),
    }


def run_network(
    model: Model,
    scene: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cases: Cases | None = None,
    nominal: float = 0.9,
) -> Windows:
    """Every scored window of `scene` through the engine that also runs on the device. `cases` takes the worst, drawn
    with a radius of level `nominal` for each person by themselves."""
    calibration = Calibration.read(model)
    listed = [m for r in read_split(scene, "test") for m in moments(r) if m.scored.any()]
    parts: dict[str, list[Any]] = {f.name: [] for f in fields(Windows)}
    tracks: dict[tuple[str, int], int] = {}
    for number, moment in enumerate(listed):
        modes, probability = predict(model, moment)
        if cases is not None:
            radius = calibration.quantile(nominal) * calibration.scale(modes, probability)
            note(cases.forecasts, moment, modes, probability, radius)
        scored = moment.scored
        future = moment.future[scored]
        parts["errors"].append(np.linalg.norm(modes[scored] - future[:, None], axis=-1))
        parts["probability"].append(probability[scored])
        parts["scale"].append(calibration.scale(modes[scored], probability[scored]))
        names = [(moment.recording, int(i)) for i in moment.ids[scored]]
        parts["track"].append(np.array([tracks.setdefault(name, len(tracks)) for name in names]))
        parts["moment"].append(np.full(len(names), number))
        parts["place"].append(moment.past[scored, -1])
        progress(number + 1, len(listed))
    return Windows(**{k: np.concatenate(v) for k, v in parts.items()})


def predict(model: Model, moment: Moment, heads: Array | None = None) -> tuple[Array, Array]:
    """Forecast of everybody in `moment`: modes (n, K, T, 2) in its axes, probability (n, K).

    The memory stays empty: the published protocol shows eight steps and no more. heads (n, 2), where given: unit
    vectors, zero where a head direction is unknown.
    """
    inputs, outputs = model.manifest.inputs, model.manifest.outputs
    n, slots = len(moment.ids), inputs["valid"].shape[1]
    valid = contiguous_valid(moment.past)
    past = np.where(valid[..., None], moment.past, 0.0)
    modes = np.zeros((n, *outputs["modes"].shape[2:]))
    probability = np.zeros((n, outputs["log_probability"].shape[2]))
    feeds = {name: np.zeros(spec.shape, np.float32) for name, spec in inputs.items()}
    for members, answered in groups(moment.past[:, -1], slots):
        for feed in feeds.values():
            feed[:] = 0
        feeds["positions"][0, : len(members)], feeds["valid"][0, : len(members)] = past[members], valid[members]
        if "noise" in feeds:
            feeds["noise"][0, : len(members)] = position_noise(past[members], valid[members])
        if heads is not None:
            feeds["head_direction"][0, : len(members)] = heads[members]
        found = model.infer(feeds)
        modes[members[:answered]] = found["modes"][0, :answered]
        probability[members[:answered]] = np.exp(found["log_probability"][0, :answered])
    return modes, probability


def groups(now: Array, slots: int) -> Iterator[tuple[NDArray[np.intp], int]]:
    """now (n, 2) -> (members, how many of the first of them this group answers for), until everybody is answered once.

    A crowd that fits is one group. A larger one is cut into people close together, each group filled with neighbours.
    """
    left = np.ones(len(now), bool)
    while left.any():
        if len(now) <= slots:
            yield np.arange(len(now)), len(now)
            return
        # Starting at the rim leaves no lone people between groups for the end.
        rim = np.flatnonzero(left)[np.argmax(np.linalg.norm(now[left] - now[left].mean(axis=0), axis=1))]
        order = np.argsort(np.linalg.norm(now - now[rim], axis=1), kind="stable")
        answered = order[left[order]][:_COVERED_AT_ONCE]
        centre = now[answered].mean(axis=0)
        order = np.argsort(np.linalg.norm(now - centre, axis=1), kind="stable")
        others = order[~np.isin(order, answered)][: slots - len(answered)]
        left[answered] = False
        yield np.concatenate([answered, others]), len(answered)


def baseline_errors(scene: str) -> dict[str, Array]:
    """Predictor name -> (M, 1, T) errors on every scored window of `scene`, in the order of `run_network`."""
    listed = [m for r in read_split(scene, "test") for m in moments(r) if m.scored.any()]
    past = np.concatenate([m.past[m.scored] for m in listed])
    future = np.concatenate([m.future[m.scored] for m in listed])
    return {
        name: np.linalg.norm(predictor(past, future.shape[1]) - future, axis=-1)[:, None]
        for name, predictor in BASELINES.items()
    }


def leave_one_out(
    models: Mapping[str, str],
    nominal: float = 0.9,
    progress: Callable[[str, int, int], None] = lambda s, d, t: None,
    cases: dict[str, Cases] | None = None,
) -> dict[str, Any]:
    """The published table: scene -> model folder of a network that never saw it. Keys as in the architecture.

    `cases` takes the worst of all scenes, under "".
    """
    worst = Cases()
    if cases is not None:
        cases[""] = worst
    scenes: dict[str, Any] = {}
    scores: dict[str, Scores] = {}
    calibrations: dict[str, Calibration] = {}
    for scene in SCENES:
        baselines = baseline_errors(scene)
        found = {name: metrics(e, np.ones((len(e), 1))) for name, e in baselines.items()}
        if scene in models:
            model = open_model(models[scene], "trajectory")
            windows = run_network(
                model,
                scene,
                lambda d, t, s=scene: progress(s, d, t),  # type: ignore[misc]
                None if cases is None else worst,
                nominal,
            )
            scores[scene], calibrations[scene] = windows.scores(), Calibration.read(model)
            model.close()
            found = {"headway": metrics(windows.errors, windows.probability)} | found
        scenes[scene] = {"windows": len(next(iter(baselines.values()))), "models": found}
    names = [n for n in next(iter(scenes.values()))["models"] if all(n in s["models"] for s in scenes.values())]
    keys = ("ade", "fde", "min_ade20", "min_fde20")
    mean = {n: {k: float(np.mean([s["models"][n][k] for s in scenes.values()])) for k in keys} for n in names}
    report: dict[str, Any] = {"protocol": "leave-one-out", "data": "eth_ucy", "scenes": scenes, "mean": mean}
    report["published"] = PUBLISHED
    report["coverage"] = coverage(scores, calibrations, nominal) if len(scores) == len(SCENES) else None
    return report
