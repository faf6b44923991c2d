"""Does the radius hold on a rendered street? A bag through the whole pipeline, heads found in its images, ranges from
their size where it has no depth; forecasts against where people went.

    python tools/radius_on_street.py [BAG ...] [--params launch/config/headway.yaml]

Default: the two bundled bags. Few people walk there: it is a second look at what `headway evaluate trajectory
--protocol egocentric` says of recorded people, whose heads are simulated.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from headway.evaluate.by_heads import score
from headway.evaluate.replay_proof import answers_of_bag, truth_of_bag
from headway.node_config import HeadwayNodeConfig, load
from headway.paths import sample_dir
from headway.replay import replay

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
            found = score(answers_of_bag(output).items(), truth_of_bag(bag), RANGE_SHARE)
        words = f"{found['inside']:.3f} inside, ADE {found['ade']:.2f} m" if found["windows"] else "nobody to score"
        print(f"{bag.stem}: {found['windows']} windows of 2.8 s, {words}")


if __name__ == "__main__":
    main()
