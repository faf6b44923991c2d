"""Accuracy of forecasts on recorded pedestrians: ADE and FDE of the most likely mode, best of 20, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.pedestrians import SCENES, Moment, contiguous_valid, moments, read_split
from headway.evaluate.predictors import BASELINES
from headway.runtime.engine import Model, open_model
from headway.stages.forecast import Calibration

Array = NDArray[np.floating]

LEVELS = np.round(np.arange(0.5, 0.995, 0.01), 2)
"""Nominal levels of a calibration table."""
_COVERED_AT_ONCE = 12
"""In a crowd larger than the network's slots, one call answers for this many people round its centre: the rest of the
slots are their neighbours."""


@dataclass(frozen=True)
class Windows:
    """All scored windows of one scene. errors (M, K, T) m of each mode; probability (M, K); scale (M, T) m, see
    `Calibration`; track (M,) number of the person, to weigh each person once; moment (M,) number of the moment."""

    errors: Array
    probability: Array
    scale: Array
    track: NDArray[np.int64]
    moment: NDArray[np.int64]

    def scores(self) -> Array:
        """(M,) largest error of the most likely mode over the path, in units of its scale."""
        best = np.take_along_axis(self.errors, self.probability.argmax(axis=1)[:, None, None], axis=1)[:, 0]
        return (best / self.scale).max(axis=1)

    def weights(self) -> Array:
        """(M,) one for each person, shared among their windows, which are not exchangeable."""
        _, inverse, count = np.unique(self.track, return_inverse=True, return_counts=True)
        return 1.0 / count[inverse]


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


def run_network(model: Model, scene: str, progress: Callable[[int, int], None] = lambda done, total: None) -> Windows:
    """Every scored window of `scene` through the engine that also runs on the device."""
    calibration = Calibration.read(model)
    listed = [m for r in read_split(scene, "test") for m in moments(r) if m.scored.any()]
    parts: dict[str, list[Any]] = {"errors": [], "probability": [], "scale": [], "track": [], "moment": []}
    tracks: dict[tuple[str, int], int] = {}
    for number, moment in enumerate(listed):
        modes, probability = predict(model, moment)
        scored = moment.scored
        future = moment.future[scored]
        parts["errors"].append(np.linalg.norm(modes[scored] - future[:, None], axis=-1))
        parts["probability"].append(probability[scored])
        parts["scale"].append(calibration.scale(modes[scored], probability[scored]))
        names = [(moment.recording, int(i)) for i in moment.ids[scored]]
        parts["track"].append(np.array([tracks.setdefault(name, len(tracks)) for name in names]))
        parts["moment"].append(np.full(len(names), number))
        progress(number + 1, len(listed))
    return Windows(**{k: np.concatenate(v) for k, v in parts.items()})


def predict(model: Model, moment: Moment) -> tuple[Array, Array]:
    """Forecast of everybody in `moment`: modes (n, K, T, 2) in its axes, probability (n, K)."""
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


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    """Least value that at least `level` of the weight does not exceed, with the one extra point conformal needs."""
    order = np.argsort(values, kind="stable")
    heap = np.cumsum(weights[order])
    wanted = level * (heap[-1] + weights.max())
    return float(values[order][min(np.searchsorted(heap, wanted), len(order) - 1)])


def calibrate(windows: Mapping[str, Windows], leave_out: str | None = None) -> list[float]:
    """Quantiles at LEVELS of per-person scores, pooled over scenes that their network had never seen.

    Every person counts alike, whatever the scene. `leave_out`: the scene that the result is going to be judged on.
    """
    kept = [w for scene, w in windows.items() if scene != leave_out]
    values = np.concatenate([w.scores() for w in kept])
    weights = np.concatenate([w.weights() for w in kept])
    return [weighted_quantile(values, weights, float(level)) for level in LEVELS]


def coverage(windows: Mapping[str, Windows], nominal: float) -> dict[str, Any]:
    """Share of people whose whole path stays within the radius, each scene with a radius from the other four."""
    inside: dict[str, float] = {}
    everyone: list[Array] = []
    for scene, w in windows.items():
        limit = np.interp(nominal, LEVELS, calibrate(windows, leave_out=scene))
        hit = (w.scores() <= limit).astype(float)
        inside[scene] = float((hit * w.weights()).sum() / w.weights().sum())
        everyone.append(np.stack([hit * w.weights(), w.weights()]))
    pooled = np.concatenate(everyone, axis=1).sum(axis=1)
    return {"nominal": nominal, "measured": float(pooled[0] / pooled[1]), "by_scene": inside}


def leave_one_out(
    models: Mapping[str, str], nominal: float = 0.9, progress: Callable[[str, int, int], None] = lambda s, d, t: None
) -> dict[str, Any]:
    """The published table: scene -> model folder of a network that never saw it. Keys as in the architecture."""
    scenes: dict[str, Any] = {}
    windows: dict[str, Windows] = {}
    for scene in SCENES:
        baselines = baseline_errors(scene)
        found = {name: metrics(e, np.ones((len(e), 1))) for name, e in baselines.items()}
        if scene in models:
            model = open_model(models[scene], "trajectory")
            windows[scene] = run_network(model, scene, lambda d, t, s=scene: progress(s, d, t))  # type: ignore[misc]
            model.close()
            found = {"headway": metrics(windows[scene].errors, windows[scene].probability)} | found
        scenes[scene] = {"windows": len(next(iter(baselines.values()))), "models": found}
    names = [n for n in next(iter(scenes.values()))["models"] if all(n in s["models"] for s in scenes.values())]
    keys = ("ade", "fde", "min_ade20", "min_fde20")
    mean = {n: {k: float(np.mean([s["models"][n][k] for s in scenes.values()])) for k in keys} for n in names}
    report: dict[str, Any] = {"protocol": "leave-one-out", "data": "eth_ucy", "scenes": scenes, "mean": mean}
    report["coverage"] = coverage(windows, nominal) if len(windows) == len(SCENES) else None
    return report
