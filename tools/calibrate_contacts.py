"""Fits the numbers of `ContactBelief` (headway/stages/contact_belief.py): how likely a contact is, given the forecast.

    python tools/calibrate_contacts.py [--model trajectory] [--wearers 40] [--seed 1000] [--jobs 2] [--json F]

Pedestrians of the five ETH/UCY scenes wear the camera, with 3 and 10 cm of noise and with ranges from the size of
heads, with odometry and without; each scene is forecast by the network that never saw it. What is printed is written
into the module by hand. Reliability is shown for each scene with numbers fitted on the four others. `headway evaluate
trajectory --protocol egocentric` judges the shipped numbers with all wearers and other noise. Last come the numbers of
the published rule (headway/stages/heads_up.py), counted on the same people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from headway.children import end_with_parent
from headway.errors import HeadwayError
from headway.evaluate.contact_calibration import reliable
from headway.evaluate.contact_tuning import Evidence, Mask, fit, left_out, watch, watch_published
from headway.evaluate.egocentric import HEAD_SIZE, Wearing, at_level, level_words
from headway.evaluate.pedestrians import SCENES
from headway.runtime.model import model_folder
from headway.stages.contact_belief import NEW_S

LEVELS, ODOMETRY = ("0.03", "0.1", HEAD_SIZE), (False, True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="trajectory", help="installed model, or folder with leave-one-out below it")
    parser.add_argument("--wearers", type=int, default=40, help="wearers of each scene")
    parser.add_argument("--seed", type=int, default=1000, help="seed of noise and head turning")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    folder = model_folder(args.model) / "leave-one-out"
    kinds = list(product(SCENES, LEVELS, ODOMETRY))
    with ProcessPoolExecutor(args.jobs, get_context("spawn"), end_with_parent) as pool:
        waiting = [
            pool.submit(watch, s, str(folder / s), at_level(Wearing(odometry=o), n), args.wearers, args.seed)
            for s, n, o in kinds
        ]
        found = [w.result() for w in waiting]
        published = {
            n: [pool.submit(watch_published, s, at_level(Wearing(), n), args.wearers, args.seed) for s in SCENES]
            for n in LEVELS
        }
        counted = {n: [w.result() for w in waiting] for n, waiting in published.items()}
    scenes = {s: Evidence.joined([e for e, k in zip(found, kinds, strict=True) if k[0] == s]) for s in SCENES}
    belief = fit([*scenes.values()])
    print(belief)
    report = dict(_reliability(scenes))
    for name, r in report.items():
        show(name, r)
    for n, parts in counted.items():
        alert, came = (np.concatenate(column) for column in zip(*parts, strict=True))
        warned = f"{came[alert].mean():.3f} came of {alert.sum()} moments with an alert"
        print(f"published rule, {level_words(n)}: {warned}, {came[~alert].mean():.3f} of {(~alert).sum()} without")
    if args.json:
        args.json.write_text(json.dumps({"belief": asdict(belief), "reliability": report}, indent=1) + "\n", "utf-8")


def _groups(e: Evidence) -> dict[str, Mask]:
    """Everybody, and parts that a share of paths is not equally good for."""
    new, unseen = e.age_s < NEW_S, e.unseen_s > 0
    return {
        "everybody": np.ones(len(e), bool),
        "in view for half a second, outside reach": ~new & ~unseen & ~e.within & ~e.own_motion,
        "the same, the camera's own motion known": ~new & ~unseen & ~e.within & e.own_motion,
        "new, outside reach": new & ~unseen & ~e.within,
        "out of view for up to 0.4 s, outside reach": unseen & (e.unseen_s <= 0.4) & ~e.within,
        "out of view for longer, outside reach": (e.unseen_s > 0.4) & ~e.within,
        "in view, within reach": ~unseen & e.within,
        "out of view, within reach": unseen & e.within,
    }


def _reliability(scenes: dict[str, Evidence]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of the share itself, then of what is said of every scene by numbers fitted on the others."""
    rows = list(left_out(scenes))
    everything = Evidence.joined([e for _, e, _ in rows])
    said = np.concatenate([p for *_, p in rows])
    for name, group in _groups(everything).items():
        yield f"share of paths: {name}", reliable(everything.share[group], everything.came[group])
        yield f"said: {name}", reliable(said[group], everything.came[group])
    for name, e, p in rows:
        yield f"said in {name}", reliable(p, e.came)


def show(name: str, r: dict[str, Any]) -> None:
    """One part in two lines."""
    print(f"{name}: {r['moments']} moments, {r['came']:.3f} came, ECE {r['ece']:.3f}, Brier {r['brier']:.4f}")
    print("  said: came  " + ", ".join(f"{b['said']:.2f}: {b['came']:.2f} ({b['count']})" for b in r["bins"]))


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
