"""Everything that a run leaves behind beside its bag: annotated.mp4, report.html, summary.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.errors import UsageError
from headway.graph import OUTPUT
from headway.images import opencv_name
from headway.json_files import write_json
from headway.report.html import page, write_page
from headway.report.run import Run, collect
from headway.report.summary import summary
from headway.report.video import write_video
from headway.types import Level

if TYPE_CHECKING:
    from headway.bags.topics import InputTopics
    from headway.graph import Performance

VIDEO, REPORT, SUMMARY = "annotated.mp4", "report.html", "summary.json"
PICTURES = 6


def write_report(
    run: Run,
    out: Path,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    video: bool = True,
) -> dict[str, Any]:
    """Writes the three files into `out` (without `video`: no annotated.mp4 and no pictures); returns the summary."""
    pictures = write_video(run, out / VIDEO, set(telling_stamps(run)), progress) if video else {}
    content = summary(run)
    write_page(out / REPORT, page(run, content, pictures))
    write_json(out / SUMMARY, content)
    return content


def report_graph(
    bag: Path,
    performance: Performance,
    out: Path,
    command: str,
    title: str,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    video: bool = True,
    wanted: InputTopics | None = None,
) -> dict[str, Any]:
    """The report of a run through the ROS 2 graph; latencies and drops are those that the graph's run measured.
    `wanted`: what `run_graph` was given."""
    dropped = {task: Counter(performance.drop_reasons(task)) for task in performance.tasks}
    run = collect(bag, performance.output, wanted, command, title, dropped=dropped)
    run.latencies = {task: list(found["latency_ms"]) for task, found in performance.tasks.items()}
    run.loss = run.loss or performance.loss
    run.notes += performance.problems
    return write_report(run, out, progress, video)


def output_folder(out: Path) -> Path:
    """`out`, made where it does not exist. Raises UsageError where that is impossible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made: {error.strerror}") from error
    return out


def fresh_folder(out: Path, bag: Path, video: bool = True) -> Path:
    """`out`, made where it does not exist, without the results of an earlier run: none may stand beside new ones as if
    it were of theirs. Where there is no bag, it stays as it is.

    Raises UsageError where the run would write over `bag`, or could not write its video, before any work is done.
    """
    results = [output_folder(out) / name for name in (OUTPUT, VIDEO, REPORT, SUMMARY)]
    if bag.resolve() in (results[0].resolve(), out.resolve()):
        raise UsageError(f"--out {out} would replace the bag that is read: name another folder")
    if video:
        opencv_name(out / VIDEO)
    if bag.exists():
        for file in results:
            file.unlink(missing_ok=True)
    return out


def telling_stamps(run: Run, count: int = PICTURES) -> list[int]:
    """The stamp with most to see of each `count`-th of the run: alerts first, then risk, then heads."""

    def interest(index: int) -> tuple[float, ...]:
        row = run.rows[index]
        worst = max((r["probability"] for r in row.risks), default=0.0)
        # Of frames with the same to see, the middle one: it differs most from its neighbours' choice.
        return (float(row.level == Level.ALERT), round(worst, 1), float(row.heads), -abs(index - middle))

    chosen = []
    for part in range(count):
        first, last = part * len(run.rows) // count, (part + 1) * len(run.rows) // count
        if first < last:
            middle = (first + last) / 2
            chosen.append(run.rows[max(range(first, last), key=interest)].stamp_ns)
    return chosen
