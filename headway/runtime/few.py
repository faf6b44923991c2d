"""One network in two graphs: one with all its slots, one with fewer, for the many frames in which few are in view.

Shapes in a graph are fixed, and a slot costs its time whether anybody is in it or not. What lies outside the smaller
graph is masked out in the larger one, so both say the same of the slots they share, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headway.errors import ModelError
from headway.runtime.engine import Engine
from headway.runtime.manifest import Manifest

FEW = "onnx_few"
"""Key of the smaller graph in a manifest's files; `config.few` says how many slots it has and which input masks."""


@dataclass(frozen=True)
class Few:
    """slots: of the smaller graph. mask: name of an input (1, N, ...), zero where a slot is empty; its N is the larger
    graph's, and every tensor whose second axis is as long has one row a slot."""

    slots: int
    mask: str

    @classmethod
    def of(cls, manifest: Manifest) -> Few:
        """From the manifest's configuration. Raises ModelError where it is missing or cannot be."""
        said = manifest.config.get("few")
        slots, mask = (said.get(k) for k in ("slots", "mask")) if isinstance(said, Mapping) else (None, None)
        spec = manifest.inputs.get(mask) if isinstance(mask, str) else None
        if isinstance(slots, bool) or not isinstance(slots, int) or spec is None or len(spec.shape) < 2:
            raise ModelError(
                f"model '{manifest.name}': config.few is {said!r}, slots and the name of an input are wanted"
            )
        if not 0 < slots < spec.shape[1]:
            raise ModelError(f"model '{manifest.name}': config.few.slots is {slots}, 1..{spec.shape[1] - 1} is wanted")
        return cls(slots, str(mask))

    def cut(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the smaller graph is fed of the larger one's `feeds`: views."""
        rows = feeds[self.mask].shape[1]
        return {k: v[:, : self.slots] if v.ndim > 1 and v.shape[1] == rows else v for k, v in feeds.items()}


class TwoSizes:
    """An Engine over both graphs. The arrays it returns are always of the larger graph's shapes."""

    def __init__(self, whole: Engine, few: Engine, manifest: Manifest) -> None:
        self.name = whole.name
        self._whole, self._few, self._said = whole, few, Few.of(manifest)
        self._specs = manifest.outputs
        # Both are warm from the start: the first crowd must not be the slowest frame.
        whole.infer({k: np.zeros(spec.shape, spec.dtype) for k, spec in manifest.inputs.items()})

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer. Empty slots beyond the smaller graph's answer zeros."""
        slots = self._said.slots
        if np.count_nonzero(feeds[self._said.mask][:, slots:]):
            return self._whole.infer(feeds)
        outputs = {k: np.zeros(spec.shape, spec.dtype) for k, spec in self._specs.items()}
        for name, value in self._few.infer(self._said.cut(feeds)).items():
            outputs[name][:, :slots] = value
        return outputs

    def close(self) -> None:
        """Frees both."""
        self._whole.close()
        self._few.close()
