"""`headway render people|scene|drives`: labelled synthetic data. The work is in headway.models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headway.report.progress import bars


def people(
    out: Annotated[Path, typer.Option(help="Folder for the pictures and annotations.json.")],
    images: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures.")] = 1,
    split: Annotated[str, typer.Option(help="train or val: they share no body, look or background.")] = "train",
    size: Annotated[int, typer.Option(min=64, help="Width and height in pixels.")] = 384,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; one a core.")] = 1,
    pool: Annotated[Path | None, typer.Option(help="Cached bodies; default: bodies.npz beside OUT.")] = None,
    train_bodies: Annotated[int, typer.Option(min=1, help="Training bodies, when the pool is built.")] = 1500,
    val_bodies: Annotated[int, typer.Option(min=1, help="Validation bodies, when the pool is built.")] = 200,
    streets: Annotated[bool, typer.Option("--streets", help="Streets with trees behind the people.")] = False,
) -> None:
    """Render crowds of people with exact head boxes and rotations, COCO style."""
    from headway.models.render.people import Order, ensure_pool, render_people

    order = Order(out, images, seed, split, size, jobs, streets)
    path = pool or out.resolve().parent / "bodies.npz"
    with bars() as bar:
        posing = bar.add_task("bodies", total=None)
        bodies, seconds = ensure_pool(
            path, train_bodies, val_bodies, lambda done, total: bar.update(posing, completed=done, total=total)
        )
        bar.update(posing, completed=len(bodies), total=len(bodies))
        drawing = bar.add_task("pictures", total=images)
        result = render_people(order, path, lambda done, _: bar.update(drawing, completed=done))
    built = f"built in {seconds:.0f} s" if seconds else "from the cache"
    typer.echo(f"bodies: {len(bodies)} in {path}, {built}")
    rate = result["images"] / result["seconds"]
    typer.echo(
        f"{result['images']} pictures, {result['heads']} heads in {out}, {rate:.1f} pictures/s with {jobs} job(s)"
    )


def scene(
    out: Annotated[Path, typer.Option(help="The bag to write, ending in .mcap.")],
    view: Annotated[
        str, typer.Option(help="vehicle (1.2 m, on the lane) or walker (a head on the pavement).")
    ] = "vehicle",
    seed: Annotated[int, typer.Option(min=0, help="Decides people, clothes, houses and trees.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length.")] = 10.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Images per second.")] = 15.0,
) -> None:
    """Render a street with walking people into a bag: images, IMU, odometry and ground truth."""
    from headway.models.render.scene import render_scene

    with bars() as bar:
        task = bar.add_task("images", total=None)
        result = render_scene(
            view, out, seed, seconds, rate, lambda done, total: bar.update(task, completed=done, total=total)
        )
    size = result["bytes"] / (1 << 20)
    typer.echo(
        f"{out}: {result['images']} images (JPEG quality {result['quality']}), {result['heads']} heads, {size:.2f} MiB"
    )


def drives(
    out: Annotated[Path, typer.Option(help="The file to write, ending in .npz.")],
    world: Annotated[str, typer.Option(help="roadworld, metadrive, or module:Class of your own.")] = "roadworld",
    episodes: Annotated[int, typer.Option(min=1, help="Drives of the world's expert, pushed off the lane.")] = 60,
    first_seed: Annotated[int, typer.Option(min=0, help="Of the first drive; the others count up.")] = 0,
    learner: Annotated[str, typer.Option(help="Model folder that steers most of the time (a DAgger round).")] = "",
) -> None:
    """Record drives to learn from: frames with the expert's controls, for headway train driving --drives."""
    from headway.models.driving.drives import record_drives, write_drives
    from headway.runtime.model import open_model
    from headway.worlds import open_world

    model = open_model(learner, "driving") if learner else None
    opened = open_world(world)
    with bars() as bar:
        task = bar.add_task("drives", total=episodes)
        recording = record_drives(
            opened, range(first_seed, first_seed + episodes), lambda done, _: bar.update(task, completed=done), model
        )
    opened.close()
    write_drives(recording, out)
    typer.echo(f"{sum(len(e.drive) for e in recording.episodes)} frames of {episodes} drives in {out}")
