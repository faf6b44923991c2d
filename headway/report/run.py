"""What a run said, as plain rows, read from its input bag and its output bag (written by replay or by the graph)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from headway import messages
from headway.bags import BagReader
from headway.bags.topics import InputTopics, choose_topics, other_images
from headway.errors import BagError
from headway.sensors import stamp_of
from headway.tasks import DRIVING, HEAD_POSE, TASKS, TRAJECTORY
from headway.types import DriveState, Level

TASK_OF = {
    messages.HEADS: HEAD_POSE,
    messages.FORECASTS: TRAJECTORY,
    messages.RISK: TRAJECTORY,
    messages.COMMAND: DRIVING,
}
STAGES_OF = {
    HEAD_POSE: ("decode", "heads"),
    TRAJECTORY: ("tracks", "forecast", "risk", "heads_up"),
    DRIVING: ("decode", "drive", "gate"),
}
GROUND_TRUTH = "/ground_truth/"
SKIPPED = "skipped for a newer frame"
ALERT_GAP_S = 0.5  # alerts of one person this close together are one
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Row:
    """Everything said about one image. tasks: task -> "" where answered, else the reason why not."""

    stamp_ns: int
    tasks: dict[str, str] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)
    age_ms: dict[str, float] = field(default_factory=dict)
    heads: int = 0
    looking: int = 0
    tracks: tuple[int, ...] = ()
    level: Level = Level.UNSURE
    risks: list[dict[str, Any]] = field(default_factory=list)
    unsure: str = ""
    command: dict[str, Any] = field(default_factory=dict)


def _taken(left: dict[str, Counter[str]], task: str) -> str:
    """Takes one of the reasons that are known for missing messages of `task`."""
    for reason, count in left.get(task, Counter()).items():
        if count > 0:
            left[task][reason] -= 1
            return reason
    return SKIPPED


@dataclass
class Alert:
    """One person's alert, from its first to its last frame; the shortest time to contact, the highest probability."""

    track_id: int
    start_s: float
    end_s: float
    time_to_contact_s: float | None
    probability: float
    direction: str
    reason: str


@dataclass
class Run:
    """A run to be reported. Times in `rows` are stamps."""

    bag: Path
    output: Path
    topics: InputTopics
    command: str
    title: str
    stamps: list[int] = field(default_factory=list)  # of all images in the bag
    rows: list[Row] = field(default_factory=list)  # of those with any answer, by stamp
    hashes: dict[str, str] = field(default_factory=dict)  # model -> SHA-256
    driven: list[tuple[int, float]] = field(default_factory=list)  # ground truth: stamp, steering
    dropped: dict[str, Counter[str]] = field(default_factory=dict)  # task -> why frames got no message -> frames
    latencies: dict[str, list[float]] = field(default_factory=dict)  # task -> ms, where measured from outside
    notes: list[str] = field(default_factory=list)
    loss: str = ""

    @cached_property
    def start_ns(self) -> int:
        """The earliest stamp: not the first image's where stamps went back."""
        return min(self.stamps)

    @cached_property
    def duration_s(self) -> float:
        """Seconds from the earliest stamp to the latest."""
        return self.seconds(max(self.stamps))

    def seconds(self, stamp_ns: int) -> float:
        """Seconds since the earliest stamp."""
        return (stamp_ns - self.start_ns) * 1e-9

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that took part."""
        return tuple(t for t in TASKS if any(t in row.tasks for row in self.rows))

    def latency_ms(self, task: str) -> np.ndarray:
        """Image to answer, one number for each answered frame: as measured from outside, else the sum of the stages."""
        if task in self.latencies:
            return np.array(self.latencies[task])
        rows = [r.stage_ms for r in self.rows if r.tasks.get(task) == ""]
        times = [sum(ms.get(stage, 0.0) for stage in STAGES_OF[task]) for ms in rows]
        return np.array([t for t in times if t > 0])

    def reasons(self) -> Counter[str]:
        """Why frames were not answered, reason -> frames; their sum is the number of frames not answered."""
        rows = {row.stamp_ns: row for row in self.rows}
        left = {task: Counter(counts) for task, counts in self.dropped.items()}
        reasons: Counter[str] = Counter()
        for stamp_ns in self.stamps:
            row = rows.pop(stamp_ns, None)  # a second image with the same stamp was not answered
            said = row.tasks if row else {}
            found = {t: said[t] if t in said else _taken(left, t) for t in self.tasks if said.get(t) != ""}
            if found:
                task, reason = next(iter(found.items()))
                everywhere = len(found) == len(self.tasks) and len(set(found.values())) == 1
                reasons[reason if everywhere else f"{task}: {reason}"] += 1
        return reasons

    def unsure(self) -> Counter[str]:
        """Why answered frames were unsure, reason -> frames. Of several reasons the first counts, the most basic one;
        reasons that differ in their numbers alone are one, told as it was said most often."""
        said = [r.unsure.partition(";")[0] for r in self.rows if r.unsure and r.tasks.get(TRAJECTORY) == ""]
        variants: dict[str, Counter[str]] = {}
        for reason in said:
            variants.setdefault(_NUMBER.sub("0", reason), Counter())[reason] += 1
        return Counter({found.most_common(1)[0][0]: found.total() for found in variants.values()})

    def alerts(self) -> list[Alert]:
        """Alerts in the order they began."""
        found: list[Alert] = []
        for row in self.rows:
            at = self.seconds(row.stamp_ns)
            for risk in row.risks:
                if risk["level"] != Level.ALERT:
                    continue
                same = [a for a in found if a.track_id == risk["track_id"] and at - a.end_s <= ALERT_GAP_S]
                if same:
                    same[-1].end_s = at
                    times = [t for t in (same[-1].time_to_contact_s, risk["time_to_contact"]) if t is not None]
                    same[-1].time_to_contact_s = min(times, default=None)
                    same[-1].probability = max(same[-1].probability, risk["probability"])
                else:
                    names = ("time_to_contact", "probability", "direction", "reason")
                    found.append(Alert(risk["track_id"], at, at, *(risk[n] for n in names)))
        return found


def collect(
    bag: Path,
    output: Path,
    wanted: InputTopics | None = None,
    command: str = "",
    title: str = "replay",
    stage_ms: dict[int, dict[str, float]] | None = None,
    dropped: dict[str, Counter[str]] | None = None,
    limit: int | None = None,
) -> Run:
    """Reads both bags. `wanted`: topics that the user named, the others are chosen as they were for the run.
    `stage_ms` (stamp -> stage -> ms) is given where the output's traces carry no durations."""
    with BagReader(bag) as reader:
        run = Run(bag, output, choose_topics(reader, wanted), command, title, dropped=dropped or {})
        if not (wanted and wanted.image) and (note := other_images(reader, run.topics.image)):
            run.notes.append(note)
        truth = [n for n in reader.of_type(messages.COMMAND) if n.startswith(GROUND_TRUTH)]
        _read_input(run, reader, truth, limit)
        run.loss = reader.loss
    rows: dict[int, Row] = {}
    with BagReader(output) as reader:
        for message in reader.messages(output_topics(reader)):
            decoded = message.decode()
            stamp_ns = stamp_of(decoded) or message.stamp_ns
            row = rows.setdefault(stamp_ns, Row(stamp_ns))
            _take(run, row, message.msgtype, decoded)
        if reader.loss:
            run.notes.append(f"output: {reader.loss}")
    for stamp_ns, timings in (stage_ms or {}).items():
        if stamp_ns in rows:
            rows[stamp_ns].stage_ms = timings
    known = set(run.stamps)
    # What a heartbeat says while images stay away carries other stamps: it answers no frame.
    run.rows = [rows[s] for s in sorted(rows) if s in known]
    return run


def output_topics(reader: BagReader) -> list[str]:
    """Topics that carry headway's answers."""
    return [n for n in reader.of_type(*TASK_OF) if not n.startswith(GROUND_TRUTH)]


def _read_input(run: Run, reader: BagReader, truth: list[str], limit: int | None) -> None:
    for message in reader.messages([run.topics.image, *truth]):
        try:
            decoded = message.decode()
        except BagError:
            decoded = None
        if message.topic != run.topics.image:
            if decoded is not None:
                run.driven.append((stamp_of(decoded), float(decoded.steering)))
            continue
        if limit and len(run.stamps) >= limit:
            break
        run.stamps.append((stamp_of(decoded) if decoded is not None else 0) or message.stamp_ns)
    if not run.stamps:
        raise BagError(f"{run.bag} has no message on {run.topics.image}")


def _take(run: Run, row: Row, msgtype: str, message: Any) -> None:
    task = TASK_OF[msgtype]
    if not message.valid and row.tasks.get(task) == "":
        return  # said by a node of itself while its input is silent, under the stamp of the last frame it answered
    if not message.valid:
        row.tasks[task] = row.tasks.get(task) or message.reason or "not valid"
    else:
        row.tasks.setdefault(task, "")
    trace = message.trace
    row.stage_ms.update(zip(trace.stages, (float(v) for v in trace.stage_ms), strict=False))
    if trace.age_ms > 0:
        row.age_ms[task] = float(trace.age_ms)
    run.hashes.update(zip(trace.models, trace.hashes, strict=False))
    if msgtype == messages.HEADS:
        row.heads = len(message.heads)
        row.looking = sum(h.attention > 0.5 for h in message.heads)
    elif msgtype == messages.FORECASTS:
        row.tracks = tuple(int(f.track_id) for f in message.forecasts)
    elif msgtype == messages.RISK:
        row.level, row.unsure = Level(message.level), message.reason if message.unsure else ""
        row.risks = [_risk(r) for r in message.risks]
    else:
        names = ("steering", "throttle", "brake", "steering_low", "steering_high", "confidence", "speed", "reason")
        row.command = {n: getattr(message, n) for n in names} | {"state": DriveState(message.state).name}


def _risk(risk: Any) -> dict[str, Any]:
    return {
        "track_id": int(risk.track_id),
        "level": Level(risk.level),
        "time_to_contact": float(risk.time_to_contact) if risk.contact else None,
        "probability": float(risk.probability),
        "closest": float(risk.closest),
        "direction": risk.direction,
        "reason": risk.reason,
    }
