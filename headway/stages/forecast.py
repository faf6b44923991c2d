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

from headway.arrays import every, some
from headway.config import Config, parameter
from headway.runtime.model import Model
from headway.stages.calibration import BY_SIZE, OWN, RELATIVE, Calibration
from headway.stages.memory import ForecastRing
from headway.types import Forecast, Tracks

Array = NDArray[np.floating]

_LONGEST_GAP_S = 0.9
"""A person hidden for longer has no known path in between: what lies before is not used."""
_YOUNG_S = 2.0
"""Until this age the filter's own doubt about the velocity widens the radius; afterwards the calibration covers it."""
_LARGEST_NOISE_M = 0.2
"""The network learned with position noise up to half of this."""
_LARGEST_NOISE_BY_SIZE_M = 0.5
"""Of ranges from the size of heads, with which it has learned too."""


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
        self._ahead = self.step_s * np.arange(1, self.future + 1)
        self._filled = 0  # rows of the feeds that are not zero
        self._quantiles: dict[tuple[int, str], float] = {}

    def reset(self) -> None:
        """Forgets earlier forecasts."""
        self._memory.reset()

    def __call__(self, tracks: Tracks) -> Forecast:
        """Forecast of everybody in `tracks`, `slots` people at most. Raises EngineError where the network fails."""
        n = len(tracks)
        if n == 0:
            return self._forecast(tracks, np.zeros((0, self.modes, self.future, 2)), np.zeros((0, self.modes)))
        self._feed(tracks)
        outputs = self._model.infer(self._feeds)
        modes, logarithm = (np.array(outputs[name][0, :n], float) for name in ("modes", "log_probability"))
        self._memory.keep(tracks.stamp_ns, tracks.ids, modes, logarithm)
        if tracks.ego_velocity is not None:
            modes = modes - self._ahead[:, None] * tracks.ego_velocity
        probability = np.exp(logarithm)
        probability /= probability.sum(axis=1, keepdims=True)
        return self._forecast(tracks, modes, probability)

    def _feed(self, tracks: Tracks) -> None:
        """Fills the network's inputs; a network made before one of them existed goes without it."""
        feeds, n = self._feeds, len(tracks)
        grid, valid = resample(tracks, self.past, self.step_s)
        for feed in feeds.values():
            feed[:, : self._filled] = 0
        self._filled = n
        feeds["positions"][0, :n], feeds["valid"][0, :n] = grid, valid
        if self.config.use_head_direction:
            feeds["head_direction"][0, :n] = np.nan_to_num(tracks.head_direction)
        if "noise" in feeds:
            feeds["noise"][0, :n] = position_noise(tracks)
            feeds["relative"][:] = tracks.ego_velocity is None
        if "memory_age" in feeds:
            self._memory.fill(tracks.stamp_ns, tracks.ids, grid[:, -1], tracks.ego_velocity, feeds)

    def _forecast(self, tracks: Tracks, modes: Array, probability: Array) -> Forecast:
        scale = self.calibration.scale(modes, probability, self._doubt(tracks), tracks.by_size)
        radius = self.quantiles(tracks) * scale
        return Forecast(tracks, modes, probability, radius, self.step_s, self.config.nominal)

    def quantiles(self, tracks: Tracks) -> Array:
        """(n, 1) what the radius is made with: the calibrated score for these people and this camera."""
        condition = RELATIVE if tracks.ego_velocity is None else OWN
        people = len(tracks) if self.config.together else 1
        found = np.full((len(tracks), 1), self._quantile(people, condition))
        if tracks.by_size is not None:
            found[tracks.by_size] = self._quantile(people, BY_SIZE[condition])
        return found

    def _quantile(self, people: int, condition: str) -> float:
        if (people, condition) not in self._quantiles:
            self._quantiles[people, condition] = self.calibration.quantile(self.config.nominal, people, condition)
        return self._quantiles[people, condition]

    def _doubt(self, tracks: Tracks) -> Array:
        """(n, T) m²: what the filter itself does not know of where people are and, while new, how they move."""
        variance = tracks.covariance.diagonal(axis1=1, axis2=2) / 2
        young = np.minimum(np.maximum(1 - tracks.age_s / _YOUNG_S, 0.0), 1.0)
        speed = young * (variance[:, 2] + variance[:, 3])
        return np.asarray((variance[:, 0] + variance[:, 1])[:, None] + speed[:, None] * self._ahead**2)


def position_noise(tracks: Tracks) -> Array:
    """(n,) metres: how exact the network is told that positions are."""
    noise = np.sqrt((tracks.covariance[:, 0, 0] + tracks.covariance[:, 1, 1]) / 2)
    sized = False if tracks.by_size is None else tracks.by_size
    return np.minimum(noise, np.where(sized, _LARGEST_NOISE_BY_SIZE_M, _LARGEST_NOISE_M))


def resample(tracks: Tracks, past: int, step_s: float) -> tuple[Array, NDArray[np.bool_]]:
    """History on the network's grid: positions (n, past, 2), newest last, and valid (n, past): an unbroken run to now.

    Somebody seen for less than one step gets the one before from their velocity: a person without any past would look
    like a person who stands.
    """
    wanted = -step_s * np.arange(past - 1.0, -1.0, -1.0)
    times, places, lost = _timeline(tracks)
    n, columns = times.shape
    # Entries by their place in memory: numpy takes them a third as fast by row and column.
    flat_times, flat_places, row = times.ravel(), places.reshape(-1, 2), columns * np.arange(n)[:, None]
    first = np.add.reduce(lost, 1)[:, None]
    # Counted in bytes: there are fewer than 256 entries, and wider sums cost three times as much.
    before = np.add.reduce((times[:, :, None] < wanted).view(np.uint8), axis=1, dtype=np.uint8)
    right = np.minimum(np.maximum(before, first), columns - 1)
    left, right = row + np.maximum(right - 1, first), row + right
    start = flat_times.take(left)
    span = flat_times.take(right) - start
    share = np.minimum(np.maximum((wanted - start) / np.where(span > 0, span, 1.0), 0.0), 1.0)[..., None]
    positions = (1 - share) * flat_places.take(left, 0) + share * flat_places.take(right, 0)
    valid = wanted >= flat_times.take(row + first) - 0.1 * step_s
    short = (~valid[:, -2]).nonzero()[0]
    if len(short):
        own = tracks.velocity[short, :2] + (0.0 if tracks.ego_velocity is None else tracks.ego_velocity)
        positions[short, -2] = tracks.position[short, :2] - step_s * own
        valid[:, -2] = True
    positions[~valid] = 0
    return positions, valid


def _timeline(tracks: Tracks) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Times (n, H + 1), seconds before now, negative and rising to 0; places (n, H + 1, 2), the history and now; and
    which entries are lost (n, H + 1): empty ones and everything before the last long gap, infinitely long ago.
    """
    n, age = len(tracks), tracks.history_age_s
    times, places = np.empty((n, age.shape[1] + 1)), np.empty((n, age.shape[1] + 1, 2))
    times[:, :-1], times[:, -1] = np.where(age > 1e-6, -age, -np.inf), 0.0
    places[:, :-1], places[:, -1] = tracks.history, tracks.position[:, :2]
    # Seen in this very frame: that entry of the history is the present place, and the rest is in order already.
    seen = age[:, -1] <= 1e-6
    now = slice(None) if every(seen) else seen.nonzero()[0]  # mostly all of them
    times[now, -2], places[now, -2] = 0.0, places[now, -1]
    if some(times[:, 1:] < times[:, :-1]):
        rows, order = np.arange(n)[:, None], np.argsort(times, axis=1, kind="stable")
        times, places = times[rows, order], places[rows, order]
    known = times > -np.inf
    with np.errstate(invalid="ignore"):
        gap = (times[:, 1:] - times[:, :-1] > _LONGEST_GAP_S) & known[:, :-1]
    if some(gap):
        before = np.flip(np.logical_or.accumulate(np.flip(gap, axis=1), axis=1), axis=1)
        times[:, :-1][before] = -np.inf
    lost = times == -np.inf
    places[lost] = 0.0
    return times, places, lost
