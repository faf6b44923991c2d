"""`headway doctor`: what this machine can run."""

from __future__ import annotations

import typer

COLOURS = {"ok": "green", "missing": "red", "broken": "red", "optional": "yellow"}


def doctor() -> None:
    """What this machine can run, and the command that installs what is missing. Exit code 1: the demo cannot run."""
    from rich.table import Table
    from rich.text import Text

    from headway.doctor import BROKEN, MISSING, examine
    from headway.report.terminal import lines, marked, tables

    findings = examine()
    table = Table("what", "state", "found")
    for f in findings:
        table.add_row(f.what, Text(f.state, COLOURS[f.state]), f.detail)
    console = lines()
    tables().print(table)
    cures = [f for f in findings if f.cure]
    if cures:
        console.print("to install or mend:")
    for f in cures:
        console.print(f"  {f.what}: {f.cure}")
    bad = [f.what for f in findings if f.state in (BROKEN, MISSING)]
    if bad:
        console.print(marked("not ready:", "red", ", ".join(bad)))
        raise typer.Exit(1)
    console.print("ready: `headway demo` runs on this machine")
