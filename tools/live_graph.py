"""What the measuring tools share: node processes in a private graph, an ear for their answers, and a look at /proc."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway import messages
from headway.bags import BagReader
from headway.bags.topics import InputTopics, choose_topics
from headway.graph import BETWEEN, LISTENS
from headway.images import COMPRESSED
from headway.node_config import parameter_file
from headway.paths import sample_dir
from headway.ros_environment import child_environment, own_domain

BAG = sample_dir() / "street-vehicle.mcap"
TOOLS = Path(__file__).resolve().parent
# task -> below the name of its node, the topic on which it answers every frame
ANSWERS = {"head_pose": ("heads", messages.HEADS), "trajectory": ("risk", messages.RISK),
           "driving": ("command", messages.COMMAND)}  # fmt: skip
END_S = 20.0


@dataclass(frozen=True)
class Reading:
    """One look at a process: monotonic seconds, resident memory in kB, of that shared, threads, open handles."""

    at_s: float
    rss_kb: int
    shared_kb: int
    threads: int
    handles: int


def look(pid: int) -> Reading:
    """Raises OSError where the process is gone."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    handles = len(os.listdir(f"/proc/{pid}/fd"))
    rss_kb, shared_kb = (int(fields[name].split()[0]) for name in ("VmRSS", "RssShmem"))
    return Reading(time.monotonic(), rss_kb, shared_kb, int(fields["Threads"]), handles)


@dataclass(frozen=True)
class Heard:
    """One answer: when it came (monotonic ns), and what it says."""

    at_ns: int
    stamp_ns: int
    index: int
    age_ms: float
    busy_ms: float
    valid: bool
    reason: str


class Graph:
    """Processes in a ROS domain of their own, which end with this context, and this process's own ears in it.

    realtime: round-robin priority of the nodes (1..98; 0: none), as the systemd unit offers it. So has this process,
    which must not lose what it hears; the camera, which stands for a device, has one more. params: parameter file of
    all nodes, in place of those that the launch files use.
    """

    def __init__(self, logs: Path, realtime: int = 0, params: Path | None = None) -> None:
        self.logs, self.realtime, self.params = logs, realtime, params
        logs.mkdir(parents=True, exist_ok=True)
        if realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(realtime))
        self._stack = contextlib.ExitStack()
        self.env = child_environment(self._stack.enter_context(own_domain()), 5)
        self.env["ROS_LOG_DIR"] = str(logs / "ros")
        os.environ.update(self.env)
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: Any) -> None:
        for name in list(self.processes):
            self.end(name)
        self._stack.close()

    def start(self, name: str, *command: str, piped: bool = False, ahead: int = 0) -> subprocess.Popen[str]:
        """A Python process whose words go to logs/NAME.log; `piped`: its stdout comes here; `ahead`: of this process's
        priority, which the others inherit, where it has one."""
        scheduled = ["chrt", "--rr", str(self.realtime + ahead)] if self.realtime and ahead else []
        with (self.logs / f"{name}.log").open("w", encoding="utf-8") as log:
            self.processes[name] = subprocess.Popen(
                [*scheduled, sys.executable, *command], env=self.env, stdin=subprocess.DEVNULL, text=True, stderr=log,
                stdout=subprocess.PIPE if piped else log, start_new_session=True,
            )  # fmt: skip
        return self.processes[name]

    def node(self, node: str, topics: InputTopics, *parameters: str, compressed: bool) -> subprocess.Popen[str]:
        """A node on live sensors, as the launch files start it."""
        command = ["--ros-args", "--params-file", str(self.params or parameter_file(node))]
        given = (f"input.transport:={'compressed' if compressed else 'raw'}", *parameters)
        command += [word for p in (given if "image" in LISTENS[node] else parameters) for word in ("-p", p)]
        for role in LISTENS[node]:
            if topic := getattr(topics, role):
                name = "image/compressed" if role == "image" and compressed else role
                command += ["-r", f"{name}:={topic}"]
        command += [word for name, topic in BETWEEN.get(node, {}).items() for word in ("-r", f"{name}:={topic}")]
        return self.start(node, "-m", f"headway.nodes.{node}", *command)

    def camera(self, plan: dict[str, Any]) -> subprocess.Popen[str]:
        """The sensors; `plan` as live_camera.py wants it, but for its result."""
        plan = {**plan, "result": str(self.logs / "camera.json")}
        (self.logs / "camera_plan.json").write_text(json.dumps(plan), encoding="utf-8")
        command = (str(TOOLS / "live_camera.py"), str(self.logs / "camera_plan.json"))
        return self.start("camera", *command, piped=True, ahead=1)

    def sent(self) -> list[tuple[int, int]]:
        """Stamp and monotonic time (ns) of each image that the camera published."""
        content = json.loads((self.logs / "camera.json").read_text(encoding="utf-8"))
        return [(stamp, at) for stamp, at in content["sent"]]

    def end(self, name: str) -> int:
        """Asks the process to end; its exit code, or a negative signal number where it had to be killed."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.stdout:
            process.stdout.close()
        return process.wait()

    def log_bytes(self) -> int:
        """Everything that was written to logs, by the processes and by ROS."""
        return sum(f.stat().st_size for f in self.logs.rglob("*.log") if f.is_file())


@dataclass
class Ear:
    """Hears the answers of tasks (task -> node) and the diagnostics of all nodes; spins in a thread of its own.

    diagnostics: the last of each node. told: all of them, in order.
    """

    hosts: dict[str, str]
    answers: dict[str, list[Heard]] = field(default_factory=dict)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    told: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def __enter__(self) -> Ear:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from headway.nodes.outputs import message_class

        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("ear")
        for task, host in self.hosts.items():
            name, kind = ANSWERS[task]
            self.node.create_subscription(message_class(kind), f"/{host}/{name}", self._hearing(task), 1000)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, args=(executor,), daemon=True)
        self._thread.start()
        return self

    @staticmethod
    def _spin(executor: Any) -> None:
        from rclpy.executors import ExternalShutdownException

        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    def __exit__(self, *_: Any) -> None:
        import rclpy

        rclpy.try_shutdown()
        self._thread.join(5.0)

    def _hearing(self, task: str) -> Callable[[Any], None]:
        heard = self.answers.setdefault(task, [])

        def hear(message: Any) -> None:
            stamp, trace = message.header.stamp, message.trace
            heard.append(
                Heard(
                    time.monotonic_ns(), stamp.sec * 1_000_000_000 + stamp.nanosec, trace.frame_index,
                    trace.age_ms, float(sum(trace.stage_ms)), message.valid, message.reason,
                )
            )  # fmt: skip

        return hear

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            node, values = status.name.partition(":")[0], {v.key: v.value for v in status.values}
            self.diagnostics[node] = values
            self.told.setdefault(node, []).append(values)

    def until(self, done: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
        """Waits for `done`; ends the tool with `what` otherwise."""
        end = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > end:
                raise SystemExit(f"error: {what} within {limit_s:g} s")
            time.sleep(0.02)

    def final(self, nodes: list[str]) -> None:
        """Waits for diagnostics of every node that were made from now on."""
        before = dict(self.diagnostics)
        self.until(lambda: all(self.diagnostics.get(n) is not before.get(n) for n in nodes), "no final diagnostics")


def inputs(bag: Path) -> tuple[InputTopics, bool]:
    """The bag's topics by role, and whether its images are compressed."""
    with BagReader(bag) as reader:
        topics = choose_topics(reader)
        return topics, reader.topics[topics.image].msgtype == COMPRESSED


def machine() -> dict[str, Any]:
    """Where this was measured, and how busy it was."""
    from headway.bench.machine import machine as described

    return described(1)
