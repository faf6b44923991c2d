"""`headway evaluate driving --world NAME`: the closed-loop report of a model in a world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headway.errors import UsageError
from headway.evaluate.closed_loop import (
    FIRST_SEED,
    HeadwayDriver,
    Run,
    confidence_of_runs,
    drive,
    ended,
    paired,
    table_of,
)
from headway.evaluate.driving import unfamiliar
from headway.evaluate.fleet import compare, held_out_runs, open_fleet
from headway.evaluate.held_out import by_offset
from headway.evaluate.stress import STRESSES, make_stress
from headway.runtime.model import Model
from headway.stages.drive import DriveStage
from headway.worlds import open_world
from headway.worlds.record import RunRecorder

PUSHED = 3
"""Times as many pushed drives as clean ones: coverage differs by six points from drive to drive."""
PUBLISHED_ROUTES = ("straight", "one-turn", "two-turn")


def evaluate_world(
    model: Model,
    world_name: str,
    routes: Sequence[str] = (),
    runs: int = 10,
    stress: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    record: Path | None = None,
    reference: Model | None = None,
    keep: Callable[[dict[str, dict[str, list[Run]]]], None] = lambda results: None,
    jobs: int = 1,
) -> dict[str, Any]:
    """The report: per route and driver the means over `runs` seeds, paired differences, confidence, stress.

    confidence is measured on held-out drives with pushes (see held_out.py), confidence_clean on headway's own.

    reference: the published network, trained on the same frames; it drives as `regression` and as `caril`.
    keep: is given the clean runs, route -> driver -> runs, for pictures.

    routes: names of the world's routes, () for the published three, or all of the world's where it lacks them.
    jobs: processes that drive; the numbers are the same for any.
    record: an .mcap file that gets the first run of `headway`, for replay and for the nodes.
    """
    world = open_world(world_name)
    chosen = list(routes) or [r for r in PUBLISHED_ROUTES if r in world.routes] or list(world.routes)
    for route in chosen:
        if route not in world.routes:
            raise UsageError(f"world '{world.name}' has no route '{route}'; it has {', '.join(world.routes)}")
    for name in stress:
        make_stress(name)  # an unknown one is named now, not after an hour
    if record is not None:
        with RunRecorder(record) as recorder:
            drive(world, HeadwayDriver(model), chosen[0], FIRST_SEED, watch=recorder.step)
    calibration = DriveStage(model).calibration
    with open_fleet(world, world_name, model, reference, jobs) as fleet:
        results, failed = compare(fleet, chosen, runs, partial(progress, "clean"))
        clean = ended([run for by_driver in results.values() for run in by_driver["headway"]], "headway")
        keep(results)
        pushed = held_out_runs(fleet, "headway", chosen, PUSHED * runs, partial(progress, "pushed"))
        stressed = {
            name: table_of(compare(fleet, chosen, max(runs // 3, 1), partial(progress, name), name, ["expert"])[0])
            for name in stress
        }
    report: dict[str, Any] = {
        "world": world.name,
        "routes": table_of(results),
        "paired": {
            f"headway - {other}": found
            for other in fleet.names
            if other not in ("headway", "expert") and (found := paired(results, "headway", other))
        },
        "confidence": {
            **confidence_of_runs(pushed, calibration.small_error, calibration.nominal),
            "by_offset": by_offset(pushed),
        },
        "confidence_clean": confidence_of_runs(clean, calibration.small_error, calibration.nominal),
        "unfamiliar": unfamiliar(DriveStage(model)),
        "runs": runs,
        "failed": failed,
        "first_seed": FIRST_SEED,
        "model": {"name": model.name, "hash": model.manifest.hash},
    }
    if reference is not None:
        report["reference"] = {"name": reference.name, "hash": reference.manifest.hash, **_training(reference)}
    if stressed:
        report["stress"] = stressed
    world.close()
    return report


def _training(reference: Model) -> dict[str, Any]:
    """How far the reference was trained: a comparison with a network cut short must say so."""
    return {key: reference.manifest.training.get(key) for key in ("epochs", "steps", "seconds", "frames")}


__all__ = ["PUBLISHED_ROUTES", "STRESSES", "evaluate_world"]
