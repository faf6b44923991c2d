"""The model card of the head-pose network, written from the manifest and its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.runtime.manifest import Manifest

TEXT = """# {name}

All heads of an image in one pass: box, score, full-range rotation, expected angular error. Anchor-free, one stage,
{parameters:,} parameters, trained from scratch. Input `image` uint8 (1, {height}, {width}, 3) BGR, letterboxed with
grey 114; output `candidates` (1, 300, 15) sorted by score: box xyxy in input pixels, score, rotation (row-major 3x3,
relative to the viewing ray: identity faces the lens), log_sigma (ln of the expected geodesic error in radians).
What becomes of them: headway/stages/heads.py.

## Trained on
{data}. The renders are this project's own (`headway render people`, anny bodies: CC0 data, Apache-2.0 code){cutouts}\
. No photograph of a real person was used.{taught}

    {command}

Seed {seed}, {seconds} s of training {on}, {steps} steps, {pictures:,} pictures:
crops of {crop} px round one head alone up to {alone} of the run, in turn with frames of {frame} px up to {mixed},
then frames alone.{large} Muon and AdamW. Raw 6D squared error first, geodesic error afterwards; Laplace likelihood for
sigma with the residual detached. Mirror (R' = S R S), in-plane rotation (R' = Rz R), colour, blur, noise, JPEG. Log in
`log.csv`.{kept}
{history}

## Measured
`headway evaluate head-pose --data DIR`; pose errors over the found heads, missed heads counted apart.

| data | model | heads | AP | AP50 | recall | geodesic mean | median | MAE pitch | yaw | roll |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

Rendered validation by |yaw|:

| yaw | heads | recall | geodesic mean | median |
|---|---|---|---|---|
{yaw_rows}

By size of the head in the image:

| px | heads | recall | geodesic mean | median |
|---|---|---|---|---|
{size_rows}

Expected error against true error on the rendered validation set: {within_1} of heads within 1 sigma, {within_2} within
2 sigma, rank correlation {rank}. (Sigma is a mean, so about 0.6 and 0.9 are right.)
{by_eye}
## Limits
- It has seen rendered people{people}, and {streets}.
- Heads below about 10 px of the network's input are mostly missed; the labels of backs of heads under long hair are
  exact, but nothing in the picture shows them.
- Dark tree crowns are taken for heads now and then, mostly with a sigma above 30 degrees; a head that fills the picture
  can get a second box.
- Boxes are the head without hair; hats and voluminous hair stand out of them.
- Nothing was trained on the real photographs. The threshold is that of the highest F1.5 on every third rendered image;
  F2 was tried first, and given up knowing what it did to the precision on the photographs.
- The rendered validation set is not quite unseen: it chose the threshold{kept_by}.
"""

CUTOUTS = """; the
cut-outs come from the character sheets of the PyPI package openpeople (generated people, MIT), boxes and yaw read by
eye; its people P008-P010 were never seen"""


def write_card(path: Path, manifest: Manifest, ablations: Mapping[str, Any] | None = None) -> None:
    """Writes the card to `path`; ablations: what ablate.py found."""
    training, evaluation = manifest.training, manifest.evaluation
    rendered = evaluation["rendered"]
    rows = [_row("rendered validation", rendered)]
    if real := evaluation.get("real_heads"):
        rows.append(_row("real_heads (18 faces, 4 photographs)", real))
        if real.get("peer"):
            rows.append(_row("real_heads, face boxes given", real["peer"]))
    _, height, width, _ = manifest.inputs["image"].shape
    settings = training["settings"]
    path.write_text(
        TEXT.format(
            name=manifest.name,
            cutouts=CUTOUTS if settings["photo_share"] > 0 else "",
            taught=_taught(settings),
            parameters=manifest.parameters,
            height=height,
            width=width,
            data=training["data"][0].upper() + training["data"][1:],
            command=training["command"],
            seed=settings["seed"],
            seconds=training["seconds"],
            steps=training["steps"],
            pictures=training["pictures"],
            history=training.get("history", ""),
            on=_on(training),
            crop=settings["crop_size"],
            alone=f"{settings['crop_share']:.0%}",
            mixed=f"{settings['mixed_share']:.0%}",
            by_eye=_by_eye(evaluation.get("by_eye"))
            + _distillation(training.get("distillation"))
            + _ablations(ablations),
            frame=settings["frame_size"],
            large=_large(settings),
            kept=_kept(training.get("kept")),
            kept_by=" and the share of `--keep`" if training.get("kept") else "",
            rows="\n".join(rows),
            yaw_rows="\n".join(_band(b, "abs_yaw_deg") for b in rendered["by_yaw"]),
            size_rows="\n".join(_band(b, "box_px") for b in rendered["by_size"]),
            within_1=_number(rendered["sigma"]["within_1"], 2),
            within_2=_number(rendered["sigma"]["within_2"], 2),
            rank=_number(rendered["sigma"]["rank_correlation"], 2),
            people=" and 7 generated ones" if "openpeople" in manifest.data_licence else " only",
            streets="rendered streets only" if "streets" in training["data"] else "no street with trees",
        ),
        encoding="utf-8",
    )


def _on(training: Mapping[str, Any]) -> str:
    """The machine, in words."""
    jobs = training.get("jobs", 1)
    if training.get("device", "cpu") == "cuda":
        return f"on one GPU, whose pictures {jobs} process(es) made"
    cores = training.get("cores")
    cpu = f"a CPU with {cores} cores" if cores else "a shared 2-core CPU"  # earlier weights, all made on one machine
    return f"in {jobs} process(es) on {cpu}"


def _large(settings: Mapping[str, Any]) -> str:
    """Of the frames, those for near heads; earlier weights had none."""
    if not settings.get("large_each"):
        return ""
    return (
        f" One frame step in {settings['large_each']} shows frames of {settings['large_size']} px with a head of"
        f" {settings['large_from_px']:.0f} px and more."
    )


def _kept(share: float | None) -> str:
    """How far the weights were drawn back to those that the run began with."""
    return f" Written is of every weight {share:.0%} of what the run began with, the rest as it ended." if share else ""


def _taught(settings: Mapping[str, Any]) -> str:
    """How pictures without labels were learnt from, where they were."""
    if not settings.get("teach_each"):
        return ""
    return (
        f" From {settings['teach_from']:.0%} of the run on, one step in {settings['teach_each']} learns from unlabelled"
        f" pictures of P001-P007 (mean teacher): the averaged network labels them anew every {settings['teach_every']}"
        f" steps, the {settings['teach_kept']:.0%} with the least entropy count, and the student sees them turned,"
        f" mirrored, recoloured, {settings['cover_share']:.0%} of them with a part of the head covered."
    )


def _distillation(facts: Mapping[str, Any] | None) -> str:
    """What the second rotation is worth, share by share."""
    if not facts:
        return ""
    errors = ", ".join(f"{share}: {error:.1f}°" for share, error in facts["crop_error_deg"].items())
    return (
        f"\nDual-head distillation: a second rotation learned what `{facts['teacher']}`"
        f" ({facts['teacher_parameters']:,} parameters) says of the crops; its share in the answer is"
        f" {facts['share']:g}. Mean error on crops of every third validation image, by share: {errors}.\n"
    )


def _ablations(found: Mapping[str, Any] | None) -> str:
    """What each part of the recipe brings, in short runs."""
    if not found:
        return ""
    limit = found["limit"]
    length = f"{limit['minutes']:g} minutes" if limit["minutes"] else f"{limit['steps']} steps"
    teacher = f", distilled from `{found['teacher']}`" if found.get("teacher") else ""
    where = "" if found.get("streets") else ", on renders without streets"
    lines = [
        f"\nThe recipe for {length} ({found['size']}, seed {found['seed']}{teacher}){where}, each time without one part"
        " (`python tools/head_pose_ablations.py`); one seed, so small differences say nothing:\n",
        "| without | AP50 | recall | geodesic mean | median | rank of sigma | photos recall | precision | real faces |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    digits = {"ap50": 3, "recall": 3, "geodesic_mean": 1, "geodesic_median": 1, "sigma_rank": 2}
    digits |= {"photographs_recall": 2, "photographs_precision": 2, "real_heads_mean": 1}
    for name, row in found["rows"].items():
        lines.append(f"| {name} | {' | '.join(_number(row[k], d) for k, d in digits.items())} |")
    return "\n".join([*lines, ""])


def _by_eye(report: Mapping[str, Any] | None) -> str:
    """Photographs and head views against ground truth by eye, where the pictures were there."""
    if not report:
        return ""
    lines = ["", "`headway evaluate head-pose --labels bundled`, ground truth by eye:", ""]
    if people := report.get("people"):
        lines.append(
            f"- photographs of `people/`, {people['heads']} heads of 32 px and more: recall "
            f"{_number(people['recall'], 2)}, precision {_number(people['precision'], 2)}; yaw sector right or "
            f"neighbouring {_number(people['yaw_sector_right_or_neighbour'], 2)} of those found"
        )
    if views := report.get("views"):
        lines.append(
            f"- head views of `openpeople` P008-P010 (never trained on): {views['found']} of {views['views']} found, "
            f"yaw median {_number(views['yaw_median_deg'], 1)}°, side right {views['sides_right']} of "
            f"{views['profiles']}, second boxes {views['second_boxes']}"
        )
    return "\n".join([*lines, ""])


def _row(data: str, r: Mapping[str, Any]) -> str:
    mae, geodesic = r["mae_deg"], r["geodesic_deg"]
    cells = [data, r["model"], str(r["heads"])]
    cells += [_number(r.get("ap"), 3), _number(r.get("ap50"), 3), _number(r.get("recall"), 3)]
    cells += [_number(v, 1) for v in (geodesic["mean"], geodesic["median"], mae["pitch"], mae["yaw"], mae["roll"])]
    return f"| {' | '.join(cells)} |"


def _band(band: Mapping[str, Any], key: str) -> str:
    low, high = band[key]
    name = f"{low}..{high}" if high < 10000 else f"{low} and more"
    cells = [name, str(band["heads"]), _number(band["recall"], 3)]
    cells += [_number(band["geodesic_deg"][k], 1) for k in ("mean", "median")]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
