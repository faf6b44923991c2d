"""`headway`: one entry for everything. Heavy imports happen inside the commands, so that --help is instant."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from typing import Any

import typer

from headway import __version__
from headway.errors import HeadwayError
from headway.report.terminal import lines, marked

COMMANDS: dict[str, tuple[str, ...]] = {
    "headway.cli.demo": ("demo",),
    "headway.cli.replay": ("replay",),
    "headway.cli.models": ("models",),
    "headway.cli.export": ("export",),
    "headway.cli.bench": ("bench",),
    "headway.cli.doctor": ("doctor",),
}
GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "evaluate": (
        "Accuracy on labelled data, with the code that runs on the device.",
        {
            "head-pose": "headway.cli.head_pose_evaluate:evaluate",
            "trajectory": "headway.cli.trajectory:evaluate",
            "driving": "headway.cli.driving:evaluate",
        },
    ),
    "train": (
        "Train a network and write its model folder (extra: train).",
        {
            "head-pose": "headway.cli.head_pose:train",
            "trajectory": "headway.cli.trajectory:train",
            "driving": "headway.cli.driving:train",
        },
    ),
    "render": (
        "Labelled synthetic data (extra: render).",
        {
            "people": "headway.cli.render:people",
            "scene": "headway.cli.render:scene",
            "drives": "headway.cli.render:drives",
        },
    ),
    "import": (
        "Weights published elsewhere to an installed model (extra: export).",
        {"directmhp": "headway.cli.import_model:directmhp"},
    ),
    "convert": (
        "Recorded material to a rosbag2 bag.",
        {
            "video": "headway.cli.convert:video",
            "tub": "headway.cli.convert:tub",
            "kitti": "headway.cli.convert:kitti",
        },
    ),
}


def build() -> typer.Typer:
    """The whole command tree."""
    app = typer.Typer(
        help="Real-time edge perception that says how sure it is.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        debug: bool = typer.Option(False, "--debug", help="Show a traceback when something fails."),
        version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
    ) -> None:
        if version:
            typer.echo(f"headway {__version__}")
            raise typer.Exit

    for module, names in COMMANDS.items():
        for name in names:
            app.command(name)(_function(f"{module}:{name}"))
    for group, (text, commands) in GROUPS.items():
        sub = typer.Typer(help=text, no_args_is_help=True)
        for name, target in commands.items():
            sub.command(name)(_function(target))
        app.add_typer(sub, name=group)
    return app


def _function(target: str) -> Callable[..., Any]:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def main() -> None:
    """Entry point: errors end in one or two lines and the exit code of their kind, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    if debug:
        # The flag may stand anywhere: whoever sees an error adds it at the end.
        sys.argv = [sys.argv[0], *(a for a in sys.argv[1:] if a != "--debug")]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold bytes that no terminal takes
    console = lines(stderr=True)
    try:
        build()()
    except HeadwayError as error:
        if debug:
            raise
        console.print(_error(str(error)))
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a disk that is full, a file that is a folder: the system's own words say which
        if debug:
            raise
        # Where a file is copied, it may be the other end that is meant.
        names = " -> ".join(str(name) for name in (error.filename, error.filename2) if name)
        text = f"{names}: {error.strerror}" if names else str(error)
        console.print(_error(text))
        raise SystemExit(1) from None
    except ImportError as error:
        if debug or (error.name or "").startswith("headway."):
            raise
        text = f"the Python package '{error.name}' is not installed; `headway doctor` names the extra that brings it"
        console.print(_error(text))
        raise SystemExit(1) from None


def _error(text: str) -> Any:
    return marked("error:", "bold red", text)


if __name__ == "__main__":
    main()
