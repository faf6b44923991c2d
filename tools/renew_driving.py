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
from typing import Any

from headway.errors import HeadwayError, UsageError
from headway.models.driving.produce import finish_road, recalibrate
from headway.runtime.manifest import read_manifest


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--evaluation", type=Path, default=None, help="what `headway evaluate driving --json` wrote")
    args = parser.parse_args()
    if not args.calibrate and args.evaluation is None:
        parser.error("nothing to do: --calibrate or --evaluation FILE")
    try:
        if args.calibrate:
            print(json.dumps(recalibrate(args.folder).config, indent=1))
        if args.evaluation is not None:
            print(finish_road(args.folder, report_of(args.evaluation, args.folder))["summary"])
    except HeadwayError as error:
        parser.error(str(error))


def report_of(path: Path, folder: Path) -> dict[str, Any]:
    """The evaluation in `path`, which must be one of the model in `folder` in roadworld."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        driven, world = report["model"]["hash"], report["world"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} holds no evaluation (headway evaluate driving --json): {error}") from error
    here = read_manifest(folder).hash
    if (driven, world) != (here, "roadworld"):
        raise UsageError(f"{path} is of model {driven[:12]} in {world}; {folder} is {here[:12]}, of roadworld")
    return dict(report)


if __name__ == "__main__":
    main()
