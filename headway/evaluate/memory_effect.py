"""What the memory of earlier forecasts is worth: the same walks, the same network, with and without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headway.evaluate.alerts import AlertCount
from headway.evaluate.egocentric import Wearing, dense, walk, wearers
from headway.evaluate.pedestrians import SCENES, read_split
from headway.evaluate.walk_run import RULES, Errors, run_walk, table
from headway.runtime.model import open_model

SIDES: dict[str, float | None] = {"without": 0.0, "with": None}
"""`forecast.memory_s`: none at all, and the default."""


def memory_effect(
    models: Mapping[str, str],
    noises: tuple[float, ...] = (0.03, 0.1),
    per_scene: int = 4,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda s, d, t: None,
) -> dict[str, Any]:
    """Scene -> folder of a network that never saw it. Per noise level, over all scenes: accuracy and flicker of both
    sides, and what the memory changes, as a share of what there is without it."""
    levels: dict[str, Any] = {}
    for noise in noises:
        scenes: dict[str, Any] = {}
        pooled = {side: Errors() for side in SIDES}
        for scene in SCENES:
            errors = _scene(scene, models[scene], noise, per_scene, seed)
            for side, found in errors.items():
                pooled[side].add(found)
            scenes[scene] = compared(errors)
            progress(f"{100 * noise:g} cm of noise", len(scenes), len(SCENES))
        levels[f"{noise:g}"] = {"scenes": scenes} | compared(pooled)
    return {"protocol": "memory", "data": "eth_ucy", "wearers_per_scene": per_scene, "seed": seed, "noise": levels}


def compared(errors: Mapping[str, Errors]) -> dict[str, Any]:
    """Both sides and the relative change."""
    sides = {
        side: table(found)["headway"] | {"flicker_m": float(np.mean(found.flicker_m["headway"]))}
        for side, found in errors.items()
    }
    change = {k: sides["with"][k] / value - 1 for k, value in sides["without"].items()}
    return {"windows": len(errors["with"].inside)} | sides | {"change": change}


def _scene(scene: str, folder: str, noise: float, per_scene: int, seed: int) -> dict[str, Errors]:
    how, random = replace(Wearing(), noise_m=noise), np.random.default_rng(seed)
    errors = {side: Errors() for side in SIDES}
    model = open_model(folder, "trajectory")
    recordings = read_split(scene, "test")
    for recording in recordings:
        positions = dense(recording, how.rate)
        for person in wearers(recording, -(-per_scene // len(recordings))):
            one = walk(recording, positions, person, how, random)
            for side, memory_s in SIDES.items():
                run_walk(one, model, 0.9, {m: AlertCount() for m in RULES}, errors[side], memory_s)
    model.close()
    return errors
