"""`headway evaluate driving` and `headway train driving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer


def evaluate(
    world: Annotated[
        str, typer.Option(help="tub (recorded frames), roadworld, metadrive, or module:Class of your own.")
    ] = "tub",
    data: Annotated[str, typer.Option(help="tub: its folder, or its name below the data folder.")] = "donkeycar_tub",
    model: Annotated[str, typer.Option(help="Installed model, or a model folder (a path with a /).")] = "",
    part: Annotated[str, typer.Option(help="tub: test or train blocks.")] = "test",
    routes: Annotated[str, typer.Option(help="World: routes, with commas; default the published three.")] = "",
    runs: Annotated[int, typer.Option(help="World: seeded runs for each route and driver.", min=1)] = 10,
    stress: Annotated[str, typer.Option(help="World: disturbances, with commas, or 'all'.")] = "",
    record: Annotated[Optional[Path], typer.Option(help="World: one headway run as a bag (.mcap).")] = None,  # noqa: UP045
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers here.")] = None,  # noqa: UP045
) -> None:
    """Steering error and confidence on held-out real frames, or whole drives in a closed-loop world."""
    import json
    import sys

    from headway.runtime.engine import open_model

    if world == "tub":
        from headway.evaluate.driving import evaluate as open_loop

        if part not in ("test", "train"):
            from headway.errors import UsageError

            raise UsageError(f"--part {part}: test or train is wanted")
        report = open_loop(open_model(model or "driving", "driving"), _data_folder(data), part)
    else:
        report = _closed_loop(open_model(model or "driving-roadworld", "driving"), world, routes, runs, stress, record)
    report["command"] = " ".join(["headway", *sys.argv[1:]])
    _print(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def train(
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    world: Annotated[str, typer.Option(help="tub (recorded frames) or roadworld (imitation of its expert).")] = "tub",
    data: Annotated[str, typer.Option(help="tub: its folder, or its name below the data folder.")] = "donkeycar_tub",
    epochs: Annotated[int, typer.Option(help="Passes over the training frames, for each member.", min=1)] = 25,
    members: Annotated[int, typer.Option(help="Networks in the ensemble, one a fold.", min=2, max=8)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the first member; the others count up.")] = 20250211,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
    episodes: Annotated[int, typer.Option(help="roadworld: recorded drives of the expert.", min=4)] = 60,
    dagger: Annotated[int, typer.Option(help="roadworld: rounds in which the learner steers.", min=0)] = 1,
    runs: Annotated[
        int, typer.Option(help="roadworld: runs a route and driver in the closing evaluation.", min=1)
    ] = 10,
) -> None:
    """Trains the driving network, calibrates it, exports it, and writes the model folder with its card."""
    from headway.errors import MissingDependencyError, UsageError

    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingDependencyError("training needs torch: pip install 'headway[train,export]'") from None
    from headway.models.driving.config import NetworkConfig, TrainConfig
    from headway.models.driving.produce import produce_road, produce_tub

    network = NetworkConfig(members=members)
    settings = TrainConfig(seed=seed, epochs=epochs, threads=threads)
    with _bar() as bar:
        task = bar.add_task("recording" if world == "roadworld" else "training", total=None)

        def show(done: int, total: int, row: dict[str, float]) -> None:
            text = f"member {row['member'] + 1:.0f} loss {row['loss']:.3f}"
            bar.update(task, completed=done, total=total, description=text)

        def recorded(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="recording")

        if world == "tub":
            report = produce_tub(_data_folder(data), out, network, settings, show)
        elif world == "roadworld":
            report = produce_road(out, network, settings, episodes, dagger, runs, show, recorded)
        else:
            raise UsageError(f"--world {world}: tub or roadworld is wanted")
    _print(report)


def _closed_loop(model: Any, world: str, routes: str, runs: int, stress: str, record: Path | None) -> dict[str, Any]:
    from headway.evaluate.roads import STRESSES, evaluate_world

    disturbances = STRESSES if stress == "all" else tuple(filter(None, stress.split(",")))
    with _bar() as bar:
        task = bar.add_task("driving", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"driving, {what}")

        chosen = tuple(filter(None, routes.split(",")))
        return evaluate_world(model, world, chosen, runs, disturbances, show, record)


def _bar() -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _data_folder(name: str) -> Path:
    from headway.errors import UsageError
    from headway.paths import data_dir

    given, root = Path(name).expanduser(), data_dir()
    if given.is_dir():
        return given
    if root is not None and (root / name).is_dir():
        return root / name
    raise UsageError(f"no folder {given} and none below {root or '../shared/data'}: give --data, or set HEADWAY_DATA")


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 120  # a file has no width: tables would be cut to 80
    if report["world"] == "tub":
        console.print(_open_loop_table(report))
    else:
        console.print(_route_table(f"{report['world']}: means over {report['runs']} runs", report["routes"]))
        for name, routes in report.get("stress", {}).items():
            console.print(_route_table(f"{report['world']} under {name}", routes))
        for name, row in report["paired"].items():
            console.print(
                f"Fréchet, {name}, paired: {row['mean']:+.3f} m (95 %: {row['low']:+.3f}..{row['high']:+.3f}), "
                f"ratio of means {row['ratio']:.2f}"
            )
    console.print(_confidence_table(report))


def _open_loop_table(report: dict[str, Any]) -> Any:
    from rich.table import Table

    mae, accuracy = report["steering_mae"], report["bin_accuracy"]
    low, high = report["steering_mae_95"]
    table = Table(title=f"{report['world']}: {report['frames']} {report['part']} frames, open loop")
    for column in ("driver", "steering error (mean, -1..1)", "bin accuracy"):
        table.add_column(column)
    table.add_row("headway", f"{mae['headway']:.3f} (95 %: {low:.3f}..{high:.3f})", f"{accuracy['headway']:.3f}")
    table.add_row("headway-regression", f"{mae['headway-regression']:.3f}", f"{accuracy['headway-regression']:.3f}")
    table.add_row("mean steering", f"{mae['mean-steering']:.3f}", "")
    return table


def _route_table(title: str, routes: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=title)
    columns = {
        "Fréchet m": "frechet_m",
        "DTW": "dtw",
        "area m²": "area",
        "deviation m": "deviation_m",
        "off-lane s": "off_road_s",
        "completed": "completed",
        "stopped": "stopped",
    }
    for column in ("route", "driver", *columns):
        table.add_column(column)
    for route, drivers in routes.items():
        for driver, row in drivers.items():
            table.add_row(route, driver, *(f"{row[key]:.2f}" if key in row else "" for key in columns.values()))
    return table


def _confidence_table(report: dict[str, Any]) -> Any:
    from rich.table import Table

    confidence = report["confidence"]
    table = Table(title="confidence")
    for column in ("what", "value"):
        table.add_column(column)
    table.add_row(f"coverage of the {confidence['nominal']:.0%} interval", f"{confidence['coverage']:.3f}")
    table.add_row("calibration error (ECE)", f"{confidence['ece']:.3f}")
    table.add_row("AUROC of confidence against error", f"{confidence['auroc']:.3f}")
    table.add_row(f"share of errors below {confidence['small_error']:.3f}", f"{confidence['share_small']:.3f}")
    for kind, row in report["unfamiliar"].items():
        table.add_row(f"highest confidence on {kind}", f"{row['confidence']:.3f}, ends in {row['state'].upper()}")
    return table
