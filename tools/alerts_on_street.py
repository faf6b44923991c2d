"""Every track on a rendered street: whether it is a person, how far it was believed, and when it became an alert.

    python tools/alerts_on_street.py [BAG ...] [--model head-pose] [--certain]

Default: the two bundled bags. --certain: as if every track were a person, which is how it was before `existence`.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from headway.errors import HeadwayError
from headway.evaluate.existence import of_somebody, street
from headway.paths import sample_dir
from headway.runtime.model import open_model
from headway.stages.forecast import ForecastStage
from headway.stages.heads import TASK, HeadStage
from headway.stages.risk import RiskStage
from headway.stages.tracks import TrackStage
from headway.types import Level


@dataclass
class Followed:
    """One track: of each frame its existence, of each sighting whether it was a person, of each alert what it said."""

    first: int
    existence: list[float] = field(default_factory=list)
    real: list[bool] = field(default_factory=list)
    range_m: list[float] = field(default_factory=list)
    alerts: list[tuple[int, float]] = field(default_factory=list)
    notices: int = 0

    @property
    def line(self) -> str:
        """One row of the table."""
        kind = "person" if np.mean(self.real) > 0.5 else "FALSE "
        said = f"{self.alerts[0][0]:5d} {max(p for _, p in self.alerts):8.2f}" if self.alerts else "    -        -"
        return (
            f"{self.first:5d} {kind} {len(self.real):4d} {min(self.range_m):7.1f} {np.mean(self.existence):8.2f} "
            f"{min(self.existence):6.2f} {said} {len(self.alerts):6d} {self.notices:7d}"
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bags", type=Path, nargs="*", default=sorted(sample_dir().glob("street-*.mcap")))
    parser.add_argument("--model", default="head-pose")
    parser.add_argument("--certain", action="store_true")
    args = parser.parse_args()
    heads = HeadStage(open_model(args.model, TASK))
    for bag in args.bags:
        tracks = follow(bag, heads, args.certain)
        wrong = sum(len(t.alerts) for t in tracks.values() if np.mean(t.real) <= 0.5)
        print(f"{bag.stem}, {args.model}: {wrong} alerts (track and frame) about nobody")
        print("    # from what   seen nearest believed  least alert at highest p frames notices")
        for identity, track in sorted(tracks.items()):
            print(f"{identity:5d} {track.line}")


def follow(bag: Path, heads: HeadStage, certain: bool) -> dict[int, Followed]:
    """Track id -> what became of it."""
    stages = TrackStage(), ForecastStage(open_model("trajectory", "trajectory")), RiskStage()
    found: defaultdict[int, Followed] = defaultdict(lambda: Followed(number))
    for number, (frame, truth, people) in enumerate(street(bag)):
        seen = heads(frame)
        tracks = stages[0](frame, seen)
        if certain:
            tracks = replace(tracks, existence=np.ones(len(tracks)))
        real, near = of_somebody(seen, frame, truth, people)
        risks = stages[2](stages[1](tracks)).items
        assert tracks.existence is not None
        for i, (identity, row, risk) in enumerate(zip(tracks.ids.tolist(), tracks.head_index, risks, strict=True)):
            track = found[identity]
            track.existence.append(float(tracks.existence[i]))
            track.range_m.append(float(np.hypot(*tracks.position[i, :2])))
            track.notices += risk.level == Level.NOTICE
            if row >= 0:
                track.real.append(bool(real[row] or near[row]))
            if risk.level == Level.ALERT:
                track.alerts.append((number, risk.probability))
    return dict(found)


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
