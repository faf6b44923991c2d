"""The model card of the driving network, written from the manifest and the evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headway.runtime.manifest import Manifest

TEXT = """# driving

Steering and throttle from one front camera image, with an interval, a calibrated confidence and a measure of novelty.
Compact: {parameters:,} parameters in {members} members averaged in the graph. Input `image` uint8 (1, 120, 160, 3) BGR;
outputs `controls` (steering -1..1, + left; throttle 0..1), `bin_logits` (11 bins over -1..1), `novelty` (about 1 on
images like the training images). What becomes of them: headway/stages/drive.py.

## Trained on
The donkeycar sample tub (`donkeycar_tub`): 1,000 real 160x120 frames of one drive, about two laps of one indoor track
with a human's steering and throttle. Source: repository autorope/donkeycar, MIT; no separate statement on the data.
`user/angle` is + to the right there and is negated. Blocks of 30 frames take the parts train, train, calibration,
train, test in turn, ten frames between different parts are thrown away:
{frames}.
Training labels are smoothed over time inside each run of training frames; calibration and test use what the human did.
Augmentation: mirror (steering negated, bin k -> 10 - k), light, colour, blur, noise, covered patches, vertical shift.
Nothing was selected on calibration or test frames; calibration frames set the numbers in the manifest's `config`.

    {command}

Seeds {seed} and up, {seconds:.0f} s on one CPU thread, log in `train.jsonl`.

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
- Open loop only: how the errors add up while driving is not measured here.
- Novelty compares what an image is made of with the training images. A road that looks like the track but leads
  elsewhere is familiar to it.
"""


def write_card(folder: Path, manifest: Manifest, report: dict[str, Any]) -> None:
    """Writes `folder`/README.md."""
    training, confidence, mae = manifest.training, report["confidence"], report["steering_mae"]
    low, high = report["steering_mae_95"]
    unfamiliar = [f"| {k} | {v['confidence']:.3f} | {v['state'].upper()} |" for k, v in report["unfamiliar"].items()]
    text = TEXT.format(
        parameters=manifest.parameters,
        members=training["network"]["members"],
        frames=", ".join(f"{count} {part} frames" for part, count in training["frames"].items()),
        command=training["command"],
        seed=training["train"]["seed"],
        seconds=training["seconds"],
        test_frames=report["frames"],
        test_blocks=len(report["blocks"]),
        mae_headway=mae["headway"],
        mae_regression=mae["headway-regression"],
        mae_mean=mae["mean-steering"],
        low=low,
        high=high,
        bin_headway=report["bin_accuracy"]["headway"],
        bin_regression=report["bin_accuracy"]["headway-regression"],
        coverage=confidence["coverage"],
        nominal=confidence["nominal"],
        ece=confidence["ece"],
        auroc=confidence["auroc"],
        small_error=confidence["small_error"],
        unfamiliar="\n".join(unfamiliar),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
