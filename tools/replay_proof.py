"""Replay proof: the same numbers from the evaluation, from a bag in this process, and from the real ROS 2 node.

    python tools/replay_proof.py --kitti ../shared/data/kitti_tracking/label/0013.txt
    python tools/replay_proof.py --bag headway/sample/street-walker.mcap --params launch/config/trajectory.yaml

Exit code 1 where a difference is larger than its tolerance. --rate slows the playing down, so that a busy machine drops
no frame; the answers do not depend on it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from headway.convert.kitti import convert_kitti
from headway.errors import HeadwayError
from headway.evaluate.by_heads import Answer, answers, read_heads
from headway.evaluate.replay_proof import prove
from headway.heads_bag import delayed_copy
from headway.runtime.model import open_model


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--kitti", type=Path, help="label file of kitti_tracking")
    source.add_argument("--bag", type=Path, help="bag with /ground_truth/heads and /ground_truth/people")
    parser.add_argument("--params", type=Path, default=None, help="parameter file of the node, with --bag")
    parser.add_argument("--frames", type=int, default=None, help="only so many frames")
    parser.add_argument("--rate", type=float, default=0.5, help="speed of playing")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag, params, evaluated = folder / "heads.mcap", args.params, None
        if args.kitti:
            convert_kitti(args.kitti, bag, args.frames)
            params = bag.with_suffix(".yaml")
            evaluated = evaluation(args.kitti, args.frames)
        else:
            delayed_copy(args.bag, bag, args.frames)
        found = prove(bag, folder / "node", params, args.rate, evaluated)
    found["bag"] = str(args.kitti or args.bag)
    show(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if found["agree"] else 1


def evaluation(label: Path, frames: int | None) -> dict[int, Answer]:
    """The evaluation's own answers, from the label files."""
    model = open_model("trajectory", "trajectory")
    try:
        return dict(answers(read_heads(label), model, frames))
    finally:
        model.close()


def show(found: dict[str, Any]) -> None:
    """The result as two small tables."""
    print(f"{found['bag']}: {found['frames']} frames")
    for host, s in found["hosts"].items():
        numbers = ", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in s.items())
        print(f"  {host:12s} {numbers}")
    for pair, d in found["differences"].items():
        print(f"  {pair}: " + ", ".join(f"{k} {v:.2g}" for k, v in d.items()))
    print("  tolerances: " + ", ".join(f"{k} {v:g}" for k, v in found["tolerances"].items()))
    for problem in found["problems"]:
        print(f"  problem: {problem}")
    print("  they agree" if found["agree"] else "  THEY DIFFER")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HeadwayError as error:
        sys.exit(f"error: {error}")
