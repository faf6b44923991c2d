"""Does the radius hold on a rendered street? A bag through the whole pipeline, heads found in its images, ranges from
their size where it has no depth; forecasts against where people went.

    python tools/radius_on_street.py [BAG ...] [--params launch/config/headway.yaml]

Default: the two bundled bags. Few people walk there: it is a second look at what `headway evaluate trajectory
--protocol egocentric` says of recorded people, whose heads are simulated.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headway.errors import HeadwayError
from headway.evaluate.by_heads import Answer, score
from headway.evaluate.replay_proof import answers_of_bag, truth_of_bag
from headway.node_config import HeadwayNodeConfig, load
from headway.paths import sample_dir
from headway.replay import replay

STEP_S, RANGES_M = 0.4, (0, 4, 8, 16)
RANGE_SHARE = 0.3
"""Of the distance: a track this near to a person is taken for that person. Ranges by head size err by 8 % and more."""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bags", type=Path, nargs="*", default=sorted(sample_dir().glob("street-*.mcap")))
    parser.add_argument("--params", type=Path, default=None, help="parameter file; default: the launch files' own")
    args = parser.parse_args()
    config = load(HeadwayNodeConfig(), "headway", args.params)
    for bag in args.bags:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output.mcap"
            replay(bag, output, config)
            said = answers_of_bag(output)
        found = score(said.items(), truth_of_bag(bag), RANGE_SHARE)
        words = f"{found['inside']:.3f} inside, ADE {found['ade']:.2f} m" if found["windows"] else "nobody to score"
        print(f"{bag.stem}: {found['windows']} windows of 2.8 s, {words}")
        show_radius(said.values())


def show_radius(said: Iterable[Answer]) -> None:
    """Medians by how far away people are."""
    rows = [(float(np.linalg.norm(place)), r) for a in said for place, r in zip(a.position, a.radius, strict=True)]
    for nearest, furthest in itertools.pairwise(RANGES_M):
        radii = np.array([r for away, r in rows if nearest <= away < furthest])
        if len(radii):
            words = ", ".join(f"{np.median(radii[:, t]):.1f} m at {STEP_S * (t + 1):.1f} s" for t in (0, 6, 11))
            print(f"  median radius of people {nearest} to {furthest} m away: {words}")


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
