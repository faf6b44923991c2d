"""What each part of the recipe brings: the same short run without it, and the numbers beside each other.

Short runs rank the parts; their numbers are far from those of a whole run. One seed: differences of a point are noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headway.errors import UsageError
from headway.json_files import write_json
from headway.models.head_pose.produce import ABLATIONS, Order, produce
from headway.models.render.annotations import on_streets
from headway.runtime.manifest import read_manifest


def _config(**changes: Any) -> Callable[[Order], Order]:
    return lambda order: replace(order, config=replace(order.config, **changes))


def _loss(**changes: Any) -> Callable[[Order], Order]:
    return lambda order: replace(order, loss=replace(order.loss, **changes))


DISTILLATION = "distillation"
WITHOUT: dict[str, Callable[[Order], Order]] = {
    "nothing left out": lambda order: order,
    "crop start": _config(crop_share=0.0, mixed_share=0.0),
    "uncertainty term": _loss(sigma=0.0),
    "photo-like cut-outs": _config(photo_share=0.0),
    "semi-supervision": _config(teach_each=0),
    DISTILLATION: lambda order: replace(order, teacher=None),
    "classes of rotations": _loss(nearest=0.0),
    "crowns and globes": _config(distractor_share=0.0),
}
"""Left out -> the run without it. Where the order has no teacher there is no distillation to leave out."""


def ablate(order: Order, told: Callable[[str, Mapping[str, Any]], None] = lambda name, row: None) -> Path:
    """Runs `order` once for each of WITHOUT, below its work folder; returns the file of the numbers, which
    `finish` puts into the card of the model folder `order.out`. Runs that are there already are not repeated; raises
    UsageError where they are of another length, seed or kind: the card has one line on all of them."""
    file, cache = order.out / ABLATIONS, order.work / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    asked: dict[str, Any] = {"limit": vars(order.limit), "size": order.size, "seed": order.config.seed}
    asked["streets"] = on_streets(order.data)
    asked["teacher"] = read_manifest(order.teacher).name if order.teacher else None
    content = {**asked, "rows": {}}
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if changed := [name for name, value in asked.items() if (before.get(name) or None) != (value or None)]:
            raise UsageError(f"{file} holds runs with another {' and '.join(changed)}: move it away first")
        content["rows"] = before["rows"]
    for name, change in WITHOUT.items():
        if name in content["rows"] or (name == DISTILLATION and order.teacher is None):
            continue
        folder = order.work / ("ablation-" + name.replace(" ", "-"))
        run = replace(change(order), out=folder / "model", work=folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "cache").exists():
            (folder / "cache").symlink_to(cache.resolve())  # decoded once for all
        content["rows"][name] = row = numbers(produce(run))
        write_json(file, content)
        told(name, row)
    return file


def numbers(evaluation: Mapping[str, Any]) -> dict[str, float | None]:
    """One row of the table."""
    rendered, real = evaluation["rendered"], evaluation.get("real_heads")
    people = (evaluation.get("by_eye") or {}).get("people") or {}
    return {
        "ap50": rendered["ap50"],
        "recall": rendered["recall"],
        "geodesic_mean": rendered["geodesic_deg"]["mean"],
        "geodesic_median": rendered["geodesic_deg"]["median"],
        "sigma_rank": rendered["sigma"]["rank_correlation"],
        "photographs_recall": people.get("recall"),
        "photographs_precision": people.get("precision"),
        "real_heads_mean": real["geodesic_deg"]["mean"] if real else None,
    }
