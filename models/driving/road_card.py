"""The model card of a driving network that learned in roadworld, written from manifest and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headway.evaluate.held_out import band_name
from headway.evaluate.roads import PUBLISHED_ROUTES
from headway.evaluate.stress import STRESSES
from headway.models.driving.card import DRIVERS, distillation, ordered, unfamiliar_rows
from headway.models.driving.material import EVERYTHING
from headway.runtime.manifest import Manifest

SECOND_DOMAIN = "The real frames of the donkeycar tub (MIT) were learned from too, as a second domain."

ROAD = """# driving-roadworld

The driving network of headway, trained in the closed-loop world `roadworld` (headway/worlds): drawn two-lane roads, a
car with steering lag, an expert that follows the lane centre. It exists to prove the loop from image to wheel; it is
no road-going driver, and nothing here was measured on a real road. Inputs and outputs are those of `driving`:
{parameters:,} parameters in {members} members.

## Trained on
{recorded} drawn frames of {episodes} episodes (seeds {first} to {last}{dagger}), the expert's steering in each state
visited, with offset starts and pushes off the lane; straight frames thinned; never mirrored: a mirrored
right lane is a left one. {beside}{split} {calibrated}
{second}

    {command}

{seconds:.0f} s of wall time for the last round on {threads} CPU thread(s), log in `train.jsonl`.
{recorded_by}{distillation}
## Measured
`headway evaluate driving --world roadworld --runs {runs}`: roads with seeds from {first_seed}, never trained on; all
drivers through the same gate, means over the runs.

| route | driver | Fréchet m | DTW | area m² | deviation m | off-lane s | completed |
|---|---|---|---|---|---|---|---|
{rows}

{paired}

On held-out drives of the expert with pushes off the lane, against its steering in every state: coverage {coverage:.3f}
for nominal {nominal:.2f}{over_drives}, ECE {ece:.3f}, AUROC of confidence against error {auroc:.3f}
(an error is small below {small_error:.3f}), mean error {steering_mae:.3f}. On its own clean drives: coverage
{clean_coverage:.3f}.
{by_offset}
| images that are no road | highest confidence | ends in |
|---|---|---|
{unfamiliar}
{stress}
## Limits
- Drawn roads only: flat ground, two lanes, no junctions, no traffic. {reference}
- The deviation of the expert is the floor: it cuts bends a little, and every drive starts up to 0.3 m beside the lane.
- `regression` and `caril` drive at the published half throttle, 4 m/s; the others as fast as the expert, up to 8 m/s.
"""


def road_card(manifest: Manifest, report: dict[str, Any]) -> str:
    """Text of README.md for a network trained in roadworld."""
    training, confidence = manifest.training, report["confidence"]
    rows = [
        f"| {route} | {driver} | {m['frechet_m']:.2f} | {m['dtw']:.0f} | {m['area']:.1f} | {m['deviation_m']:.2f} "
        f"| {m['off_road_s']:.1f} | {m['completed']:.0%} |"
        for route, drivers in ordered(report["routes"], PUBLISHED_ROUTES)
        for driver, m in ordered(drivers, DRIVERS)
    ]
    first, last = training["episodes"]
    rounds = training.get("dagger", [])
    return ROAD.format(
        parameters=manifest.parameters,
        members=training["network"]["members"],
        recorded=training["frames"]["recorded"] + sum(r["frames"]["recorded"] for r in rounds),
        episodes=last - first + 1 + sum(r["episodes"][1] - r["episodes"][0] + 1 for r in rounds),
        first=first,
        last=last,
        dagger="".join(f"; {r['episodes'][0]} to {r['episodes'][1]} where the learner steered" for r in rounds),
        second=SECOND_DOMAIN if "second_domain" in training else "No data of others, no licence.",
        distillation=distillation(training.get("distillation")),
        command=training["command"],
        seconds=training["seconds"],
        threads=training["train"]["threads"],
        runs=report["runs"],
        first_seed=report["first_seed"],
        rows="\n".join(rows),
        unfamiliar=unfamiliar_rows(report),
        clean_coverage=report["confidence_clean"]["coverage"],
        reference=_reference(report),
        paired=_paired(report["paired"]),
        stress=_stress(report.get("stress", {})),
        calibrated=_calibrated(training.get("calibration")) + _calibrated_by(training),
        beside=_beside(training["train"]),
        split=_split(training),
        recorded_by=_recorded_by(training),
        by_offset=_by_offset(confidence.get("by_offset", ())),
        over_drives=_over_drives(confidence.get("coverage_95")),
        **{k: confidence[k] for k in ("coverage", "nominal", "ece", "auroc", "small_error", "steering_mae")},
    )


def _recorded_by(training: Mapping[str, Any]) -> str:
    """Where the frames are those of another run: its command."""
    recorded = training.get("recorded_by", training["command"])
    return "" if recorded == training["command"] else f"The frames were recorded by\n\n    {recorded}\n"


def _split(training: Mapping[str, Any]) -> str:
    if training["split"] == EVERYTHING:
        return "Each member learns from all frames, from a seed of its own."
    return f"Split by episode: each member leaves out every {training['network']['members']}th."


def _calibrated(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return "What it has not seen calibrates."
    first, last = facts["seeds"]
    drives = f"{last - first + 1} further drives with pushes (seeds {first} to {last})"
    return f"Calibrated\non {facts['frames']} frames of {drives}, which no member has seen."


def _by_offset(rows: Sequence[Mapping[str, Any]]) -> str:
    """The interval is right on average; here is where."""
    if not rows:
        return ""
    cells = [
        f"| {band_name(r)} | {r['frames']} in {r['drives']} drives | {r['coverage']:.3f} | {r['steering_mae']:.3f} |"
        for r in rows
    ]
    head = "| off the lane's centre | frames | coverage | mean steering error |\n|---|---|---|---|\n"
    return f"\n{head}{chr(10).join(cells)}\n"


def _calibrated_by(training: Mapping[str, Any]) -> str:
    """Where it was not the training command."""
    return f"\nThat was done anew on the weights of the run: `{by}`." if (by := training.get("calibrated_by")) else ""


def _beside(train: Mapping[str, Any]) -> str:
    share = train.get("beside_share", 0.0)
    if share == 0.0:
        return ""
    return (
        f"Of the drawn frames {share:.0%} are turned\ninto views from up to {train['beside_m']:g} m beside the lane, "
        "with the expert's steering there\n(models/driving/beside.py). "
    )


def _over_drives(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" (95 % over drives: {interval[0]:.3f} .. {interval[1]:.3f})"


def _paired(found: dict[str, dict[str, Any]]) -> str:
    """Fréchet differences; the one to the scalar head is what fusion and the behaviour bring."""
    rows = [
        f"| {name} | {p['mean']:+.3f} | {p['low']:+.3f} .. {p['high']:+.3f} | {p['ratio']:.2f} |"
        for name, p in ordered(found, [f"headway - {driver}" for driver in DRIVERS])
    ]
    head = "| Fréchet, paired by seed | m | 95 % interval | ratio of means |\n|---|---|---|---|"
    return "\n".join([head, *rows])


def _stress(found: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """Metres off the lane under each disturbance, and how many runs ended in a stop; means over routes and runs."""
    if not found:
        return ""
    drivers = [driver for driver, _ in ordered(next(iter(next(iter(found.values())).values())), DRIVERS)]
    rows = []
    for name, routes in ordered(found, STRESSES):
        cells = []
        for driver in drivers:
            metres, stopped = (
                sum(table[driver][key] for table in routes.values()) / len(routes) for key in ("off_road_m", "stopped")
            )
            cells.append(f"{metres:.1f} ({stopped:.0%})")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    runs = next(iter(next(iter(found.values())).values()))[drivers[0]]["runs"]
    head = f"| {' | '.join(drivers)} |\n|---{'|---' * len(drivers)}|"
    return (
        "\nMetres off the lane with a disturbed camera, from the third second on; in brackets how many drives ended in "
        f"a stop; {runs} drive(s) a route:\n\n| camera {head}\n" + "\n".join(rows) + "\n"
    )


def _reference(report: dict[str, Any]) -> str:
    if "reference" not in report:
        return "The published reference is not\n  in this table: it has not been trained on these frames yet."
    trained = report["reference"]
    return (
        f"The reference was trained\n  on the same {trained['frames']} frames for {trained['epochs']} epochs "
        "(published: 50)."
    )
