"""`headway demo`: the three nodes as real processes on the bundled bag, and everything they said, written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError, UsageError
from headway.graph import run_graph
from headway.paths import sample_dir
from headway.report.build import fresh_folder, report_graph
from headway.runtime.manifest import read_manifest, verified_path
from headway.runtime.model import model_folder
from headway.runtime.signature import trusted_key

SAMPLE = "street-vehicle.mcap"
MODELS = ("head-pose", "trajectory", "driving")

Progress = Callable[[int, int | None], None]


def run_demo(
    out: Path,
    command: str,
    bag: Path | None = None,
    composed: bool = False,
    playing: Progress = lambda done, total: None,
    drawing: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Plays `bag` (default: the bundled one) into the graph, writes the report to `out`, returns the summary.

    Raises what run_graph raises, and HeadwayError where frames are missing that nobody accounts for.
    """
    bag = bag or sample_dir() / SAMPLE
    if not bag.exists():
        raise UsageError(f"{bag} does not exist: name a bag with --bag, or make one with `headway render scene`")
    for name in MODELS:  # before anything is started: an error about a model is clearer here than in a node's log
        folder = model_folder(name)
        verified_path(folder, read_manifest(folder, trusted_key()), "onnx")
    performance = run_graph(bag, fresh_folder(out, bag), composed=composed, progress=playing)
    content = report_graph(bag, performance, out, command, "demo through the ROS 2 graph", drawing)
    lost = {task: n for task in performance.tasks if (n := performance.unexplained(task)) > 0}
    if lost:
        text = ", ".join(f"{n} of {task}" for task, n in lost.items())
        raise HeadwayError(f"frames without an answer and without a reason: {text}; see {out}/logs")
    return content
