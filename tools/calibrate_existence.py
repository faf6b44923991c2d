"""Fits the numbers of `Belief` (headway/stages/existence.py) for the installed head-pose networks.

    headway render scene --view walker --seed 101 --seconds 8 --out streets/walker-101.mcap     # and so on
    python tools/calibrate_existence.py --people VAL_DIR --streets streets [--json F]

The streets must not be the bundled bags, which are what the result is judged on; the photographs of `people/` are for
looking at results alone, so that they are judged on too, never fitted. What is printed is written into
headway/stages/existence.py by hand. Reliability is shown for each material, and for each street with it left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import HeadwayError
from headway.evaluate import existence
from headway.evaluate.by_eye import Picture, read_people
from headway.evaluate.existence import Looks
from headway.evaluate.head_formats import read_labels
from headway.models.head_pose.cutouts import BODY_PANEL, HEAD_PANEL, PANEL_X, SHEETS
from headway.models.head_pose.photos import curated
from headway.paths import sample_dir
from headway.runtime.model import open_model
from headway.stages.existence import BELIEF
from headway.stages.heads import TASK, HeadStage

MODELS = ("head-pose", "head-pose-nano")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, required=True, help="labelled images that no network learned from")
    parser.add_argument("--streets", type=Path, required=True, help="folder of rendered streets (*.mcap)")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    bags = sorted(args.streets.glob("*.mcap"))
    people, sheets, streets, photographs, bundled = {}, {}, {}, {}, {}
    for name in args.models:
        stage = HeadStage(open_model(name, TASK))
        people[name] = existence.of_images(stage, read_labels(args.people))
        sheets[name] = existence.of_pictures(stage, read_sheets())
        photographs[name] = existence.of_pictures(stage, read_people())
        for bag in bags:
            streets[f"{bag.stem}, {name}"] = existence.of_street(stage, bag)
        for bag in sorted(sample_dir().glob("*.mcap")):
            bundled[f"{bag.stem}, {name}"] = existence.of_street(stage, bag)
        print(f"{name}: looked at", flush=True)
    found = existence.fit([[*k.values()] for k in (people, sheets, streets)])
    print(found)
    kinds = {"people": people, "sheets": sheets, "streets": streets}
    kinds |= {"photographs (not fitted)": photographs, "bundled bags (not fitted)": bundled}
    report = {kind: existence.reliability(found, [*looks.values()]) for kind, looks in kinds.items()}
    report["streets left out in turn"] = left_out(people, sheets, streets)
    report["bundled bags, shipped numbers"] = existence.reliability(BELIEF, [*bundled.values()])
    for kind, numbers in report.items():
        show(kind, numbers)
    if args.json:
        text = json.dumps({"belief": asdict(found), "reliability": report}, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")


def read_sheets() -> list[Picture]:
    """The character sheets of openpeople P001-P007, each with the eight heads that it shows. The networks know cut-outs
    of them: what they say there may be surer than elsewhere."""
    pictures = []
    for person, rows in SHEETS.items():
        boxes = []
        for row, views in rows.items():
            left, top, _, _ = HEAD_PANEL if row == "head" else BODY_PANEL
            boxes += [np.add(view[:4], [x + left, top] * 2) for x, view in zip(PANEL_X, views, strict=True)]
        path = curated() / person / "assets" / "character_sheet.jpg"
        pictures.append(Picture(path, np.array(boxes, float), np.zeros(len(boxes)), np.zeros((0, 4))))
    return pictures


def left_out(people: Mapping[str, Looks], sheets: Mapping[str, Looks], streets: Mapping[str, Looks]) -> dict[str, Any]:
    """Each street judged by a fit without it (and without what the other network saw there)."""
    names = sorted({name.split(",")[0] for name in streets})
    judged = []
    for name in names:
        inside, outside = (
            [look for key, look in streets.items() if (key.split(",")[0] == name) == own] for own in (True, False)
        )
        belief = existence.fit([[*people.values()], [*sheets.values()], outside])
        judged += [existence.scored(belief, look) for look in inside]
    return existence.summary(judged)


def show(kind: str, r: Mapping[str, Any]) -> None:
    """One material in a few lines."""
    shares = [r["real_believed_less_than_half"], r["false_believed_more_than_half"]]
    below, above = ("-" if share is None else f"{share:.3f}" for share in shares)
    print(
        f"{kind}: {r['witnesses']:.0f} witnesses, {r['real']:.2f} real, Brier {r['brier']:.3f}; "
        f"real ones below 0.5: {below}, false ones above: {above}"
    )
    bands = (f"{b['said']:.2f}: {b['real']:.2f} ({b['witnesses']:.0f})" for b in r["bands"])
    print("  said: real (witnesses)  " + ", ".join(bands))


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
