"""`headway convert`: recorded material to a bag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from headway.convert.material import Converted

Bag = Annotated[Path, typer.Argument(help="The bag to write, one .mcap file (added to the name where it is missing).")]
Limit = Annotated[Optional[int], typer.Option("--limit", min=1, help="Stop after this many images.")]  # noqa: UP045
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the bag where it exists.")]


def video(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A video, or a folder of images.")],
    bag: Bag,
    hfov: Annotated[float, typer.Option("--hfov", help="Assumed horizontal field of view, degrees.")] = 60.0,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--rate", help="Images a second; default: the video's own, 15 for a folder."),
    ] = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """A video or a folder of images to a bag with JPEG images and an assumed camera_info."""
    from headway.convert.video import convert_video

    with _bar(source) as progress:
        result = convert_video(source, bag, hfov, rate, limit, overwrite, progress)
    _report(result)


def tub(
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A donkeycar tub, or the folder that holds it."),
    ],
    bag: Bag,
    rate: Annotated[float, typer.Option("--rate", help="Images a second; the tub does not know.")] = 20.0,
    limit: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """A donkeycar tub to a bag with its images and the person's steering (+ = left) as /ground_truth/drive."""
    from headway.convert.tub import convert_tub

    with _bar(source) as progress:
        result = convert_tub(source, bag, rate, limit, overwrite, progress)
    _report(result)


def kitti(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A label file, kitti_tracking/label/NNNN.txt.")],
    bag: Bag,
    limit: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """A sequence of kitti_tracking (labels and motion, no images) to a bag of heads with its parameter file."""
    from headway.convert.kitti import convert_kitti

    with _bar(source) as progress:
        result = convert_kitti(source, bag, limit, overwrite, progress)
    _report(result, "frames of heads")


def _bar(source: Path) -> Any:
    from headway.report.progress import bar

    return bar(f"converting {source.name}")


def _report(result: Converted, what: str = "images") -> None:
    from headway.report.terminal import lines, marked

    console = lines()
    console.print(f"{result.images} {what} -> {result.bag}")
    for note in result.notes:
        console.print(f"note: {note}")
    if result.lost:
        console.print(marked("left out:", "yellow", f"{len(result.lost)}, first: {result.lost[0]}"))
        raise typer.Exit(3)
