"""`headway demo`: the main job on the bundled bag, through the real ROS 2 graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from headway.cli.common import command


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for output.mcap, annotated.mp4, report.html, summary.json, logs.")
    ] = Path("out/demo"),
    bag: Annotated[Optional[Path], typer.Option("--bag", help="Another bag than the bundled one.")] = None,  # noqa: UP045
    composed: Annotated[
        bool, typer.Option("--composed/--separate", help="One node with all tasks, or one node a task.")
    ] = False,
) -> None:
    """The three nodes as real processes on the bundled bag, played at its recorded rate."""
    from headway.demo import run_demo
    from headway.report.progress import bar
    from headway.report.summary import print_summary, with_loss
    from headway.report.terminal import lines

    with bar("playing into the graph") as playing, bar("drawing") as drawing:
        content = run_demo(out, command(), bag, composed, playing, drawing)
    print_summary(content)
    names = "output.mcap, annotated.mp4, report.html, summary.json"
    lines().print(f"{names} are in {out}/")
    if with_loss(content):
        raise typer.Exit(3)
