"""Frames from one process to another through the shipped profile: who lost what, how regular, how old.

    python tools/transport.py [--seconds 60] [--nodes head_pose,driving,headway] [--realtime 10]
                              [--params FILE] [--json FILE]

For each node: raw bgr8 images of --size at --rate from a camera process, with the bundled recording's other sensors,
then the same at --times the rate. Exit code 1 where a promise of docs/reliability.md is broken; --counts-only checks
no time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from live_graph import BAG, Ear, Graph, Heard, inputs, look, machine

from headway.nodes.inputs import LOST, QUEUE

HOSTED = {"head_pose": ("head_pose",), "driving": ("driving",), "headway": ("driving", "head_pose", "trajectory")}
MOST_RATIO, MOST_RELATIVE_SD, MOST_P99_MS = 2.5, 0.35, 33.0
MOST_GROWTH = 0.01
KEPT_FRAMES = QUEUE  # the reader's history takes memory for them one by one, as it falls behind
RAW_TOPIC = "/camera/image_raw"
WARM_FRAMES = 15  # at most, before the first whose time counts


def run(node: str, arguments: argparse.Namespace, rate_hz: float, seconds: float, logs: Path) -> dict[str, Any]:
    """One camera, one node; what became of each frame."""
    topics, _ = inputs(BAG)
    frames = round(rate_hz * seconds)
    roles = {role: topic for role, topic in vars(topics).items() if topic}
    tasks = HOSTED[node]
    with Graph(logs, arguments.realtime, arguments.params) as graph:
        process = graph.node(node, replace(topics, image=RAW_TOPIC), "autostart:=true", compressed=False)
        with Ear(dict.fromkeys(tasks, node)) as ear:
            ear.until(lambda: ear.diagnostics.get(node, {}).get("state") == "active", f"{node} was not active")
            listening = {"image": 1} | ({"imu": 1, "odom": 1, "camera_info": 1} if node == "headway" else {})
            camera = graph.camera({
                "bag": str(BAG), "topics": roles, "raw": arguments.size, "rate_hz": rate_hz, "frames": frames,
                "subscribers": listening, "image_as": RAW_TOPIC,
            })  # fmt: skip
            ear.until(lambda: bool(camera.stdout and camera.stdout.readline()), "the camera did not start")
            readings = []
            while camera.poll() is None:
                readings.append(look(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    camera.wait(0.25)
            ear.final([node])
            ear.final([node])
        code = graph.end(node)
        return account(node, rate_hz, graph.sent(), ear, readings) | {"exit_code": code}


def account(node: str, rate_hz: float, sent: list[tuple[int, int]], ear: Ear, readings: list[Any]) -> dict[str, Any]:
    """Counts from the node's own diagnostics, checked against what was heard; times from the answers."""
    said = ear.diagnostics[node]
    dropped = {k.removeprefix("dropped: "): int(v) for k, v in said.items() if k.startswith("dropped: ")}
    known, answered = int(said["received"]), int(said["answered"])
    # What the node never saw before its first frame: it cannot know of it, the place of its first answer tells.
    stamps = {stamp: (i, at) for i, (stamp, at) in enumerate(sent)}
    heard = {task: answers(ear.answers[task], stamps) for task in HOSTED[node]}
    first = next(iter(heard[HOSTED[node][0]].values()), None)
    lost_first = stamps[first.stamp_ns][0] - first.index if first else len(sent)
    lost = dropped.pop(LOST, 0) + lost_first + (len(sent) - known - lost_first)
    main = list(heard[HOSTED[node][0]].values())
    warm = main[min(WARM_FRAMES, len(main) // 10) :]
    result = {
        "node": node, "rate_hz": rate_hz, "sent": len(sent), "received": len(sent) - lost, "answered": answered,
        "heard": {task: len(found) for task, found in heard.items()},
        "not_valid": dict(Counter(h.reason for h in main if not h.valid)), "dropped": dropped,
        "unexplained": known - answered - sum(dropped.values()) - int(said.get(f"dropped: {LOST}", 0)),
        "camera_interval_ms": spread(np.diff([at for _, at in sent]) * 1e-6),
        # By the node's own word, in its diagnostics: how regularly frames came to it.
        "received_interval_ms": received(ear.told[node]),
        # From the stamp and the age that an answer was published with. What the listener adds stands beside it.
        "interval_ms": spread(np.diff([h.stamp_ns * 1e-6 + h.age_ms for h in warm])),
        "heard_interval_ms": spread(np.diff([h.at_ns for h in warm]) * 1e-6),
        "age_ms": quantiles([h.age_ms for h in warm]),
        "waited_ms": quantiles([h.age_ms - h.busy_ms for h in warm]),
        "heard_after_ms": quantiles([(h.at_ns - stamps[h.stamp_ns][1]) * 1e-6 for h in warm]),
        "age_in_every_message": all(h.age_ms > 0.0 for found in heard.values() for h in found.values()),
        "diagnostics_age_ms": {q: float(said[f"age_{q}_ms"]) for q in ("p50", "p99") if f"age_{q}_ms" in said},
        "rss_mib": round(readings[-1].rss_kb / 1024, 1) if readings else None,
        "rss_growth": growth([r.rss_kb for r in readings]),
        # Without the transport's shared memory: its segments (64 MiB a process) fill when a reader falls behind.
        "private_growth": growth([r.rss_kb - r.shared_kb for r in readings]),
        "private_mib": round((readings[-1].rss_kb - readings[-1].shared_kb) / 1024, 1) if readings else None,
    }  # fmt: skip
    return result


def received(told: list[dict[str, str]]) -> dict[str, float]:
    """Intervals between arrivals over a whole run, from diagnostics that each cover the last frames: the shortest, the
    longest, and the worst relative standard deviation that any of them had."""
    said = [d for d in told if "interval_max_ms" in d and float(d["rate_hz"]) > 0.0]
    if not said:
        return {}
    low, high = min(float(d["interval_min_ms"]) for d in said), max(float(d["interval_max_ms"]) for d in said)
    spread = max(float(d["interval_sd_ms"]) * float(d["rate_hz"]) * 1e-3 for d in said)
    return {"min": low, "max": high, "max_over_min": rounded(high / max(low, 1e-6)), "relative_sd": rounded(spread)}


def answers(found: list[Heard], stamps: dict[int, Any]) -> dict[int, Heard]:
    """index -> first answer; what a node says of itself while its input is silent repeats a frame that was answered."""
    first: dict[int, Heard] = {}
    for heard in found:
        if heard.stamp_ns in stamps:
            first.setdefault(heard.index, heard)
    return first


def spread(intervals: np.ndarray) -> dict[str, float]:
    """Regularity of intervals in ms."""
    if len(intervals) < 2:
        return {}
    low, high = float(intervals.min()), float(intervals.max())
    return {"p50": rounded(np.median(intervals)), "min": rounded(low), "max": rounded(high),
            "max_over_min": rounded(high / max(low, 1e-6)),
            "relative_sd": rounded(intervals.std() / intervals.mean())}  # fmt: skip


def quantiles(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    if not values:
        return {}
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": rounded(p50), "p99": rounded(p99), "max": rounded(max(values))}


def growth(values: list[int]) -> float | None:
    """Of the median of the last quarter over that of the second quarter."""
    quarter = len(values) // 4
    if quarter < 2:
        return None
    return rounded(np.median(values[-quarter:]) / np.median(values[quarter : 2 * quarter]) - 1.0)


def rounded(value: Any) -> float:
    """Three digits are more than these numbers have."""
    return round(float(value), 3)


def broken(result: dict[str, Any], nominal_hz: float, times: bool) -> list[str]:
    """Promises that this run did not keep."""
    said = []
    if result["unexplained"] or any(n != result["answered"] for n in result["heard"].values()):
        said.append(f"answered {result['answered']}, heard {result['heard']}, unexplained {result['unexplained']}")
    if not result["age_in_every_message"] or len(result["diagnostics_age_ms"]) != 2:
        said.append("no age in every message and in diagnostics")
    if result["exit_code"] != 0:
        said.append(f"exit code {result['exit_code']}")
    fast = result["rate_hz"] > 1.5 * nominal_hz
    if not fast and result["received"] != result["sent"]:
        said.append(f"received {result['received']} of {result['sent']}")
    if not times:
        return said
    if fast:
        # The newest frame wins: none waits longer than the nominal period, however many come.
        if result["waited_ms"]["p99"] > 1e3 / nominal_hz:
            said.append(f"frames waited {result['waited_ms']['p99']} ms (p99)")
        grown = result["private_growth"] or 0.0
        if grown > MOST_GROWTH and grown * result["private_mib"] > result["history_mib"]:
            said.append(f"memory grew by {100 * grown:.1f} %")
        return said
    for what in ("received", "answered"):
        spans = result["received_interval_ms" if what == "received" else "interval_ms"]
        if spans["max_over_min"] > MOST_RATIO or spans["relative_sd"] > MOST_RELATIVE_SD:
            said.append(f"{what} at intervals max/min {spans['max_over_min']}, relative sd {spans['relative_sd']}")
    for what in ("waited", "age"):
        if result[f"{what}_ms"]["p99"] > MOST_P99_MS:
            said.append(f"{what} p99 {result[f'{what}_ms']['p99']} ms")
    return said


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--times", type=float, default=10.0, help="second run at so many times the rate; 0: none")
    parser.add_argument("--size", type=lambda s: [int(n) for n in s.split("x")], default=[1280, 720])
    parser.add_argument("--realtime", type=int, default=0, help="round-robin priority of the nodes; needs the right to")
    parser.add_argument("--params", type=Path, help="parameter file of the nodes; default: those of the launch files")
    parser.add_argument("--nodes", default=",".join(HOSTED))
    parser.add_argument("--counts-only", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    described, rows, faults = machine(), [], []
    for node in arguments.nodes.split(","):
        rates = [(arguments.rate, arguments.seconds)]
        if arguments.times:
            rates.append((arguments.rate * arguments.times, max(2.0, arguments.seconds / 6)))
        for rate_hz, seconds in rates:
            with tempfile.TemporaryDirectory() as logs:
                row = run(node, arguments, rate_hz, seconds, Path(logs))
            row["history_mib"] = rounded(KEPT_FRAMES * 3 * arguments.size[0] * arguments.size[1] / 2**20)
            row["broken"] = broken(row, arguments.rate, not arguments.counts_only)
            faults += [f"{node} at {rate_hz:g} Hz: {text}" for text in row["broken"]]
            rows.append(row)
            print(f"{node} at {rate_hz:g} Hz: sent {row['sent']}, received {row['received']}, answered "
                  f"{row['answered']}, dropped {row['dropped']}, age {row['age_ms']}, "
                  f"received at {row['received_interval_ms']}, "
                  f"answered at {row['interval_ms']}", flush=True)  # fmt: skip
    content = {"size": arguments.size, "rows": rows, "machine": described, "load_1min_after": machine()["load_1min"],
               "command": " ".join(["python", *sys.argv])}  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for text in faults:
        print(f"broken: {text}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
