"""Renews the numbers of a finished roadworld model, whose weights stay as they are.

    python tools/renew_driving.py FOLDER --calibrate             # after a change of the calibration; 2 minutes
    headway evaluate driving --world roadworld --model ./FOLDER --reference ./caril --stress all --json eval.json
    python tools/renew_driving.py FOLDER --evaluation eval.json  # manifest and card say what was measured

What was calibrated is what `headway train driving --world roadworld` finds for the same weights: a test holds them
together.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from headway.models.driving.produce import finish_road, recalibrate
from headway.runtime.manifest import read_manifest


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--evaluation", type=Path, default=None, help="what `headway evaluate driving --json` wrote")
    args = parser.parse_args()
    if args.calibrate:
        print(json.dumps(recalibrate(args.folder).config, indent=1))
    if args.evaluation is not None:
        report = json.loads(args.evaluation.read_text(encoding="utf-8"))
        driven, here = report["model"]["hash"], read_manifest(args.folder).hash
        if driven != here:
            parser.error(f"{args.evaluation} is of the model {driven}, {args.folder} is {here}")
        print(finish_road(args.folder, report)["summary"])


if __name__ == "__main__":
    main()
