"""The model cards of the driving networks, written from manifest and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
The limit of the novelty is the exception: its measure was fitted on the frames of the first member, and most of the
frames that set the limit are among them.
Training labels are smoothed over time inside each run of training frames; calibration and test use what the human did.
Augmentation: mirror (steering negated, bin k -> 10 - k), light, colour, blur, noise, covered patches, vertical shift.

    {command}

Seeds {seed} and up, {seconds:.0f} s of wall time on {threads} CPU thread(s), log in `train.jsonl`.
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
        threads=training["train"]["threads"],
        seconds=training["seconds"],
        distillation=distillation(training.get("distillation")),
        test_frames=report["frames"],
        test_blocks=len(report["blocks"]),
        mae_headway=mae["headway"],
        mae_regression=mae["headway-regression"],
        mae_mean=mae["mean-steering"],
        low=low,
        high=high,
        bin_headway=report["bin_accuracy"]["headway"],
        bin_regression=report["bin_accuracy"]["headway-regression"],
        unfamiliar=unfamiliar_rows(report),
        **{k: confidence[k] for k in ("coverage", "nominal", "ece", "auroc", "small_error")},
    )


def distillation(found: dict[str, Any] | None) -> str:
    """The ablation of the dual heads, where there was a teacher."""
    if found is None:
        return ""
    rows = [f"| {k} | {v['steering_mae']:.4f} | {v['bin_nll']:.3f} |" for k, v in found["held_out"].items()]
    head = "| dual-head distillation, held-out frames | steering error | bin NLL |\n|---|---|---|\n"
    return f"\n{head}{chr(10).join(rows)}\n\nThe mixture shipped is {found['mix']:g}.\n"


def unfamiliar_rows(report: dict[str, Any]) -> str:
    """Of images that are no road: how sure the network is at most, and where that ends."""
    rows = ordered(report["unfamiliar"], ("black", "white", "noise", "checkerboard"))
    return "\n".join(f"| {k} | {v['confidence']:.3f} | {v['state'].upper()} |" for k, v in rows)


def ordered(found: dict[str, Any], names: Sequence[str]) -> list[tuple[str, Any]]:
    """The items of `found`, those of `names` first and in their order: a manifest keeps its keys sorted."""
    known = [name for name in names if name in found]
    return [(name, found[name]) for name in [*known, *(k for k in found if k not in known)]]
