"""The live graph for a long time: does it grow, slow down, fall silent, or refuse to end?

    make soak [SECONDS=600]        or: python tools/soak.py [--seconds 600] [--cycles 100] [--terms 50]
                                                                    [--realtime 10] [--json FILE]

1. three node processes, fed by a camera process that plays the bundled recording with the stamps of now;
2. lifecycle cycles of the node with all tasks: configure, activate, one answer, deactivate, clean up;
3. `headway replay --graph`, ended by SIGTERM at random moments: the command alone, or every process at once as systemd
   does. A later run of a part alone (0 leaves one out) keeps the other parts of --json.

Exit code 1: a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from live_graph import BAG, Ear, Graph, Reading, inputs, look, machine
from soak_ends import ends
from transport import answers, quantiles, rounded

from headway.errors import HeadwayError
from headway.nodes.inputs import LOST
from headway.tasks import TASKS

MOST_GROWTH = 0.01
MOST_LOG_BYTES, LOG_WINDOW_S = 350_000, 25.0
LEAST_ANSWERED = 0.95
MOST_AGE_PERIODS = 3
CYCLE = ("configure", "activate", "deactivate", "cleanup")
TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}


def live(seconds: float, logs: Path, realtime: int, params: Path | None = None) -> dict[str, Any]:
    """The three nodes on live sensors."""
    topics, compressed = inputs(BAG)
    with Graph(logs, realtime, params) as graph:
        processes = {n: graph.node(n, topics, "autostart:=true", compressed=compressed) for n in TASKS}
        with Ear({task: task for task in TASKS}) as ear:
            ear.until(lambda: all(ear.diagnostics.get(n, {}).get("state") == "active" for n in TASKS), "not active")
            camera = graph.camera(plan(vars(topics), {"image": 2, "camera_info": 2, "imu": 1, "odom": 2}, seconds))
            ear.until(lambda: bool(camera.stdout and camera.stdout.readline()), "the camera did not start")
            readings: dict[str, list[Reading]] = {n: [] for n in TASKS}
            logged = [(time.monotonic(), 0)]  # what was said at the start counts too
            while camera.poll() is None:
                logged.append((time.monotonic(), graph.log_bytes()))
                for name, process in processes.items():
                    readings[name].append(look(process.pid))
                time.sleep(1.0)
            for _ in range(2):
                ear.final(list(TASKS))
        codes = {name: graph.end(name) for name in TASKS}
        sent = graph.sent()
        stamps = dict(sent)
        tasks = {t: task_row(t, len(sent), ear, stamps, readings[t]) | {"exit_code": codes[t]} for t in TASKS}
    period_s = float(np.median(np.diff([at for _, at in sent]))) * 1e-9
    return {"seconds": seconds, "frames": len(sent), "period_ms": rounded(1e3 * period_s), "nodes": tasks,
            "log_bytes_per_25_s": most_in_window(logged)}  # fmt: skip


def plan(roles: dict[str, str], subscribers: dict[str, int], seconds: float) -> dict[str, Any]:
    """What the camera is to do."""
    return {"bag": str(BAG), "topics": {k: v for k, v in roles.items() if v}, "raw": None, "seconds": seconds,
            "subscribers": subscribers}  # fmt: skip


def task_row(task: str, frames: int, ear: Ear, stamps: dict[int, int], readings: list[Reading]) -> dict[str, Any]:
    """One node: its account, the age of its answers, what became of its process."""
    said = ear.diagnostics[task]
    dropped = {k.removeprefix("dropped: "): int(v) for k, v in said.items() if k.startswith("dropped: ")}
    heard = list(answers(ear.answers[task], stamps).values())
    warm = readings[min(60, len(readings) // 5) :]
    chained = task == "trajectory"  # it lives on the answers of head_pose
    return {
        "sent": int(ear.diagnostics["head_pose"]["answered"]) if chained else frames, "known": int(said["received"]),
        "lost": dropped.pop(LOST, 0), "dropped": dropped,
        "answered": int(said["answered"]), "heard": len(heard), "not_valid": sum(not h.valid for h in heard),
        "unexplained": int(said["received"]) - int(said["answered"]) - int(said["dropped"]),
        "age_ms": quantiles([h.age_ms for h in heard]), **grown(warm),
    }  # fmt: skip


def grown(
    readings: list[Reading], share: float = 0.1, level: Callable[[list[int]], float] = np.median
) -> dict[str, Any]:
    """First against last `share` of what was seen after warm-up."""
    count = max(1, round(share * len(readings)))
    first, last = readings[:count], readings[-count:]
    rss = [float(level([r.rss_kb for r in part])) for part in (first, last)]
    return {
        "rss_mib": [round(v / 1024, 1) for v in rss], "rss_growth": rounded(rss[1] / rss[0] - 1.0),
        "threads": [max(r.threads for r in part) for part in (first, last)],
        "handles": [max(r.handles for r in part) for part in (first, last)],
    }  # fmt: skip


def most_in_window(logged: list[tuple[float, int]]) -> int:
    """Most bytes that were logged within 25 s."""
    return max((b - next(n for t, n in logged if t >= at - LOG_WINDOW_S) for at, b in logged), default=0)


def cycles(count: int, logs: Path, realtime: int, params: Path | None = None) -> dict[str, Any]:
    """One node with all tasks, brought up and down again and again while the camera plays."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    topics, compressed = inputs(BAG)
    with Graph(logs, realtime, params) as graph:
        process = graph.node("headway", topics, compressed=compressed)
        with Ear(dict.fromkeys(("driving",), "headway")) as ear:
            client = ear.node.create_client(ChangeState, "/headway/change_state")
            ear.until(client.service_is_ready, "the node did not start")
            camera = graph.camera(plan(vars(topics), {}, 86400.0))
            ear.until(lambda: bool(camera.stdout and camera.stdout.readline()), "the camera did not start")
            readings, began = [], time.monotonic()
            for number in range(count):
                for name in CYCLE:
                    future = client.call_async(ChangeState.Request(transition=Transition(id=TRANSITIONS[name])))
                    ear.until(future.done, f"{name} {number} has not ended")
                    if not future.result().success:
                        raise SystemExit(f"error: {name} failed in cycle {number}")
                    if name == "activate":
                        ear.answers["driving"].clear()
                        ear.until(lambda: any(h.valid for h in ear.answers["driving"]), "no valid command")
                readings.append(look(process.pid))
            took_s = time.monotonic() - began
        codes = [graph.end("camera"), graph.end("headway")]
    return {
        "cycles": count,
        "seconds": rounded(took_s),
        "exit_codes": codes,
        **grown(readings[count // 5 :], 0.25, max),
    }


def broken(content: dict[str, Any]) -> list[str]:
    """Promises that were not kept."""
    said = []
    part = content.get("live", {})
    for name, row in part.get("nodes", {}).items():
        if row["unexplained"] or row["heard"] != row["answered"]:
            said.append(f"{name}: answered {row['answered']}, heard {row['heard']}, unexplained {row['unexplained']}")
        if row["answered"] < LEAST_ANSWERED * row["sent"]:
            said.append(f"{name}: answered {row['answered']} of {row['sent']}")
        if row["age_ms"]["p99"] > MOST_AGE_PERIODS * part["period_ms"]:
            said.append(f"{name}: age p99 {row['age_ms']['p99']} ms")
        said += [f"{name}: {text}" for text in growths(row)]
        said += [f"{name}: exit code {row['exit_code']}"] if row["exit_code"] else []
    if part.get("log_bytes_per_25_s", 0) >= MOST_LOG_BYTES:
        said.append(f"{part['log_bytes_per_25_s']} bytes logged within 25 s")
    if cycled := content.get("cycles"):
        said += [f"lifecycle: {text}" for text in growths(cycled)]
        said += [f"lifecycle: exit codes {cycled['exit_codes']}"] if any(cycled["exit_codes"]) else []
    if ended := content.get("ends"):
        said += [f"SIGTERM after {e['after_s']} s: {e['fault']}" for e in ended["faults"]]
    return said


def growths(row: dict[str, Any]) -> list[str]:
    """What grew that must not."""
    said = [f"{key} grew {row[key]}" for key in ("threads", "handles") if row[key][1] > row[key][0]]
    return said + ([f"memory grew by {100 * row['rss_growth']:.1f} %"] if row["rss_growth"] > MOST_GROWTH else [])


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the live graph")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--terms", type=int, default=50)
    parser.add_argument("--realtime", type=int, default=0, help="round-robin priority of the nodes; needs the right to")
    parser.add_argument("--params", type=Path, help="parameter file of the nodes; default: those of the launch files")
    parser.add_argument("--seed", type=int, default=7, help="of the moments at which SIGTERM is sent")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    content = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    command = " ".join(["python", *sys.argv])
    for name, wanted, run in (
        ("live", arguments.seconds, lambda n, d: live(n, d, arguments.realtime, arguments.params)),
        ("cycles", arguments.cycles, lambda n, d: cycles(n, d, arguments.realtime, arguments.params)),
        ("ends", arguments.terms, lambda n, d: ends(n, arguments.seed, d)),
    ):
        if not wanted:
            continue
        described = machine()
        with tempfile.TemporaryDirectory() as folder:
            try:
                content[name] = run(wanted, Path(folder)) | {"command": command, "machine": described}
            except (HeadwayError, OSError) as error:
                raise SystemExit(f"error: {name}: {error}") from error
        print(json.dumps({k: v for k, v in content[name].items() if k != "machine"}), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    said = broken(content)
    for text in said:
        print(f"broken: {text}", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
