"""Where everybody may go in the next seconds: tracks in, paths with probabilities and a calibrated radius out.

The network's time grid (steps of 0.4 s) is cut out of the tracks' history at whatever rate the camera has. Where the
camera's own velocity is known, the network sees and predicts people's own motion, and the camera's path, at its
present velocity, is taken off afterwards; where it is not, history and paths are relative motion throughout.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.config import Config, parameter
from headway.errors import ModelError
from headway.runtime.engine import Model
from headway.runtime.manifest import verified_path
from headway.stages.memory import ForecastMemory
from headway.types import Forecast, Odometry, Tracks

Array = NDArray[np.floating]

_LONGEST_GAP_S = 0.9
"""A person hidden for longer has no known path in between: what lies before is not used."""
_YOUNG_S = 2.0
"""Until this age the filter's own doubt about the velocity widens the radius; afterwards the calibration covers it."""


@dataclass(frozen=True)
class ForecastConfig(Config):
    """What is asked of the predictor."""

    nominal: float = parameter(0.9, "probability that a person's whole path stays within the radius", 0.5, 0.99)
    memory_s: float = parameter(
        0.05, "time after which an earlier forecast counts 1/e; 0: no memory, seconds", 0.0, 2.0
    )
    use_head_direction: bool = parameter(True, "tell the network where heads look, where that is known")


class ForecastStage:
    """Runs the trajectory network on the tracks of one frame. Buffers are made once and reused."""

    def __init__(self, model: Model, config: ForecastConfig | None = None) -> None:
        self.config = config or ForecastConfig()
        self._model = model
        inputs, outputs = model.manifest.inputs, model.manifest.outputs
        _, self.slots, self.past, _ = inputs["positions"].shape
        _, _, self.modes, self.future, _ = outputs["modes"].shape
        self.step_s = float(model.manifest.config.get("step_s", 0.4))
        self._feeds = {name: np.zeros(spec.shape, np.float32) for name, spec in inputs.items()}
        self._radius = Calibration.read(model)
        self._memory = ForecastMemory(self.config.memory_s, self.step_s)

    def reset(self) -> None:
        """Forgets earlier forecasts."""
        self._memory.reset()

    def __call__(self, tracks: Tracks, odometry: Odometry | None) -> Forecast:
        """Forecast of everybody in `tracks`. `odometry` is not needed beyond `tracks.ego_velocity`, which came from it.

        Raises EngineError where the network fails.
        """
        n = min(len(tracks), self.slots)
        if n == 0:
            return self._forecast(tracks, np.zeros((0, self.modes, self.future, 2)), np.zeros((0, self.modes)))
        grid, valid = resample(tracks, self.past, self.step_s)
        for feed in self._feeds.values():
            feed[:] = 0
        self._feeds["positions"][0, :n], self._feeds["valid"][0, :n] = grid[:n], valid[:n]
        if self.config.use_head_direction:
            self._feeds["head_direction"][0, :n] = np.nan_to_num(tracks.head_direction[:n])
        outputs = self._model.infer(self._feeds)
        modes = np.asarray(outputs["modes"][0, :n], float)
        probability = np.exp(np.asarray(outputs["log_probability"][0, :n], float))
        if tracks.ego_velocity is not None:
            ahead = self.step_s * np.arange(1, self.future + 1)
            modes = modes - ahead[:, None] * tracks.ego_velocity
        probability /= probability.sum(axis=1, keepdims=True)
        return self._forecast(tracks, *self._memory(tracks.stamp_ns, tracks.ids[:n], modes, probability))

    def _forecast(self, tracks: Tracks, modes: Array, probability: Array) -> Forecast:
        nominal = self.config.nominal
        radius = self._radius(modes, probability, nominal)
        n = len(modes)
        # Two normal coordinates leave the disc of radius sqrt(-2 ln(1 - p)) sigmas with probability 1 - p.
        sigmas = np.sqrt(-2 * np.log(1 - nominal))
        place = np.trace(tracks.covariance[:n, :2, :2], axis1=1, axis2=2) / 2
        speed = np.trace(tracks.covariance[:n, 2:, 2:], axis1=1, axis2=2) / 2
        young = np.clip(1 - tracks.age_s[:n] / _YOUNG_S, 0, 1)
        ahead = self.step_s * np.arange(1, self.future + 1)
        doubt = place[:, None] + (young * speed)[:, None] * ahead**2
        return Forecast(tracks, modes, probability, np.sqrt(radius**2 + sigmas**2 * doubt), self.step_s, nominal)


def resample(tracks: Tracks, past: int, step_s: float) -> tuple[Array, NDArray[np.bool_]]:
    """History on the network's grid: positions (n, past, 2), newest last, and valid (n, past): an unbroken run to now.

    Somebody seen for less than one step gets the one before from their velocity: a person without any past would look
    like a person who stands.
    """
    n = len(tracks)
    rows = np.arange(n)[:, None]
    wanted = -step_s * np.arange(past - 1, -1, -1)
    own = tracks.velocity[:, :2] + (0.0 if tracks.ego_velocity is None else tracks.ego_velocity)
    # Empty entries lie infinitely long ago, like everything before the last long gap.
    age = tracks.history_age_s
    times = np.where(np.isfinite(age) & (age > 1e-6), -np.nan_to_num(age), -np.inf)
    times = np.column_stack([times, np.zeros(n)])
    places = np.concatenate([np.nan_to_num(tracks.history), tracks.position[:, None, :2]], axis=1)
    order = np.argsort(times, axis=1, kind="stable")
    times, places = times[rows, order], places[rows, order]
    with np.errstate(invalid="ignore"):
        gap = np.diff(times, axis=1) > _LONGEST_GAP_S
    lost = np.flip(np.logical_or.accumulate(np.flip(gap, axis=1), axis=1), axis=1)
    times[:, :-1][lost] = -np.inf

    first = np.isinf(times).sum(axis=1)[:, None]
    right = np.clip((times[:, :, None] < wanted).sum(axis=1), first, times.shape[1] - 1)
    left = np.maximum(right - 1, first)
    span = times[rows, right] - times[rows, left]
    share = np.clip((wanted - times[rows, left]) / np.where(span > 0, span, 1.0), 0, 1)[..., None]
    positions = (1 - share) * places[rows, left] + share * places[rows, right]
    valid = wanted >= times[rows, first] - 0.1 * step_s
    short = ~valid[:, -2]
    positions[short, -2] = tracks.position[short, :2] - step_s * own[short]
    valid[:, -2] = True
    positions[~valid] = 0
    return positions, valid


@dataclass(frozen=True)
class Calibration:
    """Radius = quantile of the scores at the nominal level x (floor_m + spread of the modes), for each step.

    A track's score is the largest of error / (floor + spread) over its whole path, so that the tube round the most
    likely mode holds the whole path, not each step by itself. levels (L,) and scores (L,) give the quantile.
    """

    floor_m: Array
    levels: Array
    scores: Array

    @classmethod
    def read(cls, model: Model) -> Calibration:
        """Reads the calibration file that the manifest names; ModelError where it is missing or malformed."""
        return cls.parse(verified_path(model.folder, model.manifest, "calibration"))

    @classmethod
    def parse(cls, path: Path) -> Calibration:
        """Reads one calibration file."""
        try:
            raw: Any = json.loads(path.read_text(encoding="utf-8"))
            arrays = [np.array(raw[key], float) for key in ("floor_m", "levels", "scores")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no calibration: {type(error).__name__}: {error}") from error
        if not all(a.ndim == 1 and len(a) and np.isfinite(a).all() for a in arrays) or len(arrays[1]) != len(arrays[2]):
            raise ModelError(f"{path} is no calibration: floor_m, levels and scores must be lists of numbers")
        return cls(*arrays)

    def __call__(self, modes: Array, probability: Array, nominal: float) -> Array:
        """modes (n, K, T, 2), probability (n, K) -> radius (n, T) metres round the most likely mode."""
        return float(np.interp(nominal, self.levels, self.scores)) * self.scale(modes, probability)

    def scale(self, modes: Array, probability: Array) -> Array:
        """(n, T) metres: what an error is measured against."""
        return self.floor_m + spread(modes, probability)


def spread(modes: Array, probability: Array) -> Array:
    """(n, K, T, 2), (n, K) -> (n, T) root mean square distance of the modes from the most likely one."""
    if not len(modes):
        return np.zeros((0, modes.shape[2]))
    best = np.take_along_axis(modes, probability.argmax(axis=1)[:, None, None, None], axis=1)
    away = ((modes - best) ** 2).sum(axis=-1)
    return np.sqrt((probability[:, :, None] * away).sum(axis=1))
