"""Short head-pose trainings, each without one part of the recipe: the numbers go into the card of a model folder.

    python tools/head_pose_ablations.py --data DIR --val DIR --out models/weights/head-pose --work DIR
                                        [--minutes 8] [--size nano] [--teacher DIR] [--jobs 2] [--seed 0]

Runs that OUT/ablations.json has already are not repeated, so a stopped call goes on. At the end the folder's card and
manifest are written anew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from headway.errors import HeadwayError
from headway.models.head_pose.ablate import ablate
from headway.models.head_pose.config import SIZES, TrainConfig
from headway.models.head_pose.fit import Limit
from headway.models.head_pose.produce import Order, finish


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "val", "out", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--size", choices=tuple(SIZES), default="nano")
    parser.add_argument("--teacher", type=Path, help="model folder of a larger network, to distil from")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    torch.set_num_threads(1)
    limit, config = Limit(minutes=a.minutes), TrainConfig(seed=a.seed)
    order = Order(
        a.data, a.val, a.out, a.work, limit, config, jobs=a.jobs, size=a.size, command="ablation", teacher=a.teacher
    )
    ablate(order, lambda name, row: print(f"{name}: {row}", flush=True))
    finish(a.out, a.val)


if __name__ == "__main__":
    try:
        main()
    except HeadwayError as error:
        sys.exit(f"error: {error}")
