"""`headway doctor`: what this machine can run."""

from __future__ import annotations

import typer

COLOURS = {"ok": "green", "missing": "red", "broken": "red", "optional": "yellow"}


def doctor() -> None:
    """What this machine can run, and the command that installs what is missing. Exit code 1: the demo cannot run."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from headway.doctor import BROKEN, MISSING, examine

    findings = examine()
    table = Table("what", "state", "found")
    for f in findings:
        table.add_row(f.what, f"[{COLOURS[f.state]}]{f.state}[/]", escape(f.detail))
    console = Console(soft_wrap=True)
    Console().print(table)
    cures = [f for f in findings if f.cure]
    if cures:
        console.print("to install or mend:")
    for f in cures:
        console.print(f"  {escape(f.what)}: {escape(f.cure)}", highlight=False)
    bad = [f.what for f in findings if f.state in (BROKEN, MISSING)]
    if bad:
        console.print(f"[red]not ready:[/] {escape(', '.join(bad))}", highlight=False)
        raise typer.Exit(1)
    console.print("ready: `headway demo` runs on this machine", highlight=False)
