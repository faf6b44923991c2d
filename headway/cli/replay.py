"""`headway replay`: a bag in, what the models say out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from headway.cli.common import check_targets, command

if TYPE_CHECKING:
    from headway.bags.topics import InputTopics

Topic = Optional[str]  # noqa: UP045 - typer reads this at run time on Python 3.10


def replay(
    bag: Annotated[Path, typer.Argument(help="A .mcap or .db3 file, or a rosbag2 folder.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for output.mcap, annotated.mp4, report.html, summary.json.")
    ],
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write summary.json here too.")] = None,  # noqa: UP045
    graph: Annotated[bool, typer.Option("--graph", help="Through the real ROS 2 graph, at the recorded rate.")] = False,
    params: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--params", help="ROS parameter file, with --graph of all nodes; default: the launch files' own."),
    ] = None,
    image: Annotated[Topic, typer.Option("--image", help="Image topic; default: the first with messages.")] = None,
    camera_info: Annotated[Topic, typer.Option("--camera-info", help="CameraInfo topic.")] = None,
    imu: Annotated[Topic, typer.Option("--imu", help="Imu topic.")] = None,
    odom: Annotated[Topic, typer.Option("--odom", help="Odometry topic.")] = None,
    depth: Annotated[Topic, typer.Option("--depth", help="Depth image topic.")] = None,
    limit: Annotated[Optional[int], typer.Option("--limit", min=1, help="Stop after this many images.")] = None,  # noqa: UP045
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write annotated.mp4 and pictures.")] = True,
    fault: Annotated[
        Topic, typer.Option("--fault", help="Put this fault into the bag and judge the reaction; all: every one.")
    ] = None,
) -> None:
    """A recorded bag through all models: output.mcap, annotated.mp4, report.html, summary.json."""
    from headway.bags.topics import InputTopics
    from headway.replay import run_replay
    from headway.report.progress import bar
    from headway.report.summary import print_summary, with_loss
    from headway.report.terminal import lines

    wanted = InputTopics(image or "", camera_info or "", imu or "", odom or "", depth or "")
    line = command()
    check_targets(json_file)
    if fault:
        from headway.errors import UsageError

        if graph or limit:
            raise UsageError("--fault goes with neither --graph nor --limit")
        _with_faults(bag, out, fault, params, wanted, line, json_file)
        return
    with bar(f"replaying {bag.name}") as progress:
        if graph:
            content = _through_graph(bag, out, params, wanted, line, limit, video, progress)
        else:
            content = run_replay(bag, out, params, wanted, line, limit, video, progress)
    if json_file:
        from headway.json_files import write_json

        write_json(json_file, content)
    print_summary(content)
    lines().print(f"{content['topics']['image']} -> {out}/")
    if with_loss(content):
        raise typer.Exit(3)


def _with_faults(
    bag: Path, out: Path, fault: str, params: Path | None, wanted: InputTopics, command: str, json_file: Path | None
) -> None:
    from rich.table import Table

    from headway.errors import UsageError
    from headway.faults.inject import FAULTS
    from headway.faults.judge import HEADINGS, as_json, run_faults, table
    from headway.json_files import write_json
    from headway.node_config import HeadwayNodeConfig, load
    from headway.report.build import output_folder
    from headway.report.progress import bar
    from headway.report.terminal import tables

    if fault != "all" and fault not in FAULTS:
        raise UsageError(f"no fault '{fault}'; known: all, {', '.join(FAULTS)}")
    names = list(FAULTS) if fault == "all" else [fault]
    config = load(HeadwayNodeConfig(), "headway", params)
    with bar(f"faults in {bag.name}") as progress:
        outcomes = run_faults(bag, names, config, wanted, progress=progress)
    content = as_json(outcomes, bag, command)
    for file in filter(None, (output_folder(out) / "faults.json", json_file)):
        write_json(file, content)
    shown = Table(*HEADINGS, title=f"{content['kept']} of {content['tried']} faults kept all promises")
    for row in table(outcomes):
        shown.add_row(*row)
    tables().print(shown)
    if content["kept"] != content["tried"]:
        raise typer.Exit(1)


def _through_graph(
    bag: Path,
    out: Path,
    params: Path | None,
    wanted: InputTopics,
    command: str,
    limit: int | None,
    video: bool,
    progress: Any,
) -> dict[str, Any]:
    from headway.errors import UsageError
    from headway.graph import LISTENS, run_graph
    from headway.report.build import fresh_folder, report_graph

    if limit:
        raise UsageError("--limit does not go with --graph: the graph plays the whole bag")
    files = dict.fromkeys(LISTENS, params) if params else None
    performance = run_graph(bag, fresh_folder(out, bag, video), wanted, parameter_files=files, progress=progress)
    return report_graph(bag, performance, out, command, "replay through the ROS 2 graph", progress, video, wanted)
