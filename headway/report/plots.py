"""The plots of a report, each from the rows of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headway.report.run import Row, Run
from headway.report.svg import Band, Line, Span, plot, timeline
from headway.types import Level

LEVEL_COLOURS = {Level.CLEAR: "#d6ead9", Level.NOTICE: "#f0a020", Level.ALERT: "#d92b2b", Level.UNSURE: "#a9b2bd"}
HOLDS_S = 0.5  # what was said of a frame holds until the next one, but no longer: silence is no alert that goes on
PEOPLE_SHOWN = 12
STATE_COLOURS = {"DRIVE": "#7fbf8e", "SLOW": "#f0a020", "HANDOVER": "#b565c9", "STOP": "#d92b2b"}


def all_plots(run: Run) -> list[tuple[str, str]]:
    """(title, SVG) in the order of the report; an empty drawing where there is nothing to show."""
    return [
        ("Latency of each stage", stages(run)),
        ("Risk", risk(run)),
        ("Steering with its interval", steering(run)),
        ("Throttle, brake and confidence", throttle(run)),
        ("Heads and people", people(run)),
    ]


def stages(run: Run) -> str:
    """Milliseconds of each stage over the run."""
    names = list(dict.fromkeys(s for row in run.rows for s, ms in row.stage_ms.items() if ms > 0))
    if not names:
        return ""
    lines = []
    for name in names:
        # Frames that a task skipped are no gap in its timing: the line goes on to the next one it worked on.
        timed = [(run.seconds(r.stamp_ns), r.stage_ms[name]) for r in run.rows if r.stage_ms.get(name, 0.0) > 0]
        lines.append(Line(name, [t for t, _ in timed], [ms for _, ms in timed]))
    return plot(lines, "ms")


def risk(run: Run) -> str:
    """Level of the whole scene and of every person that ever rose above clear, over time; of many people first those
    with alerts."""
    rows = [r for r in run.rows if "trajectory" in r.tasks]
    if not rows:
        return ""
    risen = [
        x["track_id"] for level in (Level.ALERT, Level.NOTICE) for r in rows for x in r.risks if x["level"] == level
    ]
    people = list(dict.fromkeys(risen))
    shown = sorted(people[:PEOPLE_SHOWN])
    spans = []
    for row, end in zip(rows, _ends(run, rows), strict=True):
        at = run.seconds(row.stamp_ns)
        spans.append(Span("scene", at, end, LEVEL_COLOURS[row.level], row.unsure or row.level.name.lower()))
        for item in row.risks:
            if item["track_id"] in shown:
                title = f"#{item['track_id']} {item['level'].name.lower()}, p {item['probability']:.2f}"
                spans.append(Span(f"#{item['track_id']}", at, end, LEVEL_COLOURS[item["level"]], title))
    names = ["scene", *(f"#{p}" for p in shown)]
    legend = [(level.name.lower(), colour) for level, colour in LEVEL_COLOURS.items()]
    more = len(people) - len(shown)
    return timeline(spans, names, run.duration_s, legend) + (f"<div>Not drawn: {more} more.</div>" if more else "")


def _ends(run: Run, rows: Sequence[Row]) -> list[float]:
    """Until when each row's word holds, in seconds."""
    at = [run.seconds(r.stamp_ns) for r in rows]
    return [min(following, own + HOLDS_S) for own, following in zip(at, [*at[1:], run.duration_s], strict=True)]


def steering(run: Run) -> str:
    """Commanded steering, its interval, and the ground truth where the bag has one."""
    rows = [r for r in run.rows if r.command]
    if not rows:
        return ""
    x = [run.seconds(r.stamp_ns) for r in rows]
    lines = [Line("command (+ = left)", x, [r.command["steering"] for r in rows])]
    if run.driven:
        lines.append(
            Line("ground truth", [run.seconds(s) for s, _ in run.driven], [v for _, v in run.driven], "#444", True)
        )
    band = Band("interval", x, [r.command["steering_low"] for r in rows], [r.command["steering_high"] for r in rows])
    states = [
        Span("state", run.seconds(r.stamp_ns), end, STATE_COLOURS[r.command["state"]], r.command["reason"])
        for r, end in zip(rows, _ends(run, rows), strict=True)
    ]
    legend = [(name.lower(), colour) for name, colour in STATE_COLOURS.items()]
    drawing = plot(lines, "-1 .. 1", [band], (-1.0, 1.0))
    return drawing + timeline(states, ["state"], run.duration_s, legend)


def throttle(run: Run) -> str:
    """Throttle, brake, confidence and target speed."""
    rows = [r for r in run.rows if r.command]
    if not rows:
        return ""
    x = [run.seconds(r.stamp_ns) for r in rows]
    lines = [Line(name, x, [r.command[name] for r in rows]) for name in ("throttle", "brake", "confidence")]
    lines.append(Line("target speed, m/s", x, [r.command["speed"] for r in rows], dashed=True))
    return plot(lines, "0 .. 1; m/s")


def people(run: Run) -> str:
    """How many heads and tracks each frame has."""
    shown: dict[str, tuple[str, Callable[[Row], int]]] = {
        "heads": ("head_pose", lambda r: r.heads),
        "looking at the camera": ("head_pose", lambda r: r.looking),
        "people followed": ("trajectory", lambda r: len(r.tracks)),
    }
    lines = []
    for name, (task, count) in shown.items():
        # As in `stages`: a frame that the task skipped is no gap, one that it refused is.
        rows = [r for r in run.rows if task in r.tasks]
        counts = [count(r) if r.tasks[task] == "" else None for r in rows]
        if rows:
            lines.append(Line(name, [run.seconds(r.stamp_ns) for r in rows], counts))
    return plot(lines, "count") if lines else ""
