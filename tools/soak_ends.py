"""SIGTERM at random moments: `headway replay --graph` ends in order, leaves no process and a readable bag."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from live_graph import BAG

from headway.bags import BagReader
from headway.errors import HeadwayError

EARLIEST_S, LATEST_S = 0.3, 12.0
END_S = 30.0
SIGNALLED = (128 + signal.SIGTERM, -signal.SIGTERM)  # ended in order; before or after the graph, at once
WHOLE_GROUP = "every process"


def ends(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """So many runs, each ended at a random moment; alternately the command alone and every process of it."""
    moments, faults, frames, empty = random.Random(seed), [], 0, 0
    for number in range(count):
        after_s = round(moments.uniform(EARLIEST_S, LATEST_S), 3)
        who = (WHOLE_GROUP, "the command")[number % 2]
        fault, found = end_once(after_s, who == WHOLE_GROUP, folder / str(number))
        frames, empty = frames + found, empty + (found == 0)
        if fault:
            faults.append({"after_s": after_s, "to": who, "fault": fault})
            print(f"SIGTERM to {who} after {after_s} s: {fault}", flush=True)
    return {"count": count, "clean": count - len(faults), "seed": seed, "between_s": [EARLIEST_S, LATEST_S],
            "messages_read_back": frames, "without_messages": empty, "faults": faults}  # fmt: skip


def end_once(after_s: float, everybody: bool, out: Path) -> tuple[str, int]:
    """What was not clean ("" for nothing), and how many messages the bag holds."""
    out.mkdir()
    log = out / "command.log"
    command = [sys.executable, "-m", "headway.cli.main", "replay", str(BAG), "--out", str(out / "run"), "--graph"]
    with log.open("w", encoding="utf-8") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words, stdin=subprocess.DEVNULL)
    time.sleep(after_s)
    family = descendants(process.pid)
    for pid in [process.pid, *(family if everybody else [])]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    try:
        code = process.wait(END_S)
    except subprocess.TimeoutExpired:
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        return f"had not ended after {END_S:g} s", 0
    left = [pid for pid in family if running(pid)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    said = [f"{len(left)} processes were left"] if left else []
    # Every process at once: the command may hear of its nodes' end before its own signal, and then ends with 1.
    if code not in (*SIGNALLED, 0, *((1,) if everybody else ())):
        said.append(f"exit code {code}")
    for file in (log, *out.rglob("*.log")):
        if "Traceback" in file.read_text(encoding="utf-8", errors="replace"):
            said.append(f"a traceback in {file.name}")
    messages, fault = read_back(out / "run" / "output.mcap")
    return "; ".join([*said, *([fault] if fault else [])]), messages


def descendants(pid: int) -> list[int]:
    """Processes that were started by `pid`, and theirs."""
    with contextlib.suppress(OSError):
        children = [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
        return [p for child in children for p in (child, *descendants(child))]
    return []


def running(pid: int) -> bool:
    """False also for one that has ended and waits to be asked for its code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def read_back(bag: Path) -> tuple[int, str]:
    """Messages in the bag, and what is wrong with it; none yet is none at all."""
    if not bag.exists():
        return 0, ""
    try:
        with BagReader(bag) as reader:
            count = sum(1 for _ in reader.messages(list(reader.topics)))
            return count, f"the bag lost something: {reader.loss}" if reader.loss else ""
    except HeadwayError as error:
        return 0, f"the bag cannot be read: {error}"
