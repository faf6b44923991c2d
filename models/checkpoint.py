"""Checkpoints of trainings that stop and go on."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from headway.errors import UsageError

UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, AttributeError, TypeError, pickle.UnpicklingError,
)  # fmt: skip
"""What torch.load raises, by where the file is damaged."""


def write_checkpoint(path: Path, state: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """By rename, so that a kill leaves the old one whole. settings: what decides where the run ends up, by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    torch.save({**state, "settings": dict(settings)}, part)
    part.replace(path)


def read_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state in `path`, on the CPU; None where there is none.

    Raises UsageError where the file is no checkpoint, or one of a run with other settings: what came of both together
    would be neither run, and the manifest would name the second one.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = state.get("settings", {})
    except UNREADABLE as error:
        raise UsageError(f"{path} is no checkpoint of a training: remove it to begin anew") from error
    changed = [f"{name} {old} (now {settings.get(name)})" for name, old in before.items() if settings.get(name) != old]
    if changed:
        raise UsageError(
            f"{path} is of a run with {', '.join(changed)}: train as before to go on, or remove it to begin anew"
        )
    return state
