"""`headway evaluate trajectory` and `headway train trajectory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from headway.cli.common import check_targets, command
from headway.errors import ModelError, UsageError
from headway.report.progress import bars
from headway.report.terminal import lines, tables

_MODEL = "trajectory"
PROTOCOLS = {
    "leave-one-out": "eth_ucy",
    "egocentric": "eth_ucy",
    "kitti": "kitti_tracking",
    "memory": "eth_ucy",
    "head-direction": "head_orientation",
}
_WHOLE = ("conflicts", "false_per_hour", "told_false_per_hour")
_MEMORY_WEARERS = 6
_KEYS = ("ade", "fde", "min_ade20", "min_fde20")


def evaluate(
    data: Annotated[str, typer.Option(help="Name of a data set below HEADWAY_DATA; each protocol has its own.")] = "",
    protocol: Annotated[
        str, typer.Option(help=f"One of {', '.join(PROTOCOLS)}; by default the first one on the data.")
    ] = "",
    nominal: Annotated[float, typer.Option(help="Level of the conformal radius.", min=0.5, max=0.99)] = 0.9,
    model: Annotated[str, typer.Option(help="Installed model, or a folder, with the five networks below it.")] = _MODEL,
    wearers: Annotated[
        int,
        typer.Option(help="Pedestrians of each scene who wear the camera (egocentric); 0: every one in turn.", min=0),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of noise and head turning (egocentric).")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes (egocentric); the numbers are the same for any.", min=1)] = 1,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers to this file.")] = None,  # noqa: UP045
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--html", help="Write a report with the worst cases as pictures to this file."),
    ] = None,
) -> None:
    """Forecast accuracy, each scene predicted by a network that never saw it."""
    from headway.evaluate.cases import Cases
    from headway.evaluate.egocentric import level_words
    from headway.evaluate.egocentric_run import egocentric
    from headway.evaluate.head_direction import head_direction
    from headway.evaluate.kitti import kitti
    from headway.evaluate.memory_effect import memory_effect
    from headway.evaluate.trajectory import leave_one_out

    check_targets(json_file, html)
    if "/" in data or data == ".":
        raise UsageError(
            f"--data {data}: the name of a data set is wanted ({', '.join(dict.fromkeys(PROTOCOLS.values()))}); "
            "it is looked for below HEADWAY_DATA, or ../shared/data"
        )
    protocol = protocol or next((p for p, d in PROTOCOLS.items() if data in ("", d)), protocol)
    if protocol not in PROTOCOLS or data not in ("", PROTOCOLS[protocol]):
        known = ", ".join(f"{name} on {where}" for name, where in PROTOCOLS.items())
        raise UsageError(f"no protocol '{protocol}' on data '{data}'; there are {known}")
    cases: dict[str, Cases] = {}
    with bars() as shown:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = shown.add_task(label, total=total)
            shown.update(tasks[label], completed=done)

        if protocol == "egocentric":
            report = egocentric(
                _leave_one_out_folders(model),
                per_scene=wearers,
                nominal=nominal,
                seed=seed,
                progress=show,
                jobs=jobs,
                cases=cases,
            )
        elif protocol == "kitti":
            report = kitti(model, nominal, show, cases=cases)
        elif protocol == "memory":
            report = memory_effect(
                _leave_one_out_folders(model), per_scene=wearers or _MEMORY_WEARERS, seed=seed, progress=show
            )
        elif protocol == "head-direction":
            report = head_direction(_leave_one_out_folders(model), show)
        else:
            report = leave_one_out(_leave_one_out_folders(model), nominal, show, cases)
    report["command"] = command()
    if json_file:
        from headway.json_files import write_json

        write_json(json_file, report)
    if protocol == "egocentric":
        for noise, level in report["noise"].items():
            _print(level, f"seen by a walker, {level_words(noise)}, 2.8 s ahead, metres")
            _print_alerts(level)
    elif protocol == "kitti":
        pedestrians = {"scenes": {"all": {"windows": report["windows"], "models": report["mean"]}}, "mean": {}}
        _print(report | pedestrians, "KITTI pedestrians from a moving car, 2.8 s ahead, metres")
        _print_alerts(report)
    elif protocol == "head-direction":
        _print_heads(report)
    elif protocol == "memory":
        _print_memory(report)
    else:
        _print(report, "ETH/UCY, leave one scene out, 8 -> 12 steps of 0.4 s, metres")
    if html:
        from headway.report.trajectory import write_trajectory_report

        write_trajectory_report(report, cases, html)


def train(
    out: Annotated[Path, typer.Option(help="Folder for the model; the five leave-one-out networks go below it.")],
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Only the five networks, straight into it.")
    ] = False,
    steps: Annotated[int, typer.Option(help="Training steps of each network.", min=100)] = 6000,
    seed: Annotated[int, typer.Option(help="Seed; the five networks take this and the next four.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Five networks that each never see one scene, and the shipped one, calibrated on what those five got wrong.

    What is finished in the folder is kept, what was begun goes on, so an interrupted run is started again as it was.
    """
    import torch

    from headway.models.trajectory.config import CameraConfig, TrainingConfig
    from headway.models.trajectory.produce import produce, produce_leave_one_out

    torch.set_num_threads(threads)
    training = TrainingConfig(steps=steps, seed=seed)
    with bars() as shown:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = shown.add_task(label, total=total)
            shown.update(tasks[label], completed=done)

        if leave_one_out:
            summary = produce_leave_one_out(out, training, CameraConfig(), show)["mean"]
        else:
            summary = produce(out, training, CameraConfig(), show).evaluation["summary"]
    lines().print(summary)


def _leave_one_out_folders(model: str) -> dict[str, str]:
    from headway.evaluate.pedestrians import SCENES
    from headway.runtime.model import model_folder

    root = model_folder(model) / "leave-one-out"
    missing = [scene for scene in SCENES if not (root / scene / "manifest.json").is_file()]
    if missing:
        raise ModelError(
            f"{root} lacks the networks for {', '.join(missing)}: "
            "train them with `headway train trajectory --leave-one-out --out DIR`"
        )
    return {scene: str(root / scene) for scene in SCENES}


def _print(report: dict[str, Any], title: str) -> None:
    table = Table(title=title)
    for column in ("scene", "windows", "model", "ADE", "FDE", "minADE20", "minFDE20"):
        table.add_column(column, justify="left" if column in ("scene", "model") else "right")
    rows = [(s, v["windows"], v["models"]) for s, v in report["scenes"].items()] + [("mean", "", report["mean"])]
    for scene, windows, models in rows:
        for i, (name, values) in enumerate(models.items()):
            single = values["min_ade20"] == values["ade"]
            numbers = [f"{values[k]:.3f}" if not (single and k.startswith("min")) else "one path" for k in _KEYS]
            table.add_row(scene if i == 0 else "", f"{windows}" if i == 0 else "", name, *numbers)
        table.add_section()
    for other in report.get("published", []):
        table.add_row("", "", f"{other['model']} (published)", "", "", f"{other['min_ade20']}", f"{other['min_fde20']}")
    console = tables()
    console.print(table)
    cover = report["coverage"]
    if cover:
        scenes = cover.get("by_scene", {})
        whose = "pairs of a camera and a person" if "alerts" in report else "people"
        inside = f" ({', '.join(f'{scene} {100 * v:.1f} %' for scene, v in scenes.items())})" if scenes else ""
        console.print(
            f"radius at {100 * cover['nominal']:.0f} %, calibrated on other scenes: "
            f"{100 * cover['measured']:.1f} % of {whose} stayed inside all along{inside}"
        )
        together = cover["together"]
        scenes = ", ".join(f"{scene} {100 * v:.1f} %" for scene, v in together["by_scene"].items())
        console.print(
            f"radius for everybody in view: at {100 * together['measured']:.1f} % of the moments all stayed inside "
            f"({scenes})"
        )


def _print_memory(report: dict[str, Any]) -> None:
    table = Table(title="without and with the memory of earlier forecasts, seen by a walker, 2.8 s ahead, metres")
    for column in ("noise", "ADE", "FDE", "minADE20", "minFDE20", "flicker"):
        table.add_column(column, justify="right")
    for noise, level in report["noise"].items():
        pairs = [(level["without"][k], level["with"][k], level["change"][k]) for k in (*_KEYS, "flicker_m")]
        table.add_row(f"{100 * float(noise):g} cm", *(f"{a:.3f} -> {b:.3f} ({c:+.1%})" for a, b, c in pairs))
    tables().print(table)


def _print_heads(report: dict[str, Any]) -> None:
    table = Table(title="with the head's direction minus without, metres, paired; 95 % interval over people")
    for column in ("scene", "windows", "ADE", "FDE", "minADE20", "minFDE20"):
        table.add_column(column, justify="left" if column == "scene" else "right")
    rows = {s: (v["windows"], v["metrics"]) for s, v in report["scenes"].items()}
    for name, (windows, values) in (rows | {"all": (report["windows"], report["pooled"])}).items():
        cells = [
            f"{values[k]['difference']:+.4f} ({values[k]['interval_95'][0]:+.4f} to {values[k]['interval_95'][1]:+.4f})"
            for k in _KEYS
        ]
        table.add_row(name, f"{windows}", *cells)
    tables().print(table)


def _print_alerts(level: dict[str, Any]) -> None:
    table = Table(title="alerts: somebody comes within 1.0 m in the next 3 s")
    titles = {
        "conflicts": "conflicts",
        "recall": "recall",
        "recall_in_time": "1.5 s ahead",
        "recall_in_time_seen_2s": "seen 2 s",
        "precision": "precision",
        "false_per_hour": "false/h",
        "told_false_per_hour": "told/h",
        "lead_s": "lead s",
        "rises_per_alert": "rises",
    }
    columns = tuple(titles)
    for column in ("model", *titles.values()):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, values in level["alerts"].items():
        cells = [
            "-" if values.get(c) is None else f"{values[c]:.0f}" if c in _WHOLE else f"{values[c]:.2f}" for c in columns
        ]
        table.add_row(name, *cells)
    console = tables()
    console.print(table)
    jumps = ", ".join(f"{name} {100 * v:.0f} cm" for name, v in level["flicker_m"].items())
    console.print(f"jump between successive forecasts of the same moment, 2 s ahead: {jumps}")
    if level["contacts"]:
        _print_contacts(console, level["contacts"])


def _print_contacts(console: Any, found: dict[str, Any]) -> None:
    """Is the probability that was said true?"""
    for name, kind in {"everybody": found, "out of view": found["out_of_view"]}.items():
        if not kind:
            continue
        bins = ", ".join(f"{b['said']:.2f}: {b['came']:.2f}" for b in kind["bins"])
        console.print(
            f"probability of a contact, {name}: of {kind['moments']} moments {kind['came']:.3f} came true, "
            f"{kind['said']:.3f} was said; ECE {kind['ece']:.3f}; said: came  {bins}",
            soft_wrap=True,
            highlight=False,
        )
