"""Renews what the manifest and card of a finished trajectory model say of a moving camera; weights stay as they are.

headway evaluate trajectory --protocol egocentric --wearers 0 --jobs 2 --json walked.json    # or --protocol kitti
python tools/renew_trajectory.py models/weights/trajectory walked.json [MORE.json ...]

With --calibrate in place of the files, the radius for ranges from the size of heads is calibrated anew, from the five
networks below the folder (two minutes).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from headway.errors import HeadwayError, UsageError
from headway.models.trajectory.produce import coverage_key, renew_calibration, renew_moving
from headway.stages.calibration import BY_SIZE


def main(folder: Path, files: list[Path]) -> None:
    """Takes in the files one after the other."""
    for path in files:
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} holds no evaluation (headway evaluate trajectory --json): {error}") from error
        renew_moving(folder, report)
        print(f"{folder}: {report['protocol']} renewed")


def calibrate(folder: Path) -> None:
    """What --calibrate does."""
    conditions = tuple(BY_SIZE.values())
    found = renew_calibration(folder, conditions, lambda what, done, total: print(f"{what}: {done} of {total}"))
    for condition in conditions:
        cover = found.evaluation[coverage_key(condition)]
        print(
            f"{folder}, {condition}: {cover['measured']:.3f} of people, {cover['together']['measured']:.3f} of moments"
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        if sys.argv[2:] == ["--calibrate"]:
            calibrate(Path(sys.argv[1]))
        else:
            main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    except HeadwayError as error:
        sys.exit(f"error: {error}")
