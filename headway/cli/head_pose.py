"""`headway evaluate head-pose` and `headway train head-pose`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from headway.errors import UsageError

_MODEL = "head-pose"


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder with annotations.json (rendered) or labels.json (faces).")],
    model: Annotated[str, typer.Option(help="Installed model, or a model folder.")] = _MODEL,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers to this file.")] = None,  # noqa: UP045
) -> None:
    """Detection and pose accuracy of the head stage on labelled images, missed heads counted apart."""
    from headway.evaluate.fsanet import peer_report
    from headway.evaluate.head_labels import FACES_FILE, read_labels
    from headway.evaluate.head_pose import evaluate_folder

    if not data.is_dir():
        raise UsageError(f"{data} is no folder")
    report = evaluate_folder(data, model, _bar)
    if (data / FACES_FILE).is_file():
        report["peer"] = peer_report(read_labels(data), data.resolve().parent.parent / "peers")
    report["command"] = "headway " + shlex.join(sys.argv[1:])
    _print(report)
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def train(
    data: Annotated[Path, typer.Option(help="Rendered folder, or a folder of rendered folders.")],
    val: Annotated[Path, typer.Option(help="Rendered folder of other bodies and looks, for the numbers in the card.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    work: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Cache and checkpoints; a run found there is resumed. Default: OUT.work"),
    ] = None,
    minutes: Annotated[Optional[float], typer.Option(help="Training time, resumed time included.", min=0.0)] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(help="Training steps.", min=1)] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Seed of weights and pictures.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
    init: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Model folder whose weights the run starts from, instead of a crop start from scratch."),
    ] = None,
    cutouts: Annotated[bool, typer.Option(help="Paste photo-like heads of openpeople P001-P007.")] = True,
) -> None:
    """Crop start, one-stage training, export, evaluation, manifest and card."""
    import torch

    from headway.models.head_pose.config import TrainConfig
    from headway.models.head_pose.fit import Limit
    from headway.models.head_pose.produce import Order, produce

    for folder in (data, val):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder")
    if minutes is None and steps is None:
        minutes = 60.0
    torch.set_num_threads(threads)
    config = TrainConfig(seed=seed) if cutouts else TrainConfig(seed=seed, photo_share=0.0)
    if init:
        config = config.continued()
    limit = f"--steps {steps}" if steps else f"--minutes {minutes:g}"
    command = f"headway train head-pose --data {data.name} --val {val.name} --out {out.name} {limit} --seed {seed}"
    command += f" --init {init.name}" if init else ""
    order = Order(data, val, out, work or out.with_name(out.name + ".work"), Limit(minutes, steps), config, init=init)
    with Progress() as bars:
        task = bars.add_task("training", total=1.0)

        def show(progress: float, terms: Mapping[str, float]) -> None:
            angle = terms.get("frame_angle_deg", terms.get("crop_angle_deg", float("nan")))
            bars.update(task, completed=progress, description=f"training, {angle:.1f}° off on training pictures")

        evaluation = produce(_named(order, command), show)
    for report in evaluation.values():
        if isinstance(report, Mapping) and "geodesic_deg" in report:
            _print(report)
    Console().print(f"written: {out}")


def _named(order: Any, command: str) -> Any:
    from dataclasses import replace

    return replace(order, command=command)


def _bar(images: Sequence[Path]) -> Iterator[Path]:
    return iter(track(images, "images", transient=True))


def _print(report: Mapping[str, Any]) -> None:
    table = Table(title=f"head pose on {report['dataset']}: {report['images']} images, {report['heads']} heads")
    for name in ("model", "AP", "AP50", "recall", "missed", "geodesic mean", "median", "pitch", "yaw", "roll", "MAE"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in (report, report.get("peer")):
        if row:
            table.add_row(*_cells(row))
    console = Console()
    console.print(table)
    for key, title in (("abs_yaw_deg", "by |yaw|"), ("box_px", "by size (px)")):
        bands = [b for b in [*report["by_yaw"], *report["by_size"]] if key in b]
        if bands:
            console.print(_band_table(bands, key, title))
    sigma = report["sigma"]
    console.print(
        f"expected error: {_number(sigma['within_1'], 2)} of heads within 1 sigma, {_number(sigma['within_2'], 2)} "
        f"within 2, rank correlation {_number(sigma['rank_correlation'], 2)}; score >= {report['score_threshold']}"
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = f"{row['model']} ({row['note']})" if row.get("note") else str(row["model"])
    geodesic, mae = row["geodesic_deg"], row["mae_deg"]
    cells = [name] + [_number(row.get(k), 3) for k in ("ap", "ap50", "recall")] + [str(row.get("missed", ""))]
    return cells + [_number(v, 1) for v in (geodesic["mean"], geodesic["median"], *(mae[k] for k in _ANGLES))]


_ANGLES = ("pitch", "yaw", "roll", "mean")


def _band_table(bands: list[Mapping[str, Any]], key: str, title: str) -> Table:
    table = Table(title=title)
    for name in ("from..to", "heads", "recall", "geodesic mean", "median"):
        table.add_column(name, justify="right")
    for band in bands:
        low, high = band[key]
        geodesic = band["geodesic_deg"]
        table.add_row(
            f"{low}..{high}" if high < 10000 else f"{low}..",
            str(band["heads"]),
            _number(band["recall"], 3),
            _number(geodesic["mean"], 1),
            _number(geodesic["median"], 1),
        )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
