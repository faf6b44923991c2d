"""Runs faults over a bag and judges each: found in how many periods, what was said, safe, recovered after how long."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics, choose_topics
from headway.errors import BagError
from headway.faults.engines import Tasks
from headway.faults.inject import CAUTION, FAULTS, HALT, NEWEST, NOTHING, ORDER, STOP, TOLD, UNSURE, Fault, Injector
from headway.faults.live import ANSWER_NS, LiveRun, Record, Said
from headway.node_config import HeadwayNodeConfig, open_pipeline
from headway.stages.gate import HEARTBEAT_S

DETECT_PERIODS = 3.0  # the promise
RECOVER_S = 1.0  # the promise
START_S, DURATION_S = 3.0, 3.0  # of a fault, from the first image on
LONG_START_S = 2.0  # of one of more than 30 frames: the bundled bags are ten seconds long
AFTER_S = 1.5  # played after a fault
SETTLE_S = 0.5  # after the heartbeat: by then the foot is off the throttle
STALE_ODOMETRY_S = 0.35  # sensors.odometry_max_age_s, and the frame that notices
SILENCE_S = 0.25  # the watch repeats itself every 0.2 s


@dataclass(frozen=True)
class Outcome:
    """One fault judged. periods and recovered_s are None where the fault is not to be found (one lost frame), or was
    not; unsafe says what was not safe, "" where all was."""

    fault: str
    changed: int
    periods: float | None
    said: str
    safe: str
    unsafe: str
    recovered_s: float | None
    finite: bool

    @property
    def kept(self) -> bool:
        """All four promises."""
        found = self.safe == NOTHING or (self.periods is not None and self.periods <= DETECT_PERIODS)
        back = self.recovered_s is not None and self.recovered_s <= RECOVER_S
        return bool(self.changed) and found and back and not self.unsafe and self.finite


def run_faults(
    bag: Path,
    names: list[str],
    config: HeadwayNodeConfig | None = None,
    wanted: InputTopics | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Outcome]:
    """Plays the bag once for each fault, which lasts from START_S after its first image for DURATION_S.

    Raises BagError where the bag is too short or lacks the topic, ModelError and EngineError as they come. The outcome
    depends on bag and models only, not on the speed of this machine.
    """
    config = config or HeadwayNodeConfig()
    tasks = Tasks(open_pipeline(config), config)
    outcomes = []
    try:
        for done, name in enumerate(names):
            progress(done, len(names))
            outcomes.append(_run(bag, FAULTS[name], tasks, config, wanted))
    finally:
        tasks.close()
    return outcomes


def _run(bag: Path, fault: Fault, tasks: Tasks, config: HeadwayNodeConfig, wanted: InputTopics | None) -> Outcome:
    with BagReader(bag) as reader, tempfile.TemporaryDirectory(prefix="headway-fault-") as folder:
        topics = choose_topics(reader, wanted)
        first = next(reader.messages([topics.image]), None)
        if first is None:
            raise BagError(f"{bag} has no image on {topics.image}")
        start_ns = first.stamp_ns + round(1e9 * (LONG_START_S if fault.frames > 30 else START_S))
        end_ns = start_ns + round(1e9 * DURATION_S)
        injector = Injector(fault, topics, start_ns, end_ns)
        with BagWriter(Path(folder) / "output.mcap") as writer:
            run = LiveRun(reader, writer, tasks, config, topics, injector)
            until = end_ns + round(1e9 * max(AFTER_S, fault.frames * 0.1))
            record = run.play(reader.messages(topics.names), until)
    if not injector.count:
        missing = f"has no {fault.role} topic" if not injector.topic else f"ends before {START_S:g} s"
        raise BagError(f"{bag} {missing}: the fault '{fault.name}' cannot be put into it")
    return judge(fault, injector, record, config)


def judge(fault: Fault, injector: Injector, record: Record, config: HeadwayNodeConfig) -> Outcome:
    """What a record says of the four promises."""
    start, end, period = injector.first_ns, injector.last_ns, injector.period_ns
    after = [s for s in record.said if s.at_ns >= start] if start else []
    found = next((s for s in after if fault.says and re.search(fault.says, s.text)), None)
    return Outcome(
        fault=fault.name,
        changed=injector.count,
        periods=round((found.at_ns - start) / period, 1) if found else None,
        said=found.text if found else "",
        safe=fault.safe,
        unsafe=_unsafe(fault, after, start, end, period, config),
        recovered_s=_recovered(fault, after, end + period),
        finite=record.finite,
    )


def _unsafe(fault: Fault, after: list[Said], start: int, end: int, period: int, config: HeadwayNodeConfig) -> str:
    """What was said within the fault, once it must have been found, that was not safe."""
    within = [s for s in after if s.at_ns >= start + DETECT_PERIODS * period and s.stamp_ns and s.at_ns <= end]
    risks = [s for s in within if s.kind == messages.RISK]
    commands = [s for s in within if s.kind == messages.COMMAND]
    if fault.safe in (STOP, UNSURE) and any(not s.unsure for s in risks):
        return "a risk was not unsure"
    if fault.safe == UNSURE:
        return _careless(commands, config)
    if fault.safe in (STOP, HALT):
        return _not_stopping(commands, start + DETECT_PERIODS * period)
    if fault.safe == CAUTION:
        late = [s for s in commands if s.at_ns >= start + 1e9 * STALE_ODOMETRY_S + period]
        if any("speed unknown" not in s.text or s.speed_mps > config.gate.unknown_speed_mps + 0.05 for s in late):
            return "faster than allowed while the speed is unknown"
    if fault.safe in (ORDER, NEWEST, NOTHING):
        stamps = [s.stamp_ns for s in after if s.kind == messages.HEADS]
        if any(b <= a for a, b in pairwise(stamps)):
            return "stamps went back"
    if fault.safe == NEWEST and any(s.age_ns > 2 * ANSWER_NS + period for s in within if s.kind == messages.HEADS):
        return "the age of the frame behind an answer grew"
    if fault.safe == TOLD:
        times = sorted(s.at_ns for s in after if s.kind == messages.RISK and s.at_ns <= end)
        if any(b - a > 1e9 * SILENCE_S for a, b in pairwise(times)):
            return f"silent for more than {SILENCE_S:g} s"
    return ""


def _careless(commands: list[Said], config: HeadwayNodeConfig) -> str:
    """The gate must have heard that people are unsure."""
    if any(s.valid and not re.search("pedestrians unsure|person", s.text) for s in commands):
        return "a command was given as if nobody were there"
    if any(b.speed_mps > max(a.speed_mps, config.gate.caution_speed_mps) for a, b in pairwise(commands)):
        return "faster than allowed while pedestrians are unsure"
    return ""


def _not_stopping(commands: list[Said], found_ns: float) -> str:
    if any(s.valid for s in commands):
        return "a command was valid"
    slowing = [s.speed_mps for s in commands if s.at_ns >= found_ns + 1e9 * (HEARTBEAT_S + SETTLE_S)]
    if any(b > a + 1e-6 for a, b in pairwise(slowing)):
        return "the commanded speed rose"
    if len(slowing) > 1 and slowing[0] > 0.0 and slowing[-1] >= slowing[0]:
        return "the commanded speed did not fall"
    return ""


def _recovered(fault: Fault, after: list[Said], good_ns: int) -> float | None:
    """Seconds from the first good message until one stamp was answered with valid heads, risk and command."""
    answered: dict[int, set[str]] = {}
    for said in after:
        if said.at_ns < good_ns or not said.valid or said.kind == messages.TWIST:
            continue
        if (fault.says and re.search(fault.says, said.text)) or "speed unknown" in said.text:
            continue
        if said.kind == messages.RISK and said.unsure and said.text.startswith(("image suspect", "no forecast")):
            continue
        kinds = answered.setdefault(said.stamp_ns, set())
        kinds.add(said.kind)
        if {messages.HEADS, messages.RISK, messages.COMMAND} <= kinds:
            return round((said.at_ns - good_ns) * 1e-9, 3)
    return None


def as_json(outcomes: list[Outcome], bag: Path, command: str) -> dict[str, object]:
    """The content of --json: one row a fault, and how many kept all promises."""
    rows = [{**asdict(o), "kept": o.kept} for o in outcomes]
    promises = {"detected_periods": DETECT_PERIODS, "recovered_s": RECOVER_S}
    kept = sum(o.kept for o in outcomes)
    return {"bag": bag.name, "promises": promises, "tried": len(rows), "kept": kept, "rows": rows, "command": command}


def table(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    """Rows of text: fault, messages changed, found after, said, safe, recovered, kept."""
    rows: list[tuple[str, ...]] = []
    for o in outcomes:
        periods = "not to be found" if o.safe == NOTHING else "not found" if o.periods is None else f"{o.periods:.1f}"
        back = "no" if o.recovered_s is None else f"{o.recovered_s:.2f}"
        rows.append((o.fault, str(o.changed), periods, o.said, o.unsafe or o.safe, back, "yes" if o.kept else "NO"))
    return rows


HEADINGS = ("fault", "messages", "found after (periods)", "said", "safe", "recovered (s)", "kept")
