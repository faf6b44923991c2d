"""Where everybody may go in the next seconds: tracks in, paths with probabilities and a calibrated radius out.

The network's time grid (steps of 0.4 s) is cut out of the tracks' history at whatever rate the camera has. Where the
camera's own velocity is known, the network sees and predicts people's own motion, and the camera's path, at its
present velocity, is taken off afterwards; where it is not, history and paths are relative motion throughout, and the
network is told so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.config import Config, parameter
from headway.runtime.engine import Model
from headway.stages.calibration import OWN, RELATIVE, Calibration
from headway.stages.memory import ForecastRing
from headway.types import Forecast, Odometry, Tracks

Array = NDArray[np.floating]

_LONGEST_GAP_S = 0.9
"""A person hidden for longer has no known path in between: what lies before is not used."""
_YOUNG_S = 2.0
"""Until this age the filter's own doubt about the velocity widens the radius; afterwards the calibration covers it."""
_LARGEST_NOISE_M = 0.2
"""The network learned with position noise up to half of this."""


@dataclass(frozen=True)
class ForecastConfig(Config):
    """What is asked of the predictor."""

    nominal: float = parameter(0.9, "probability that whole paths stay within the radius", 0.5, 0.99)
    together: bool = parameter(
        True, "the nominal level holds for everybody in view at once; false: for each person by themselves"
    )
    memory_s: float = parameter(0.8, "earlier forecasts up to this age are looked at; 0: no memory, seconds", 0.0, 2.0)
    use_head_direction: bool = parameter(
        False, "tell the network where heads look; off, because measured forecasts were worse with it"
    )


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
        self.calibration = Calibration.read(model)
        shape = inputs["memory_age"].shape if "memory_age" in inputs else (1, 0, 1)
        self._memory = ForecastRing(shape[2], self.config.memory_s if shape[1] else 0.0, self.step_s)

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
        self._feed(tracks, n)
        outputs = self._model.infer(self._feeds)
        modes, logarithm = (np.array(outputs[name][0, :n], float) for name in ("modes", "log_probability"))
        self._memory.keep(tracks.stamp_ns, tracks.ids[:n], modes, logarithm)
        if tracks.ego_velocity is not None:
            ahead = self.step_s * np.arange(1, self.future + 1)
            modes = modes - ahead[:, None] * tracks.ego_velocity
        probability = np.exp(logarithm)
        probability /= probability.sum(axis=1, keepdims=True)
        return self._forecast(tracks, modes, probability)

    def _feed(self, tracks: Tracks, n: int) -> None:
        """Fills the network's inputs; a network made before one of them existed goes without it."""
        feeds = self._feeds
        grid, valid = resample(tracks, self.past, self.step_s)
        for feed in feeds.values():
            feed[:] = 0
        feeds["positions"][0, :n], feeds["valid"][0, :n] = grid[:n], valid[:n]
        if self.config.use_head_direction:
            feeds["head_direction"][0, :n] = np.nan_to_num(tracks.head_direction[:n])
        if "noise" in feeds:
            noise = np.sqrt(np.trace(tracks.covariance[:n, :2, :2], axis1=1, axis2=2) / 2)
            feeds["noise"][0, :n] = np.minimum(noise, _LARGEST_NOISE_M)
            feeds["relative"][:] = tracks.ego_velocity is None
        if "memory_age" in feeds:
            self._memory.fill(tracks.stamp_ns, tracks.ids[:n], grid[:n, -1], tracks.ego_velocity, feeds)

    def _forecast(self, tracks: Tracks, modes: Array, probability: Array) -> Forecast:
        n, nominal = len(modes), self.config.nominal
        scale = self.calibration.scale(modes, probability, self._doubt(tracks, n))
        return Forecast(tracks, modes, probability, self.quantile(tracks) * scale, self.step_s, nominal)

    def quantile(self, tracks: Tracks) -> float:
        """What the radius is made with: the calibrated score for these people and this camera."""
        condition = RELATIVE if tracks.ego_velocity is None else OWN
        people = min(len(tracks), self.slots) if self.config.together else 1
        return self.calibration.quantile(self.config.nominal, people, condition)

    def _doubt(self, tracks: Tracks, n: int) -> Array:
        """(n, T) m²: what the filter itself does not know of where people are and, while new, how they move."""
        place = np.trace(tracks.covariance[:n, :2, :2], axis1=1, axis2=2) / 2
        speed = np.trace(tracks.covariance[:n, 2:, 2:], axis1=1, axis2=2) / 2
        young = np.clip(1 - tracks.age_s[:n] / _YOUNG_S, 0, 1)
        ahead = self.step_s * np.arange(1, self.future + 1)
        return np.asarray(place[:, None] + (young * speed)[:, None] * ahead**2)


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
