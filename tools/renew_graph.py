"""Exports shipped networks anew, after a change of their code that leaves their answers as they are.

python tools/renew_graph.py models/weights/head-pose models/weights/head-pose-nano models/weights/trajectory

Refuses where the new graph answers differently from the one in the folder; the trajectory network needs eth_ucy for a
real scene. Evaluation and card stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from headway.errors import HeadwayError
from headway.models.head_pose import renew
from headway.models.trajectory import package
from headway.runtime.manifest import read_manifest

RENEW: dict[str, Callable[[Path], dict[str, float]]] = {
    "head-pose": renew.renew_graph,
    "trajectory": package.renew_graph,
}
"""By task; the driving networks need none so far."""

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        for folder in map(Path, sys.argv[1:]):
            task = read_manifest(folder).task
            if task not in RENEW:
                sys.exit(f"error: {folder}: the graph of a {task} network cannot be renewed here")
            for name, difference in RENEW[task](folder).items():
                print(f"{folder}: {name}: worst difference from the old graph {difference:.1e}")
    except HeadwayError as error:
        sys.exit(f"error: {error}")
