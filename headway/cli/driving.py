"""`headway evaluate driving` and `headway train driving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def evaluate(
    data: Annotated[str, typer.Option(help="Folder of a donkeycar tub, or its name below the data folder.")] = (
        "donkeycar_tub"
    ),
    model: Annotated[str, typer.Option(help="Installed model, or a model folder (a path with a /).")] = "driving",
    part: Annotated[str, typer.Option(help="test, calibration or train blocks.")] = "test",
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers here.")] = None,  # noqa: UP045
) -> None:
    """Open loop on held-out blocks of real driving: steering error, confidence, coverage, unfamiliar images."""
    import json
    import sys

    from headway.errors import UsageError
    from headway.evaluate.driving import evaluate as run
    from headway.runtime.engine import open_model

    if part not in ("test", "calibration", "train"):
        raise UsageError(f"--part {part}: one of test, calibration, train is wanted")
    report = run(open_model(model, "driving"), _data_folder(data), part)
    report["command"] = " ".join(["headway", *sys.argv[1:]])
    _print(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def train(
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    data: Annotated[str, typer.Option(help="Folder of a donkeycar tub, or its name below the data folder.")] = (
        "donkeycar_tub"
    ),
    epochs: Annotated[int, typer.Option(help="Passes over the training frames, for each member.", min=1)] = 40,
    members: Annotated[int, typer.Option(help="Networks in the ensemble.", min=1, max=8)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the first member; the others count up.")] = 20250211,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Trains the driving network on a tub, calibrates it, exports it, and writes the model folder with its card."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from headway.errors import MissingDependencyError

    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingDependencyError("training needs torch: pip install 'headway[train,export]'") from None
    from headway.models.driving.config import NetworkConfig, TrainConfig
    from headway.models.driving.produce import produce

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("training", total=members * epochs)

        def show(done: int, total: int, row: dict[str, float]) -> None:
            bar.update(task, completed=done, description=f"member {row['member'] + 1} loss {row['loss']:.3f}")

        report = produce(
            _data_folder(data),
            out,
            NetworkConfig(members=members),
            TrainConfig(seed=seed, epochs=epochs, threads=threads),
            show,
        )
    _print(report)


def _data_folder(name: str) -> Path:
    from headway.errors import UsageError
    from headway.paths import data_dir

    given, root = Path(name).expanduser(), data_dir()
    if given.is_dir():
        return given
    if root is not None and (root / name).is_dir():
        return root / name
    raise UsageError(f"no folder {given} and none below {root or '../shared/data'}: give --data, or set HEADWAY_DATA")


def _print(report: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    mae, accuracy, confidence = report["steering_mae"], report["bin_accuracy"], report["confidence"]
    low, high = report["steering_mae_95"]
    table = Table(title=f"{report['world']}: {report['frames']} {report['part']} frames, open loop")
    for column in ("driver", "steering error (mean, -1..1)", "bin accuracy"):
        table.add_column(column)
    table.add_row("headway", f"{mae['headway']:.3f} (95 %: {low:.3f}..{high:.3f})", f"{accuracy['headway']:.3f}")
    table.add_row("headway-regression", f"{mae['headway-regression']:.3f}", f"{accuracy['headway-regression']:.3f}")
    table.add_row("mean steering", f"{mae['mean-steering']:.3f}", "")
    console.print(table)
    table = Table(title="confidence")
    for column in ("what", "value"):
        table.add_column(column)
    table.add_row(f"coverage of the {confidence['nominal']:.0%} interval", f"{confidence['coverage']:.3f}")
    table.add_row("mean half-width", f"{confidence['mean_half_width']:.3f}")
    table.add_row("calibration error (ECE)", f"{confidence['ece']:.3f}")
    table.add_row("AUROC of confidence against error", f"{confidence['auroc']:.3f}")
    table.add_row(f"share of errors below {confidence['small_error']:.3f}", f"{confidence['share_small']:.3f}")
    for kind, row in report["unfamiliar"].items():
        table.add_row(f"highest confidence on {kind}", f"{row['confidence']:.3f}, ends in {row['state'].upper()}")
    console.print(table)
