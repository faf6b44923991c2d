"""How far the engines of a bench lie from ONNX Runtime on the CPU, column by column, beside a named tolerance.

A time is worth something only where the answer is the same. The tolerances of FP32 are those of another order of
summation; those of FP16 are 1.6 times and more what rounding every half costs the shipped networks (export/rounded.py;
0.031 of 0.05 in a rotation, 0.0099 of 0.02 m), and less than what a stage above would notice. INT8 and bfloat16 have no
tolerance here: the accuracy gate of `headway export` judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headway.bench.frames import Feeds
from headway.runtime.manifest import Manifest

if TYPE_CHECKING:
    from headway.export.parity import Worst

TOLERANCES: dict[str, tuple[float, float, str]] = {
    "candidates.box": (0.05, 1.0, "px"),
    "candidates.score": (0.001, 0.01, ""),
    "candidates.rotation": (0.005, 0.05, ""),
    "candidates.log_sigma": (0.005, 0.02, ""),
    "modes.x": (0.002, 0.02, "m"),
    "modes.y": (0.002, 0.02, "m"),
    "log_probability": (0.001, 0.01, ""),
    "controls.steering": (0.0004, 0.004, ""),
    "controls.throttle": (0.0004, 0.004, ""),
    "controls.brake": (0.0004, 0.004, ""),
    "bin_logits.bins": (0.002, 0.02, ""),
    "novelty.novelty": (0.001, 0.01, ""),
}
"""Output and column -> tolerance in FP32, in FP16, and their unit."""
TIES = {"fp32": 1e-3, "fp16": 5e-3}
"""Rows of a ranking whose scores lie closer may change places."""

Infer = Callable[[Feeds], Mapping[str, np.ndarray]]


def compare(
    reference: Infer, candidate: Infer, feeds: Sequence[Feeds], manifest: Manifest, precision: str
) -> dict[str, Any]:
    """What goes into the file under `parity`: number of inputs, per column the worst difference and its tolerance.

    Candidates below the score that the manifest names leave no stage, and are left out.
    """
    from headway.export.parity import worst_by_column

    floor = float(manifest.config.get("score_threshold", 0.0))
    worst: dict[str, Worst] = {}
    for feed in feeds:
        expected = {name: array.copy() for name, array in reference(feed).items()}
        differences = worst_by_column(expected, candidate(feed), manifest.outputs, TIES[precision], floor)
        for column, found in differences.items():
            worst[column] = max(found, worst.get(column, found), key=lambda w: w.value)
    return {"inputs": len(feeds), "columns": {c: _beside(c, w, precision) for c, w in worst.items()}}


def _beside(column: str, worst: Worst, precision: str) -> dict[str, Any]:
    found: dict[str, Any] = {"worst": worst.value, **({} if np.isnan(worst.score) else {"score": worst.score})}
    if column in TOLERANCES:  # else of a network that is not ours
        full, half, unit = TOLERANCES[column]
        found |= {"tolerance": full if precision == "fp32" else half, "unit": unit}
    return found


def outside(parity: Mapping[str, Any]) -> list[str]:
    """One line for each column of `Bench.parity` that left its tolerance."""
    return [
        f"{name}, {engine}: {column} is off by {c['worst']:.3g} {c['unit']} (tolerance {c['tolerance']:g}"
        + (f", in a row of score {c['score']:.2f})" if "score" in c else ")")
        for name, engines in parity.items()
        for engine, found in engines.items()
        for column, c in found["columns"].items()
        if c["worst"] > c.get("tolerance", np.inf)
    ]
