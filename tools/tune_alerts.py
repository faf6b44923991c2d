"""Tunes the alert rule (`RiskConfig`) on recordings that no reported table uses, and says how well it carries over.

    python tools/tune_alerts.py [--model trajectory] [--wearers 40] [--seed 1000] [--json F]

The rule that it prints is written into headway/stages/risk.py by hand; `headway evaluate trajectory --protocol
egocentric` judges it on the five scenes, with other people and other noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError
from headway.evaluate import alert_tuning as tuning
from headway.evaluate.pedestrians import SCENES
from headway.runtime.model import model_folder, open_model
from headway.stages.risk import RiskConfig

NOISES = (0.03, 0.1)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="trajectory", help="installed model, or folder with leave-one-out below it")
    parser.add_argument("--wearers", type=int, default=40, help="wearers of each recording")
    parser.add_argument("--seed", type=int, default=1000, help="seed of noise and head turning")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    folder = model_folder(args.model) / "leave-one-out"
    models = [open_model(str(folder / scene), "trajectory") for scene in SCENES]
    levels = {f"{noise:g}": tuning.record(models, noise, args.wearers, args.seed) for noise in NOISES}
    shipped = RiskConfig()
    show("shipped rule", shipped, tuning.judged(levels, shipped))
    best = tuning.tune(levels, shipped)
    found = tuning.judged(levels, best)
    show("tuned on everything here", best, found)
    carried = {}
    names = sorted({run.walk.name.rpartition("_")[0] for runs in levels.values() for run in runs})
    for name in names:
        inside, outside = (
            {k: [r for r in runs if r.walk.name.startswith(name) == own] for k, runs in levels.items()}
            for own in (True, False)
        )
        rule = tuning.tune(outside, shipped)
        carried[name] = tuning.judged(inside, rule)
        show(f"tuned without {name}, judged on it", rule, carried[name])
    if args.json:
        result = {"rule": chosen(best), "found": found, "carried_over": carried}
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def chosen(risk: RiskConfig) -> dict[str, float]:
    """The numbers that were tuned."""
    return {name: getattr(risk, name) for name in tuning.CHOICES}


def show(title: str, risk: RiskConfig, found: Mapping[str, Mapping[str, Any]]) -> None:
    """One rule and what it comes to."""
    print(f"{title}: " + ", ".join(f"{k} {v:g}" for k, v in chosen(risk).items()))
    for noise, s in found.items():
        print(
            f"  {100 * float(noise):g} cm: {s['conflicts']} conflicts, recall {s['recall']:.3f}, in time "
            f"{s['recall_in_time']:.3f}, precision {s['precision']:.2f}, {s['false_per_hour']:.0f} false alarms/h, "
            f"{s['share']:.2f} of the published rule's",
            flush=True,
        )


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
