"""What the driving networks learn from: folds of recorded frames, from the tub, from roadworld, or from both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import UsageError
from headway.evaluate.roads import PUBLISHED_ROUTES
from headway.evaluate.tub import SPLIT_PATTERN, Drive, fold_blocks, joined, read_tub, split_blocks
from headway.models.driving.data import training_frames
from headway.models.driving.drives import UNREADABLE, read_drives
from headway.models.driving.imitation import Episode, balanced, collect, routes_of, witnessed
from headway.worlds.roadworld import Roadworld

FRAMES = "frames.npz"
CONTROLS = ("steering", "throttle", "brake")
TUB_LICENCE = "donkeycar sample tub, repository autorope/donkeycar, MIT"
FIRST_CALIBRATION, CALIBRATION_DRIVES = 5000, 150
"""Seeds of the drives that calibrate in roadworld: below those of evaluation, above those of training."""
SEEDS_A_ROUND = 1000
"""From the first seed of the first drives, or of a DAgger round, to that of the next round."""
EVERYTHING = "none: each member learns from all frames, from a seed of its own"
ROAD_LICENCE = "none: every frame was drawn by headway/worlds"


@dataclass(frozen=True)
class Material:
    """fit[m]: what member m learns from; held[m]: what it has not seen, with the controls as they were; facts: for
    the manifest. calibration: what no member has seen; without it, each member's `held` calibrates."""

    name: str
    fit: Sequence[Drive]
    held: Sequence[Drive]
    facts: dict[str, Any]
    licence: str
    calibration: Drive | None = None


def tub_material(tub: Path, members: int, smooth_frames: float) -> Material:
    """Folds of the tub's training blocks."""
    drive = read_tub(tub)
    rows = [fold_blocks(len(drive), m, members) for m in range(members)]
    facts = {
        "data": "donkeycar_tub",
        "frames": {part: len(r) for part, r in split_blocks(len(drive)).items()},
        "split": f"blocks in turn: {', '.join(SPLIT_PATTERN)} (headway/evaluate/tub.py); member m leaves out "
        "the training blocks m, m + members, ...",
    }
    fits = [training_frames(drive, fit_rows, smooth_frames) for fit_rows, _ in rows]
    return Material("driving", fits, [drive.at(held) for _, held in rows], facts, TUB_LICENCE)


def road_material(
    members: int, seed: int, count: int, progress: Callable[[int, int], None], learner: Any = None, first: int = 0
) -> Material:
    """Folds of `count` recorded episodes of roadworld from seed `first` on: member m leaves out m, m + members, ..."""
    world = Roadworld()
    episodes = [
        replace(e, drive=replace(e.drive, drawn=np.ones(len(e.drive), bool)))
        for e in collect(world, range(first, first + count), progress, learner)
    ]
    facts = {"data": "roadworld", "episodes": [first, first + count - 1], "routes": list(routes_of(world))}
    return episode_material("driving-roadworld", episodes, members, seed, facts, ROAD_LICENCE)


def check_rounds(episodes: int, dagger: int, members: int) -> None:
    """Raises UsageError where a member would leave out no drive of a round, or where one would drive the seeds of
    another or of the calibration."""
    check_members(episodes // 2 if dagger else episodes, members)
    if episodes > SEEDS_A_ROUND or (dagger + 1) * SEEDS_A_ROUND > FIRST_CALIBRATION:
        most = FIRST_CALIBRATION // SEEDS_A_ROUND - 1
        raise UsageError(
            f"{episodes} drives and {dagger} rounds: at most {SEEDS_A_ROUND} and {most}, or seeds would be driven twice"
        )


def check_members(drives: int, members: int) -> None:
    """Raises UsageError where a member would leave out none."""
    if drives < members:
        raise UsageError(f"{drives} recorded drives for {members} members: each leaves out at least one")


def road_calibration(material: Material) -> Material:
    """With drives of the evaluation's kind to calibrate the whole ensemble on."""
    drive, facts = unseen_drives()
    return replace(material, calibration=drive, facts={**material.facts, "calibration": facts})


def unseen_drives() -> tuple[Drive, dict[str, Any]]:
    """Frames of pushed drives in roadworld that nothing learns from, and what they are."""
    seeds = range(FIRST_CALIBRATION, FIRST_CALIBRATION + CALIBRATION_DRIVES)
    drive = witnessed(Roadworld(), PUBLISHED_ROUTES, seeds)
    return drive, {"seeds": [seeds.start, seeds.stop - 1], "routes": list(PUBLISHED_ROUTES), "frames": len(drive)}


def drives_material(name: str, files: Sequence[Path], members: int, seed: int) -> Material:
    """Folds of the episodes in files of `headway render drives`, in the order given."""
    recordings = [read_drives(path) for path in files]
    episodes = [episode for recording in recordings for episode in recording.episodes]
    check_members(len(episodes), members)
    facts = {"data": recordings[0].facts["world"], "recordings": [recording.facts for recording in recordings]}
    licence = f"drawn by the world '{facts['data']}', whose assets have the licence of their makers"
    return episode_material(name, episodes, members, seed, facts, licence)


def episode_material(
    name: str, episodes: Sequence[Episode], members: int, seed: int, facts: dict[str, Any], licence: str
) -> Material:
    """Folds by episode: member m leaves out m, m + members, ..."""
    rng = np.random.default_rng(seed)
    fits, held = [], []
    for m in range(members):
        own = set(range(m, len(episodes), members))
        fits.append(balanced(joined([e.drive for i, e in enumerate(episodes) if i not in own]), rng))
        held.append(joined([episodes[i].drive for i in sorted(own)]))
    known = {
        "frames": {"recorded": sum(len(e.drive) for e in episodes), "fit": [len(f) for f in fits]},
        "split": "by episode; member m leaves out episodes m, m + members, ...",
    }
    return Material(name, fits, held, {**facts, **known}, licence)


def stored_material(path: Path, members: int) -> Material:
    """The frames that an earlier roadworld run wrote, all of them for each member: networks that learn from one file
    can be compared. Drives that nobody has seen calibrate."""
    drive, facts = load_frames(path)
    if facts.get("data") != "roadworld":
        raise UsageError(f"{path} holds frames of '{facts.get('data')}', not of 'roadworld'")
    licence = str(facts.pop("licence", ""))
    unseen, facts["calibration"] = unseen_drives()
    facts["frames"] = {**facts["frames"], "fit": [len(drive)] * members}
    facts["split"] = EVERYTHING
    return Material("driving-roadworld", [drive] * members, [unseen] * members, facts, licence, unseen)


def merged(a: Material, b: Material) -> Material:
    """The frames of both, fold by fold: recordings of a DAgger round beside the first ones."""
    fits = [joined([x, y]) for x, y in zip(a.fit, b.fit, strict=True)]
    held = [joined([x, y]) for x, y in zip(a.held, b.held, strict=True)]
    return replace(a, fit=fits, held=held, facts={**a.facts, "dagger": [*a.facts.get("dagger", []), b.facts]})


def with_tub(road: Material, tub: Material) -> Material:
    """The tub's frames as a second domain to learn from; calibration stays with roadworld, where the network drives."""
    fits = [joined([x, y]) for x, y in zip(road.fit, tub.fit, strict=True)]
    licence = f"roadworld: {road.licence}; tub: {tub.licence}"
    return replace(road, fit=fits, facts={**road.facts, "second_domain": tub.facts}, licence=licence)


def save_frames(material: Material, folder: Path) -> Path:
    """The frames that the first member learned from and those that it left out, for the reference network to learn.
    Other members learned from a few others: folds have gaps round them in the tub (750 frames in all, 690 here), and
    straight frames of episodes are thinned for each member anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FRAMES
    e = joined([material.fit[0], material.held[0]])
    facts = np.array(json.dumps({**material.facts, "licence": material.licence}))
    np.savez(path, images=e.images, steering=e.steering, throttle=e.throttle, brake=e.brake, drawn=e.drawn, facts=facts)
    return path


def load_frames(path: Path) -> tuple[Drive, dict[str, Any]]:
    """What `save_frames` wrote; raises UsageError where it is something else."""
    try:
        with np.load(path) as stored:
            drive = Drive(*(stored[name] for name in ("images", *CONTROLS, "drawn")))
            return drive, json.loads(str(stored["facts"]))
    except UNREADABLE as error:
        raise UsageError(f"{path} holds no training frames: {error}") from error
