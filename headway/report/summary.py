"""summary.json (its keys are fixed: more may be added, none renamed) and the table on the terminal."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from headway.report.run import Run
from headway.runtime.cpu import cpu_field
from headway.tasks import HEAD_POSE, TRAJECTORY


def summary(run: Run) -> dict[str, Any]:
    """The content of summary.json."""
    reasons = run.reasons()
    missed = sum(reasons.values())
    return {
        "frames": {
            "in": len(run.stamps),
            "answered": len(run.stamps) - missed,
            "dropped": missed,
            "by_reason": dict(reasons.most_common()),
        },
        "models": {task: _task(run, task) for task in run.tasks},
        "stages_ms": {name: _quantiles(values) for name, values in stage_times(run).items()},
        "unsure": dict(run.unsure().most_common()),
        "alerts": [asdict(a) for a in run.alerts()],
        "duration_s": run.duration_s,
        "bag": str(run.bag),
        "topics": vars(run.topics),
        "loss": run.loss,
        "notes": run.notes,
        "machine": machine(),
        "command": run.command,
    }


def _task(run: Run, task: str) -> dict[str, Any]:
    rows = [r for r in run.rows if task in r.tasks]
    ages = [r.age_ms[task] for r in rows if task in r.age_ms]
    name = task.replace("_", "-")
    others = tuple(t.replace("_", "-") for t in run.tasks if t != task)
    # A reference model (directmhp-s) does not carry its task's name: it is the one that is nobody else's.
    mine = [n for n in run.hashes if n.startswith(name)] or [n for n in run.hashes if not n.startswith(others)]
    return {
        "in": len(run.stamps),
        "out": sum(r.tasks[task] == "" for r in rows),
        "dropped": len(run.stamps) - sum(r.tasks[task] == "" for r in rows),
        "latency_ms": _quantiles(run.latency_ms(task)),
        "age_ms": _quantiles(ages),
        "hash": run.hashes[mine[0]] if mine else "",
        "saw": saw(run, task),
    }


def saw(run: Run, task: str) -> str:
    """One line on what the task said."""
    rows = [r for r in run.rows if r.tasks.get(task) == ""]
    if not rows:
        return "nothing"
    if task == HEAD_POSE:
        counts = [r.heads for r in rows]
        looking = _counted(sum(r.looking > 0 for r in rows), "frame", "frames")
        return f"{np.mean(counts):.1f} heads a frame, up to {max(counts)}; looked at in {looking}"
    if task == TRAJECTORY:
        people = _counted(len({t for r in rows for t in r.tracks}), "person", "people")
        return f"{people} followed, {_counted(len(run.alerts()), 'alert', 'alerts')}{_unsure(run.unsure())}"
    commands = [r.command for r in rows if r.command]
    states = Counter(c["state"] for c in commands)
    share = ", ".join(f"{name} {100 * n / len(commands):.0f} %" for name, n in states.most_common())
    steering = [c["steering"] for c in commands]
    return f"{share}; steering {min(steering):+.2f} to {max(steering):+.2f}"


def _unsure(reasons: Counter[str]) -> str:
    if not reasons:
        return ""
    return f"; unsure in {_counted(reasons.total(), 'frame', 'frames')}, mostly: {reasons.most_common(1)[0][0]}"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def stage_times(run: Run) -> dict[str, list[float]]:
    """stage -> milliseconds of every frame that was timed, stages in the order they ran."""
    times: dict[str, list[float]] = {}
    for row in run.rows:
        for stage, ms in row.stage_ms.items():
            if ms > 0:
                times.setdefault(stage, []).append(ms)
    return times


def _quantiles(values: Any) -> dict[str, float | None]:
    if not len(values):
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    import onnxruntime

    return {
        "cpu": cpu_field("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def with_loss(content: dict[str, Any]) -> bool:
    """True where the run ends with exit code 3: something was lost, or not one frame got an answer."""
    return bool(content["loss"]) or content["frames"]["answered"] == 0


def print_summary(content: dict[str, Any]) -> None:
    """The table on the terminal."""
    from rich.table import Table

    from headway.report.terminal import lines, marked, tables

    console = lines()
    table = Table("model", "in", "out", "dropped", "p50 ms", "p99 ms", "saw")
    for column in table.columns[1:6]:
        column.justify = "right"
    for name, task in content["models"].items():
        latency = ["-" if v is None else f"{v:.1f}" for v in task["latency_ms"].values()]
        counts = [str(task[k]) for k in ("in", "out", "dropped")]
        table.add_row(name.replace("_", "-"), *counts, *latency, task["saw"])
    tables().print(table)
    frames = content["frames"]
    console.print(
        f"{_counted(frames['in'], 'frame', 'frames')} in, {frames['answered']} answered, {frames['dropped']} not"
    )
    for reason, count in frames["by_reason"].items():
        console.print(f"  {count} x {reason}")
    for note in content["notes"]:
        console.print(f"note: {note}")
    if content["loss"]:
        console.print(marked("lost:", "yellow", content["loss"]))
