"""The real ROS 2 graph on a bag: node processes with the launch files' parameter files, a player, a recorder.

Nothing of ROS is imported here: the nodes and the conductor (headway.nodes.conductor) are processes of their own, in a
private domain on this machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway import messages
from headway.bags import BagReader
from headway.bags.topics import InputTopics, choose_topics
from headway.children import child, terminable
from headway.errors import HeadwayError, MissingDependencyError
from headway.images import COMPRESSED
from headway.node_config import NODE_CONFIGS, HeadwayNodeConfig, load, parameter_file
from headway.ros_environment import child_environment, own_domain
from headway.tasks import TASKS

OUTPUT = "output.mcap"
LOST_FIRST = "lost in the transport before the first frame came"
SPARE_S = 30.0  # beyond the length of the bag, for the last answers and the nodes' account

# What each node listens to, of the bag.
LISTENS = {
    "head_pose": ("image", "camera_info"),
    "trajectory": ("camera_info", "imu", "odom", "depth"),
    "driving": ("image", "odom"),
    "headway": ("image", "camera_info", "imu", "odom", "depth"),
}
# What each task publishes, below the name of its node: the first is where it answers every frame.
PUBLISHES: dict[str, dict[str, str]] = {
    "head_pose": {"heads": messages.HEADS},
    "trajectory": {"risk": messages.RISK, "forecasts": messages.FORECASTS},
    "driving": {"command": messages.COMMAND, "twist": messages.TWIST},
}
BETWEEN = {"trajectory": {"heads": "/head_pose/heads"}, "driving": {"risk": "/trajectory/risk"}}


@dataclass
class Performance:
    """What a run through the graph gave, beside `output`.

    tasks: task -> {"sent", "answered", "dropped", "lost_first", "invalid": {reason: n}, "latency_ms": []}. Latency is
    from the publication of the image to the arrival of the answer. diagnostics: node -> its last report. problems: what
    did not end cleanly.
    """

    output: Path
    topics: InputTopics
    frames: int = 0
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    loss: str = ""

    def unexplained(self, task: str) -> int:
        """Frames neither answered nor counted as dropped."""
        found = self.tasks[task]
        return int(found["sent"]) - int(found["answered"]) - int(found["dropped"])

    def drop_reasons(self, task: str) -> dict[str, int]:
        """reason -> frames, as the node's diagnostics say, and those that were lost before it saw any."""
        node = self.diagnostics.get(task) or self.diagnostics.get("headway") or {}
        reasons = {k.removeprefix("dropped: "): int(v) for k, v in node.items() if k.startswith("dropped: ")}
        first = int(self.tasks[task]["lost_first"])
        return {**reasons, LOST_FIRST: first} if first else reasons


def run_graph(
    bag: Path,
    out: Path,
    wanted: InputTopics | None = None,
    composed: bool = False,
    rate: float = 1.0,
    parameter_files: Mapping[str, Path] | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Performance:
    """Plays `bag` through the graph; writes `out`/output.mcap and `out`/logs/.

    parameter_files: node -> file instead of the launch files' one. Raises BagError, ConfigError (one of these files),
    MissingDependencyError (no ROS 2), HeadwayError where a node cannot start (with its last words) or dies.
    """
    require_ros()
    with BagReader(bag) as reader:
        topics = choose_topics(reader, wanted)
        kinds = {name: reader.topics[name].msgtype for name in topics.names}
        total = reader.topics[topics.image].count
    nodes = ("headway",) if composed else TASKS
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    files = {node: (parameter_files or {}).get(node) or parameter_file(node) for node in nodes}
    for node, file in files.items():
        load(NODE_CONFIGS[node](), node, file)  # ROS would pass over a file without parameters of this node
    hosts = _hosts(files["headway"]) if composed else {task: task for task in TASKS}
    plan = _plan(bag, out, topics, kinds, hosts, rate)
    performance = Performance(out / OUTPUT, topics)
    arguments = {node: node_arguments(node, topics, kinds, files[node]) for node in nodes}
    perform(plan, arguments, logs, performance, lambda done: progress(done, total if total >= 0 else None))
    return performance


def perform(
    plan: Mapping[str, Any],
    arguments: Mapping[str, list[str]],
    logs: Path,
    performance: Performance,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Starts a process for each node of `arguments` and one that conducts them by `plan`; fills in `performance`."""
    (logs / "plan.json").write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    (logs / "result.json").unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(terminable())
        env = child_environment(stack.enter_context(own_domain()), len(arguments) + 1)
        env["ROS_LOG_DIR"] = str((logs / "ros").resolve())
        processes = {}
        for node, given in arguments.items():
            command = [sys.executable, "-m", f"headway.nodes.{node}", *given]
            processes[node] = stack.enter_context(child(command, env, logs / f"{node}.log", performance.problems))
        command = [sys.executable, "-m", "headway.nodes.conductor", str(logs / "plan.json")]
        conductor = stack.enter_context(child(command, env, logs / "conductor.log", performance.problems, piped=True))
        _follow(conductor, processes, logs, progress)
    result = json.loads((logs / "result.json").read_text(encoding="utf-8"))
    performance.frames, performance.loss = result["frames"], result["loss"]
    performance.tasks, performance.diagnostics = result["tasks"], result["diagnostics"]


def node_arguments(node: str, topics: InputTopics, kinds: Mapping[str, str], file: Path) -> list[str]:
    """Command line of a node on this bag: parameter file, remappings, the transport that the bag has."""
    arguments = ["--ros-args", "--params-file", str(file), "-p", "use_sim_time:=true"]
    for name in LISTENS[node]:
        topic = getattr(topics, name)
        if not topic:
            continue
        if name == "image":
            compressed = kinds[topic] == COMPRESSED
            arguments += ["-p", f"input.transport:={'compressed' if compressed else 'raw'}"]
            name = "image/compressed" if compressed else "image"
        arguments += ["-r", f"{name}:={topic}"]
    for name, topic in BETWEEN.get(node, {}).items():
        arguments += ["-r", f"{name}:={topic}"]
    if "risk" in BETWEEN.get(node, {}):
        arguments += ["-p", "risk_expected:=true"]  # the trajectory node is part of every such graph
    return arguments


def require_ros() -> None:
    """Raises MissingDependencyError with the cure where ROS 2 or the built messages are missing."""
    for package, cure in (("rclpy", "pip install '.[ros]' or source /opt/ros/<distro>/setup.bash"),
                          ("headway_msgs.msg", "tools/build_messages.sh or colcon builds it")):  # fmt: skip
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None or found.origin is None:  # no origin: the folder of that name in a checkout, not the package
            raise MissingDependencyError(f"{package.partition('.')[0]} is not installed: {cure}")


def _hosts(file: Path) -> dict[str, str]:
    """task -> node, for the one node that runs every task whose model its parameter file names."""
    names = load(HeadwayNodeConfig(), "headway", file).models
    return {task: "headway" for task in TASKS if getattr(names, task)}


def _plan(
    bag: Path, out: Path, topics: InputTopics, kinds: Mapping[str, str], hosts: Mapping[str, str], rate: float
) -> dict[str, Any]:
    """What the conductor is to do. hosts: task -> node."""
    nodes = list(dict.fromkeys(hosts.values()))
    subscribers: dict[str, int] = {}
    for node in nodes:
        for name in LISTENS[node]:
            if topic := getattr(topics, name):
                subscribers[topic] = subscribers.get(topic, 0) + 1
        for topic in BETWEEN.get(node, {}).values():
            subscribers[topic] = 2  # the node and the recorder
    return {
        "bag": str(bag),
        "rate": rate,
        "inputs": dict(kinds),
        "image": topics.image,
        "subscribers": subscribers,
        "nodes": nodes,
        "outputs": {f"/{node}/{name}": kind for task, node in hosts.items() for name, kind in PUBLISHES[task].items()},
        "answers": {task: f"/{node}/{next(iter(PUBLISHES[task]))}" for task, node in hosts.items()},
        "output": str(out / OUTPUT),
        "result": str(out / "logs" / "result.json"),
    }


def _follow(
    conductor: subprocess.Popen[str],
    nodes: Mapping[str, subprocess.Popen[str]],
    logs: Path,
    frame: Callable[[int], None],
) -> None:
    """Until the conductor is done. Raises HeadwayError where it says why it cannot go on, or a node dies."""
    assert conductor.stdout is not None
    for line in conductor.stdout:
        event = json.loads(line)
        if event["event"] == "frame":
            frame(event["count"])
        elif event["event"] == "error":
            _dead(nodes, logs)
            raise HeadwayError(f"{event['text']}{_last_words(event['text'], nodes, logs)}")
        _dead(nodes, logs)
    conductor.wait(SPARE_S)
    _dead(nodes, logs)
    if conductor.returncode != 0:
        raise HeadwayError(f"the player ended with code {conductor.returncode}: {last_line(logs / 'conductor.log')}")


def _dead(nodes: Mapping[str, subprocess.Popen[str]], logs: Path) -> None:
    for name, process in nodes.items():
        if process.poll() is not None:
            raise HeadwayError(f"node {name} ended with code {process.returncode}: {last_line(logs / f'{name}.log')}")


def _last_words(text: str, nodes: Mapping[str, Any], logs: Path) -> str:
    for name in nodes:
        if f"node {name} " in text:
            return f"\n{last_line(logs / f'{name}.log')}"
    return ""


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"{log} is empty"
