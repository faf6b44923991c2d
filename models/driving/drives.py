"""Recorded drives of a world in one file, so that a simulator may live in another environment than the training.

The file is NumPy's npz: images (N, 120, 160, 3) uint8 BGR, steering, throttle, brake (N,) float32, seed (N,) int64 of
the episode that a frame belongs to, facts: JSON.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headway.errors import UsageError
from headway.evaluate.tub import Drive, joined
from headway.models.driving.imitation import Episode, Policy, collect, routes_of
from headway.runtime.model import Model
from headway.worlds import World
from headway.worlds.roadworld import TRAINING_SEEDS

UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile)
"""What reading an npz raises where the file is empty, cut off or something else."""

COLUMNS = ("images", "steering", "throttle", "brake")


@dataclass(frozen=True)
class Recording:
    """Episodes in the order they were driven. facts: world, routes, seeds, learner (its hash, or "")."""

    episodes: Sequence[Episode]
    facts: dict[str, Any]


def record_drives(
    world: World,
    seeds: range,
    progress: Callable[[int, int], None] = lambda done, total: None,
    learner: Model | None = None,
) -> Recording:
    """The expert of `world` drives one episode a seed; with `learner`, that one steers most of the time (DAgger).

    Raises UsageError for seeds that belong to evaluation.
    """
    if seeds.stop > TRAINING_SEEDS:
        raise UsageError(
            f"seeds {seeds.start} to {seeds.stop - 1}: those from {TRAINING_SEEDS} on belong to evaluation"
        )
    policy = policy_of(learner) if learner is not None else None
    facts = {
        "world": world.name,
        "routes": list(routes_of(world)),
        "seeds": [seeds.start, seeds.stop - 1],
        "learner": learner.manifest.hash if learner is not None else "",
    }
    return Recording(collect(world, seeds, progress, policy), facts)


def policy_of(model: Model) -> Policy:
    """The scalar head of an exported network as the driver of a DAgger round."""
    column = model.manifest.outputs["controls"].columns["steering"][0]
    return lambda image: float(model.infer({"image": np.ascontiguousarray(image[None])})["controls"][0, column])


def write_drives(recording: Recording, path: Path) -> None:
    """See the module."""
    d = joined([e.drive for e in recording.episodes])
    facts = np.array(json.dumps(recording.facts))
    seed = np.concatenate([np.full(len(e.drive), e.seed, np.int64) for e in recording.episodes])
    with _created(path) as file:  # a name without .npz is kept as it is
        np.savez(file, images=d.images, steering=d.steering, throttle=d.throttle, brake=d.brake, seed=seed, facts=facts)


def _created(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def read_drives(path: Path) -> Recording:
    """What `write_drives` wrote; raises UsageError where it is something else."""
    try:
        with np.load(path) as stored:
            drive, seed = Drive(*(stored[name] for name in COLUMNS)), stored["seed"]
            facts = json.loads(str(stored["facts"]))
    except UNREADABLE as error:
        raise UsageError(f"{path} holds no recorded drives (headway render drives): {error}") from error
    starts = [0, *(np.flatnonzero(np.diff(seed)) + 1), len(seed)]
    rows = [np.arange(a, b) for a, b in pairwise(starts)]
    return Recording([Episode(int(seed[r[0]]), drive.at(r)) for r in rows if len(r)], facts)
