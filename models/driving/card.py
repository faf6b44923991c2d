"""The model cards of the driving networks, written from manifest and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headway.evaluate.held_out import band_name
from headway.evaluate.roads import PUBLISHED_ROUTES
from headway.evaluate.stress import STRESSES
from headway.models.driving.material import EVERYTHING
from headway.runtime.manifest import Manifest

DRIVERS = ("regression", "caril", "headway-regression", "headway", "expert")

TUB = """# driving

Steering and throttle from one front camera image, with an interval, a calibrated confidence and a measure of novelty.
Compact: {parameters:,} parameters in {members} members averaged in the graph. Input `image` uint8 (1, 120, 160, 3) BGR;
outputs `controls` (steering -1..1, + left; throttle 0..1), `bin_logits` (11 bins over -1..1), `novelty` (about 1 on
images like the training images). What becomes of them: headway/stages/drive.py.

## Trained on
The donkeycar sample tub (`donkeycar_tub`): 1,000 real 160x120 frames of one drive, about two laps of one indoor track
with a human's steering and throttle. Source: repository autorope/donkeycar, MIT; no separate statement on the data.
`user/angle` is + to the right there and is negated. Of the blocks of 30 frames every fifth is for testing, frames
within ten of a test block are thrown away:
{frames}. Each member leaves out one fold of the training blocks, with the
same gap; each training frame, as predicted by the member that has not seen its block, sets the numbers in the
manifest's `config` (temperature, conformal scale, confidence, widths). Nothing was selected on test frames.
Training labels are smoothed over time inside each run of training frames; calibration and test use what the human did.
Augmentation: mirror (steering negated, bin k -> 10 - k), light, colour, blur, noise, covered patches, vertical shift.

    {command}

Seeds {seed} and up, {seconds:.0f} s of wall time on one thread of a shared CPU, log in `train.jsonl`.
{distillation}
## Measured
`headway evaluate driving --data donkeycar_tub`, {test_frames} held-out frames in {test_blocks} blocks:

| driver | mean steering error (-1..1) | bin accuracy |
|---|---|---|
| headway (fusion) | {mae_headway:.3f} (95 % over blocks: {low:.3f}..{high:.3f}) | {bin_headway:.3f} |
| headway-regression (scalar head alone) | {mae_regression:.3f} | {bin_regression:.3f} |
| mean steering of the training frames | {mae_mean:.3f} | |

Confidence: coverage {coverage:.3f} for nominal {nominal:.2f}; ECE {ece:.3f}; AUROC against error {auroc:.3f}; an error
counts as small below {small_error:.3f}, one bin.

| images that are no road | highest confidence | ends in |
|---|---|---|
{unfamiliar}

## Limits
- One track, one drive, one light. Test frames are other passes of the same track, not another track: the numbers say
  how well this track is driven, nothing about roads. Anywhere else the novelty is meant to take the confidence away.
- The parts hold few independent blocks: coverage and ECE on the test blocks can be off by several points, see the
  interval above. Two test blocks hold manoeuvres in which the human steered late; they carry most of the error.
- Confidence errs on the low side and the interval on the wide side: single members set them, the ensemble drives.
- Open loop only: how the errors add up while driving is not measured here.
- Novelty compares what an image is made of with the training images. A road that looks like the track but leads
  elsewhere is familiar to it.
"""


SECOND_DOMAIN = "The real frames of the donkeycar tub (MIT) were learned from too, as a second domain."

ROAD = """# driving-roadworld

The driving network of headway, trained in the closed-loop world `roadworld` (headway/worlds): drawn two-lane roads, a
car with steering lag, an expert that follows the lane centre. It exists to prove the loop from image to wheel; it is
no road-going driver, and nothing here was measured on a real road. Inputs and outputs are those of `driving`:
{parameters:,} parameters in {members} members.

## Trained on
{recorded} drawn frames of {episodes} episodes (seeds {first} to {last}{dagger}), the expert's steering in each state
visited, with offset starts and pushes off the lane; straight frames thinned; never mirrored: a mirrored
right lane is a left one. {split} {calibrated}
{second}

    {command}

{seconds:.0f} s of wall time for the last round on one thread of a shared CPU, log in `train.jsonl`.
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


DRIVES = """# {name}

The driving network of headway, trained on drives of the world `{world}`: its expert's steering in each state visited,
with pushes off the lane; never mirrored. Inputs and outputs are those of `driving`: {parameters:,} parameters in
{members} members. Split by episode: each member leaves out every {members}th; what it has not seen calibrates.
{frames} frames of {episodes} episodes.

    {command}

Not measured yet: `headway evaluate driving --world {world} --model FOLDER`, where the simulator is.
"""


def drives_card(manifest: Manifest) -> str:
    """Text of README.md for a network trained on recorded drives."""
    training = manifest.training
    seeds = [recording["seeds"] for recording in training["recordings"]]
    return DRIVES.format(
        name=manifest.name,
        world=training["data"],
        parameters=manifest.parameters,
        members=training["network"]["members"],
        frames=training["frames"]["recorded"],
        episodes=sum(last - first + 1 for first, last in seeds),
        command=training["command"],
    )


def tub_card(manifest: Manifest, report: dict[str, Any]) -> str:
    """Text of README.md for a network trained on a tub."""
    training, confidence, mae = manifest.training, report["confidence"], report["steering_mae"]
    low, high = report["steering_mae_95"]
    return TUB.format(
        parameters=manifest.parameters,
        members=training["network"]["members"],
        frames=", ".join(f"{count} {part} frames" for part, count in training["frames"].items()),
        command=training["command"],
        seed=training["train"]["seed"],
        seconds=training["seconds"],
        distillation=_distillation(training.get("distillation")),
        test_frames=report["frames"],
        test_blocks=len(report["blocks"]),
        mae_headway=mae["headway"],
        mae_regression=mae["headway-regression"],
        mae_mean=mae["mean-steering"],
        low=low,
        high=high,
        bin_headway=report["bin_accuracy"]["headway"],
        bin_regression=report["bin_accuracy"]["headway-regression"],
        unfamiliar=_unfamiliar(report),
        **{k: confidence[k] for k in ("coverage", "nominal", "ece", "auroc", "small_error")},
    )


def road_card(manifest: Manifest, report: dict[str, Any]) -> str:
    """Text of README.md for a network trained in roadworld."""
    training, confidence = manifest.training, report["confidence"]
    rows = [
        f"| {route} | {driver} | {m['frechet_m']:.2f} | {m['dtw']:.0f} | {m['area']:.1f} | {m['deviation_m']:.2f} "
        f"| {m['off_road_s']:.1f} | {m['completed']:.0%} |"
        for route, drivers in _ordered(report["routes"], PUBLISHED_ROUTES)
        for driver, m in _ordered(drivers, DRIVERS)
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
        distillation=_distillation(training.get("distillation")),
        command=training["command"],
        seconds=training["seconds"],
        runs=report["runs"],
        first_seed=report["first_seed"],
        rows="\n".join(rows),
        unfamiliar=_unfamiliar(report),
        clean_coverage=report["confidence_clean"]["coverage"],
        reference=_reference(report),
        paired=_paired(report["paired"]),
        stress=_stress(report.get("stress", {})),
        calibrated=_calibrated(training.get("calibration")),
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


def _over_drives(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" (95 % over drives: {interval[0]:.3f} .. {interval[1]:.3f})"


def _paired(found: dict[str, dict[str, Any]]) -> str:
    """Fréchet differences; the one to the scalar head is what fusion and the behaviour bring."""
    rows = [
        f"| {name} | {p['mean']:+.3f} | {p['low']:+.3f} .. {p['high']:+.3f} | {p['ratio']:.2f} |"
        for name, p in _ordered(found, [f"headway - {driver}" for driver in DRIVERS])
    ]
    head = "| Fréchet, paired by seed | m | 95 % interval | ratio of means |\n|---|---|---|---|"
    return "\n".join([head, *rows])


def _stress(found: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """Metres off the lane under each disturbance, and how many runs ended in a stop; means over routes and runs."""
    if not found:
        return ""
    drivers = [driver for driver, _ in _ordered(next(iter(next(iter(found.values())).values())), DRIVERS)]
    rows = []
    for name, routes in _ordered(found, STRESSES):
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


def _distillation(found: dict[str, Any] | None) -> str:
    """The ablation of the dual heads, where there was a teacher."""
    if found is None:
        return ""
    rows = [f"| {k} | {v['steering_mae']:.4f} | {v['bin_nll']:.3f} |" for k, v in found["held_out"].items()]
    head = "| dual-head distillation, held-out frames | steering error | bin NLL |\n|---|---|---|\n"
    return f"\n{head}{chr(10).join(rows)}\n\nThe mixture shipped is {found['mix']:g}.\n"


def _reference(report: dict[str, Any]) -> str:
    if "reference" not in report:
        return "The published reference is not\n  in this table: it has not been trained on these frames yet."
    trained = report["reference"]
    return (
        f"The reference was trained\n  on the same {trained['frames']} frames for {trained['epochs']} epochs "
        "(published: 50)."
    )


def _unfamiliar(report: dict[str, Any]) -> str:
    rows = _ordered(report["unfamiliar"], ("black", "white", "noise", "checkerboard"))
    return "\n".join(f"| {k} | {v['confidence']:.3f} | {v['state'].upper()} |" for k, v in rows)


def _ordered(found: dict[str, Any], names: Sequence[str]) -> list[tuple[str, Any]]:
    """The items of `found`, those of `names` first and in their order: a manifest keeps its keys sorted."""
    known = [name for name in names if name in found]
    return [(name, found[name]) for name in [*known, *(k for k in found if k not in known)]]
