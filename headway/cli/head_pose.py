"""`headway train head-pose`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from headway.cli.head_pose_table import print_report
from headway.errors import UsageError
from headway.report.progress import bars
from headway.report.terminal import lines


def train(
    data: Annotated[Path, typer.Option(help="Rendered folder, or a folder of rendered folders.")],
    val: Annotated[Path, typer.Option(help="Rendered folder of other bodies and looks, for the numbers in the card.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    work: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Cache and checkpoints; a run found there is resumed. Default: OUT.work"),
    ] = None,
    minutes: Annotated[Optional[float], typer.Option(help="Training time, resumed time included.", min=0.01)] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(help="Training steps.", min=1)] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Seed of weights and pictures.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads of each process.", min=1)] = 1,
    jobs: Annotated[
        int,
        typer.Option(help="Processes that train together, one a core; cuda: that make pictures for the GPU.", min=1),
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    batch_times: Annotated[int, typer.Option(help="Batches so many times as large: 16 keeps a GPU busy.", min=1)] = 1,
    rate: Annotated[float, typer.Option(help="Share of the usual learning rates.", min=0.01, max=4.0)] = 1.0,
    init: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Model folder whose weights the run starts from, instead of a crop start from scratch."),
    ] = None,
    keep: Annotated[
        float, typer.Option(help="Share of the weights of --init in those that are written.", min=0.0, max=0.9)
    ] = 0.0,
    size: Annotated[str, typer.Option(help="small (becomes `head-pose`) or nano (`head-pose-nano`).")] = "small",
    teacher: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Model folder of a larger network, for dual-head distillation."),
    ] = None,
    cutouts: Annotated[bool, typer.Option(help="Paste photo-like heads of openpeople P001-P007.")] = True,
    teach: Annotated[bool, typer.Option(help="Mean teacher on unlabelled pictures of openpeople P001-P007.")] = True,
) -> None:
    """Crop start, one-stage training, export, evaluation, manifest and card."""
    import torch

    from headway.models.head_pose.config import SIZES, TrainConfig
    from headway.models.head_pose.fit import Limit
    from headway.models.head_pose.produce import Order, produce

    for folder in (data, val):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder")
    if size not in SIZES:
        raise UsageError(f"--size {size}: {' or '.join(SIZES)} is wanted")
    if minutes is None and steps is None:
        minutes = 60.0
    torch.set_num_threads(threads)
    if device not in ("cpu", "cuda"):
        raise UsageError(f"--device {device}: cpu or cuda is wanted")
    config = TrainConfig(seed=seed).enlarged(batch_times).rated(rate)
    if not cutouts:
        config = replace(config, photo_share=0.0)
    if not teach:
        config = replace(config, teach_each=0)
    if init:
        config = config.continued()
    elif keep:
        raise UsageError(f"--keep {keep:g}: there is no --init whose weights could be kept")
    limit = f"--steps {steps}" if steps else f"--minutes {minutes:g}"
    command = f"headway train head-pose --data {data.name} --val {val.name} --out {out.name} {limit} --seed {seed}"
    command += ("" if cutouts else " --no-cutouts") + ("" if teach else " --no-teach")
    command += f" --size {size}" + (f" --jobs {jobs}" if jobs > 1 else "")
    command += f" --device {device}" if device != "cpu" else ""
    command += (f" --batch-times {batch_times}" if batch_times > 1 else "") + (f" --rate {rate:g}" if rate != 1 else "")
    command += (f" --init {init.name}" if init else "") + (f" --keep {keep:g}" if keep else "")
    command += f" --teacher {teacher.name}" if teacher else ""
    work = work or out.with_name(out.name + ".work")
    limit_of = Limit(minutes, steps)
    order = Order(
        data,
        val,
        out,
        work,
        limit_of,
        config,
        init=init,
        keep=keep,
        jobs=jobs,
        size=size,
        teacher=teacher,
        device=device,
    )
    with bars(counted=False) as shown:
        task = shown.add_task("training", total=1.0)

        def show(progress: float, terms: Mapping[str, float]) -> None:
            angle = terms.get("frame_angle_deg", terms.get("crop_angle_deg", float("nan")))
            shown.update(task, completed=progress, description=f"training, {angle:.1f}° off on training pictures")

        evaluation = produce(_named(order, command), show)
    for report in evaluation.values():
        if isinstance(report, Mapping) and "geodesic_deg" in report:
            print_report(report)
    lines().print(f"written: {out}")


def _named(order: Any, command: str) -> Any:
    return replace(order, command=command)
