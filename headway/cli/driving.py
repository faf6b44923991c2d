"""`headway evaluate driving` and `headway train driving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from headway.cli.common import check_targets, command
from headway.cli.driving_table import print_driving_report
from headway.report.progress import bars


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
    reference: Annotated[
        str, typer.Option(help="Folder of the published network (train --network caril): drives beside ours.")
    ] = "",
    jobs: Annotated[
        int, typer.Option(help="World: processes that drive; the numbers are the same for any.", min=1)
    ] = 1,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers here.")] = None,  # noqa: UP045
    html: Annotated[Optional[Path], typer.Option(help="Write a report with plots and the worst drives here.")] = None,  # noqa: UP045
) -> None:
    """Steering error and confidence on held-out real frames, or whole drives in a closed-loop world."""
    from headway.runtime.model import open_model

    check_targets(json_file, html, record)
    runs_kept: dict[str, Any] = {}
    published = open_model(reference, "driving") if reference else None
    if world == "tub":
        from headway.evaluate.driving import evaluate as open_loop

        if part not in ("test", "train"):
            from headway.errors import UsageError

            raise UsageError(f"--part {part}: test or train is wanted")
        report = open_loop(open_model(model or "driving", "driving"), _data_folder(data), part, published)
    else:
        own = open_model(model or "driving-roadworld", "driving")
        report = _closed_loop(own, world, routes, runs, stress, record, published, runs_kept.update, jobs)
    report["command"] = command()
    print_driving_report(report)
    if html is not None:
        from headway.report.driving import write_driving_report

        write_driving_report(report, runs_kept, html)
    if json_file is not None:
        from headway.json_files import write_json

        write_json(json_file, report)


def train(
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    world: Annotated[
        str, typer.Option(help="tub (recorded frames), roadworld (imitation of its expert), or that of --drives.")
    ] = "tub",
    drives: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="File of headway render drives, once or more: learn from these alone."),
    ] = None,
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
    teacher: Annotated[bool, typer.Option(help="Dual-head distillation from a wider network, with ablation.")] = False,
    with_tub: Annotated[bool, typer.Option(help="roadworld: learn from the tub's frames too.")] = False,
    network: Annotated[str, typer.Option(help="headway, or caril: the published network.")] = "headway",
    frames: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="caril, roadworld: frames.npz of an earlier run (OUT.work), to learn from the same frames."),
    ] = None,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="caril: training time, resumed time included.", min=0.01),
    ] = None,
    device: Annotated[str, typer.Option(help="caril: cpu, or cuda, where steps are left.")] = "cpu",
) -> None:
    """Trains the driving network, calibrates it, exports it, and writes the model folder with its card."""
    from headway.errors import MissingDependencyError, UsageError

    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingDependencyError("training needs torch: pip install 'headway[train,export]'") from None
    if network == "caril":
        _train_reference(out, frames, epochs, minutes, seed, threads, device)
        return
    if network != "headway":
        raise UsageError(f"--network {network}: headway or caril is wanted")
    if device != "cpu":
        raise UsageError(f"--device {device}: only --network caril learns elsewhere than on the CPU")
    if frames is not None and (world != "roadworld" or drives or with_tub):
        raise UsageError("--frames is for --world roadworld without --drives and --with-tub, or for --network caril")
    from headway.evaluate.tub import find_tub
    from headway.models.driving.config import NetworkConfig, TrainConfig
    from headway.models.driving.produce import produce_drives, produce_road, produce_stored, produce_tub

    shape = NetworkConfig(members=members, teacher=teacher, brake=world != "tub")
    settings = TrainConfig(seed=seed, epochs=epochs, threads=threads)
    with bars() as bar:
        task = bar.add_task("recording" if world == "roadworld" else "training", total=None)

        def show(done: int, total: int, row: dict[str, float]) -> None:
            text = f"member {row['member'] + 1:.0f} loss {row['loss']:.3f}"
            bar.update(task, completed=done, total=total, description=text)

        def recorded(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="recording")

        if drives:
            manifest = produce_drives(world, drives, out, shape, settings, show)
            bar.stop()
            typer.echo(f"written: {out}, {manifest.parameters:,} parameters; evaluate it where the simulator is")
            return
        if world == "tub":
            report = produce_tub(_data_folder(data), out, shape, settings, show)
        elif world == "roadworld" and frames is not None:
            report = produce_stored(frames, out, shape, settings, runs, show)
        elif world == "roadworld":
            tub = find_tub(_data_folder(data)) if with_tub else None
            report = produce_road(out, shape, settings, episodes, dagger, runs, show, recorded, tub)
        else:
            raise UsageError(f"--world {world}: tub or roadworld is wanted, or --drives with files recorded there")
    print_driving_report(report)


def _train_reference(
    out: Path, frames: Path | None, epochs: int, minutes: float | None, seed: int, threads: int, device: str
) -> None:
    import torch

    from headway.errors import UsageError
    from headway.models.driving.material import load_frames
    from headway.models.driving.reference_train import DEVICES, ReferenceConfig, Training, write_folder

    if frames is None:
        raise UsageError("--network caril needs --frames: frames.npz, which a headway run writes into OUT.work")
    if device not in DEVICES:
        raise UsageError(f"--device {device}: {' or '.join(DEVICES)} is wanted")
    torch.set_num_threads(threads)
    drive, facts = load_frames(frames)
    config = ReferenceConfig(seed=seed, epochs=epochs, minutes=minutes, device=device)
    training = Training(drive, config, out.with_name(out.name + ".work"))
    training.resume()
    with bars(counted=False) as bar:
        task = bar.add_task("training", total=1.0)
        training.fit(lambda share, step, loss: bar.update(task, completed=share, description=f"{step}: {loss:.3f}"))
    words = (
        f"headway train driving --network caril --frames {frames.name} --out {out.name} --epochs {epochs}"
        + (f" --minutes {minutes:g}" if minutes else "")
        + f" --seed {seed}"
        + (f" --device {device}" if device != "cpu" else "")
    )
    licence = str(facts.pop("licence", ""))
    manifest = write_folder(training, out, words, facts, licence)
    typer.echo(f"written: {out}, {manifest.training['epochs']} epochs of {len(drive)} frames")


def _closed_loop(
    model: Any,
    world: str,
    routes: str,
    runs: int,
    stress: str,
    record: Path | None,
    reference: Any,
    keep: Any,
    jobs: int,
) -> dict[str, Any]:
    from headway.evaluate.roads import STRESSES, evaluate_world

    disturbances = STRESSES if stress == "all" else tuple(filter(None, stress.split(",")))
    with bars() as bar:
        task = bar.add_task("driving", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"driving, {what}")

        chosen = tuple(filter(None, routes.split(",")))
        return evaluate_world(model, world, chosen, runs, disturbances, show, record, reference, keep, jobs)


def _data_folder(name: str) -> Path:
    from headway.errors import UsageError
    from headway.paths import data_folder

    given = Path(name).expanduser()
    if not given.is_dir() and "/" in name:
        raise UsageError(f"--data {name}: there is no such folder")
    return given if given.is_dir() else data_folder(name)
