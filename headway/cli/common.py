"""What several commands do alike."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path

from headway.errors import UsageError


def command() -> str:
    """The command line as a shell takes it, for reports and JSON."""
    return shlex.join(["headway", *sys.argv[1:]])


def check_targets(*targets: Path | None) -> None:
    """Before long work: makes the folders of the files that are to be written at its end. Raises UsageError where one
    cannot be written."""
    for target in filter(None, targets):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() and not target.is_file():
                if target.is_dir():
                    raise UsageError(f"{target} is a folder: name a file")
                continue  # /dev/stdout and the like: opening a pipe could end it
            there = target.exists()
            target.open("ab").close()
            if not there:
                target.unlink()
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from error


def number(value: float | None, digits: int) -> str:
    """Fixed digits, "-" for what was not measured (None, NaN)."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
