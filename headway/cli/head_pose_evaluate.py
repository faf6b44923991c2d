"""`headway evaluate head-pose`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import typer

from headway.cli.common import check_targets, command
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.evaluate.head_pose import Evaluation

_MODEL = "head-pose"
_Path = Optional[Path]  # noqa: UP045 - typer reads this at run time on Python 3.10


def evaluate(
    data: Annotated[_Path, typer.Option(help="Folder of labelled images.")] = None,
    form: Annotated[
        str,
        typer.Option("--format", help="auto, rendered, faces, agora-hpe, cmu-hpe, 300w-lp, aflw2000 or biwi."),
    ] = "auto",
    labels: Annotated[
        _Path, typer.Option(help="Ground truth by eye instead: a JSON of boxes and yaw sectors, or 'bundled'.")
    ] = None,
    model: Annotated[str, typer.Option(help="Installed model, or a model folder.")] = _MODEL,
    json_file: Annotated[_Path, typer.Option("--json", help="Write the numbers to this file.")] = None,
    html: Annotated[_Path, typer.Option(help="Write a report with plots and the worst heads to this file.")] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=64, help="Images in work at a time; results do not depend on it.")
    ] = 1,
) -> None:
    """Detection and pose accuracy of the head stage on labelled images, missed heads counted apart."""
    if (data is None) == (labels is None):
        raise UsageError("one of --data FOLDER and --labels FILE is wanted")
    if labels is not None and html is not None:
        raise UsageError("--html goes with --data: ground truth by eye has no rotations to draw")
    check_targets(json_file, html)
    if labels is not None:
        _by_eye(labels, model, json_file)
        return
    assert data is not None
    from headway.cli.head_pose_table import print_report
    from headway.evaluate.head_formats import read_labels
    from headway.evaluate.head_pose import evaluate as run

    if not data.is_dir():
        raise UsageError(f"{data} is no folder")
    evaluation = run(read_labels(data, form), model, _bar, batch)
    report = {"dataset": data.resolve().name, **evaluation.report(), "command": command()}
    if batch == 1:
        report["ms_per_image"] = float(np.median(evaluation.ms))
    _peers(evaluation, report)
    print_report(report)
    _write(report, json_file)
    if html:
        from headway.report.heads import write_heads_report

        write_heads_report(evaluation, report, html)
        typer.echo(f"written: {html}")


def _peers(evaluation: Evaluation, report: dict[str, Any]) -> None:
    from headway.evaluate.fsanet import peer_report, peer_rows, peers_dir

    peers = peers_dir()
    if peers is None:
        return
    report["beside"] = peer_rows(evaluation.labels, evaluation.reported, report["model"], peers)
    if not evaluation.labels.whole_head:
        report["peer"] = peer_report(evaluation.labels, peers)


def _by_eye(labels: Path, model: str, json_file: Path | None) -> None:
    from headway.cli.head_pose_table import print_by_eye
    from headway.evaluate.by_eye import BUNDLED, evaluate_by_eye

    path = BUNDLED if str(labels) == "bundled" else labels
    report = {"dataset": path.name, **evaluate_by_eye(path, model), "command": command()}
    print_by_eye(report)
    _write(report, json_file)


def _write(report: dict[str, Any], json_file: Path | None) -> None:
    if json_file:
        from headway.json_files import write_json

        write_json(json_file, report)


def _bar(images: Sequence[Any]) -> Iterator[Any]:
    from headway.report.progress import bars

    with bars() as shown:
        yield from shown.track(images, description="images")
