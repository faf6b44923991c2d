"""Exports a shipped trajectory network anew, after a change of its code that leaves its answers as they are.

python tools/renew_graph.py models/weights/trajectory

Refuses where the new graph answers differently from the one in the folder. Needs eth_ucy for a real scene.
"""

from __future__ import annotations

import sys
from pathlib import Path

from headway.errors import HeadwayError
from headway.models.trajectory.package import renew_graph

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        for name, difference in renew_graph(Path(sys.argv[1])).items():
            print(f"{name}: worst difference from the old graph {difference:.1e}")
    except HeadwayError as error:
        sys.exit(f"error: {error}")
