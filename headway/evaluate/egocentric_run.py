"""The egocentric protocol: every pedestrian of every scene in turn wears the camera (see `egocentric`), and the scene
is forecast by a network that never saw it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np

from headway.children import end_with_parent
from headway.evaluate.alerts import AlertCount, pooled
from headway.evaluate.cases import Cases
from headway.evaluate.contact_calibration import ContactOutcomes
from headway.evaluate.coverage import coverage
from headway.evaluate.egocentric import HEAD_SIZE, Wearing, at_level, dense, level_words, walk, wearers
from headway.evaluate.pedestrians import SCENES, read_split
from headway.evaluate.walk_run import RULES, Errors, drawn, run_walk, table
from headway.runtime.model import open_model
from headway.stages.calibration import BY_SIZE, RELATIVE, Calibration

__all__ = ["Errors", "egocentric", "run_walk", "table"]

EVERYBODY = 10**6
_PIECE = 12
"""Wearers that one process takes at a time."""


@dataclass(frozen=True)
class Piece:
    """Some wearers of one recording: columns, in the order of `wearers`."""

    scene: str
    recording: int
    people: tuple[int, ...]
    how: Wearing
    folder: str
    nominal: float
    seed: int


@dataclass
class Walked:
    """What some walks came to."""

    counts: dict[str, AlertCount] = field(default_factory=lambda: {m: AlertCount() for m in RULES})
    errors: Errors = field(default_factory=Errors)
    cases: Cases = field(default_factory=Cases)
    wearers: int = 0

    def add(self, other: Walked) -> None:
        """Takes in other walks."""
        self.counts = {m: pooled([c, other.counts[m]]) for m, c in self.counts.items()}
        self.errors.add(other.errors)
        self.cases.add(other.cases)
        self.wearers += other.wearers


def egocentric(
    models: Mapping[str, str],
    how: Wearing | None = None,
    levels: tuple[str, ...] = ("0.03", "0.1", HEAD_SIZE),
    per_scene: int = 0,
    nominal: float = 0.9,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda s, d, t: None,
    jobs: int = 1,
    cases: dict[str, Cases] | None = None,
) -> dict[str, Any]:
    """Keys as in the architecture, one entry of `noise` for each noise level; the top level repeats the first.

    per_scene: wearers of each scene, spread evenly; 0: everybody who is there for six seconds. A walk is the same
    whoever else walks: a part of the wearers gives a part of the whole. jobs: processes; the result is the same for
    any number. levels: of noise, see `egocentric.at_level`; `cases` takes the worst of each.
    """
    how = how or Wearing()
    report: dict[str, Any] = {"protocol": "egocentric", "data": "eth_ucy", "wearers_per_scene": per_scene, "seed": seed}
    reports: dict[str, Any] = {}
    for level in levels:
        words = level_words(level)

        def show(scene: str, done: int, total: int, words: str = words) -> None:
            progress(f"{scene}, {words}", done, total)

        seeing = at_level(how, level)
        found = _level(models, seeing, per_scene, nominal, seed, show, jobs)
        reports[level] = _summary(found, models, nominal, BY_SIZE[RELATIVE] if seeing.head_size_sigma else RELATIVE)
        if cases is not None:
            cases[level] = worst = Cases()
            for walked in found.values():
                worst.add(walked.cases)
    report["noise"] = reports
    return report | next(iter(reports.values()))


def _level(
    models: Mapping[str, str],
    how: Wearing,
    per_scene: int,
    nominal: float,
    seed: int,
    progress: Callable[[str, int, int], None],
    jobs: int,
) -> dict[str, Walked]:
    pieces = [p for scene in SCENES for p in _pieces(scene, models[scene], how, per_scene, nominal, seed)]
    totals = {scene: sum(len(p.people) for p in pieces if p.scene == scene) for scene in SCENES}
    found = {scene: Walked() for scene in SCENES}
    with ExitStack() as stack:
        each: Callable[..., Iterator[Walked]] = map
        if jobs > 1:
            each = stack.enter_context(ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent)).map
        for piece, walked in zip(pieces, each(_run, pieces), strict=True):
            found[piece.scene].add(walked)
            progress(piece.scene, found[piece.scene].wearers, totals[piece.scene])
    return found


def _pieces(scene: str, folder: str, how: Wearing, per_scene: int, nominal: float, seed: int) -> Iterator[Piece]:
    recordings = read_split(scene, "test")
    share = -(-per_scene // len(recordings)) if per_scene else EVERYBODY
    left = per_scene or EVERYBODY
    for number, recording in enumerate(recordings):
        people = wearers(recording, share)[:left]
        left -= len(people)
        for first in range(0, len(people), _PIECE):
            part = tuple(people[first : first + _PIECE])
            yield Piece(scene, number, part, how, folder, nominal, seed)


def _run(piece: Piece) -> Walked:
    recording = read_split(piece.scene, "test")[piece.recording]
    positions = dense(recording, piece.how.rate)
    model = open_model(piece.folder, "trajectory")
    found = Walked(wearers=len(piece.people))
    for person in piece.people:
        name = f"{recording.name}/{recording.ids[person]}"
        random = np.random.default_rng([piece.seed, zlib.crc32(name.encode())])
        seen = walk(recording, positions, person, piece.how, random)
        run_walk(seen, model, piece.nominal, found.counts, found.errors, cases=found.cases)
    model.close()
    return found


def _summary(found: Mapping[str, Walked], models: Mapping[str, str], nominal: float, condition: str) -> dict[str, Any]:
    flicker = {
        m: float(np.mean(np.concatenate([w.errors.flicker_m[m] for w in found.values()])))
        for m in ("headway", "constant-velocity")
    }
    return {
        "scenes": {
            s: {
                "wearers": w.wearers,
                "windows": len(w.errors.inside),
                "models": table(w.errors),
                "alerts": _alerts(w.counts),
                "contacts": w.errors.contacts.summary(),
            }
            for s, w in found.items()
        },
        "mean": _mean([table(w.errors) for w in found.values()]),
        "coverage": coverage(
            {s: w.errors.scores.scores() for s, w in found.items()},
            {s: _calibration(models[s]) for s in found},
            nominal,
            condition,
        )
        | {"drawn": drawn(w.errors for w in found.values())},
        "alerts": _alerts({m: pooled(w.counts[m] for w in found.values()) for m in RULES}),
        "contacts": ContactOutcomes([row for w in found.values() for row in w.errors.contacts.rows]).summary(),
        "flicker_m": flicker,
    }


def _calibration(folder: str) -> Calibration:
    model = open_model(folder, "trajectory")
    try:
        return Calibration.read(model)
    finally:
        model.close()


def _alerts(counts: Mapping[str, AlertCount]) -> dict[str, Any]:
    return {m: c.summary() for m, c in counts.items()}


def _mean(tables: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    full = [t for t in tables if t]
    return {m: {k: float(np.mean([t[m][k] for t in full])) for k in full[0][m]} for m in full[0]}
