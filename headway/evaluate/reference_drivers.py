"""The published driver beside ours: the reference network's scalar head alone (`regression`), and with its four-case
corrector (`caril`). Both take the published throttle and go through the same gate as every driver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headway.errors import ModelError
from headway.runtime.model import Model
from headway.stages.caril import Corrector, throttle
from headway.stages.drive import bin_probability
from headway.types import Steering
from headway.worlds import Observation

SEED = 0
OUTPUTS = ("regression", "bin_logits")


class ReferenceDriver:
    """A model folder that `headway train driving --network caril` wrote. The corrector's draws start anew each run."""

    def __init__(self, model: Model, corrected: bool) -> None:
        missing = [name for name in OUTPUTS if name not in model.manifest.outputs]
        gain = model.manifest.config.get("label_gain")
        if missing or not isinstance(gain, (int, float)) or gain <= 0:
            lacks = f"outputs {', '.join(missing)}" if missing else "a positive config.label_gain"
            raise ModelError(f"model '{model.name}' is no reference network of driving: it has no {lacks}")
        self._model, self._corrected, self._gain = model, corrected, float(gain)
        self.reset()

    def reset(self) -> None:
        """See Driver.reset."""
        self._corrector = Corrector(SEED)

    def steering(self, image: NDArray[np.uint8]) -> tuple[float, float]:
        """(120, 160, 3) uint8 BGR -> steering -1..1 and the highest softmax probability, the published confidence."""
        out = self._model.infer({"image": image[None]})
        regression = float(np.clip(out["regression"][0, 0], -1.0, 1.0))
        probability = bin_probability(out["bin_logits"][0], 1.0)
        if self._corrected:
            regression, _ = self._corrector(regression, probability)
        return float(np.clip(regression / self._gain, -1.0, 1.0)), float(probability.max())

    def __call__(self, image: NDArray[np.uint8], seen: Observation) -> Steering:
        """See Driver."""
        steering, confidence = self.steering(image)
        return Steering(steering, throttle(seen.speed_mps), (-1.0, 1.0), confidence if self._corrected else 0.0)


def reference_drivers(model: Model) -> dict[str, ReferenceDriver]:
    """Both by their names in the tables."""
    return {"regression": ReferenceDriver(model, False), "caril": ReferenceDriver(model, True)}
