"""Where the project's own files lie, in a checkout, in site-packages, or under a colcon install prefix; and results
that are written as text."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from headway.errors import HeadwayError, ModelError, UsageError

PACKAGE = Path(__file__).resolve().parent


def weights_dir() -> Path:
    """Folder of the installed models; the environment variable HEADWAY_MODELS overrides it.

    Raises ModelError where that names no folder.
    """
    override = os.environ.get("HEADWAY_MODELS")
    if override and not Path(override).is_dir():
        raise ModelError(f"HEADWAY_MODELS is {override}, which is no folder: correct it, or unset it")
    return Path(override) if override else PACKAGE / "models" / "weights"


def sample_dir() -> Path:
    """Folder of the bundled bags."""
    return PACKAGE / "sample"


def data_dir() -> Path | None:
    """Folder of evaluation data: HEADWAY_DATA, else ../shared/data beside the checkout, else None."""
    override = os.environ.get("HEADWAY_DATA")
    candidate = Path(override) if override else PACKAGE.parent.parent / "shared" / "data"
    return candidate if candidate.is_dir() else None


def data_folder(name: str) -> Path:
    """Folder `name` of the evaluation data; raises UsageError that says where it was looked for."""
    root = data_dir()
    if root is not None and (root / name).is_dir():
        return root / name
    override = os.environ.get("HEADWAY_DATA")
    place = f"HEADWAY_DATA, which is {override}" if override else "../shared/data beside the checkout"
    no_folder = " and no folder itself" if override and root is None else ""
    raise UsageError(f"no folder {name} below {place}{no_folder}: set HEADWAY_DATA to the folder that holds it")


def share_dir() -> Path:
    """Folder that holds launch/ and headway_msgs/ definitions: the checkout, or <prefix>/share/headway."""
    if (PACKAGE.parent / "launch" / "config").is_dir():
        return PACKAGE.parent
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in [*prefixes, Path(sys.prefix), PACKAGE.parents[3]]:
        if (prefix / "share" / "headway" / "launch").is_dir():
            return prefix / "share" / "headway"
    raise FileNotFoundError(
        "share/headway is not installed: install headway with pip or colcon, or run from a checkout"
    )


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Writes UTF-8, and the folder where it does not exist. Raises HeadwayError with the name of the file, which the
    system does not tell where a disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors=errors)
    except OSError as error:
        raise HeadwayError(f"{path} cannot be written: {error.strerror}") from error
