"""Bags that carry heads instead of images, and the trajectory node on them.

Such a bag has camera_info, imu, odom, and on HEADS the heads of every frame, logged DELAY_S after the frame as a
detector would give them: whoever plays it has the orientation on both sides of a frame before its heads come. On PEOPLE
stands where everybody truly is. Data sets without images (`headway convert kitti`) become such bags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics
from headway.errors import BagError
from headway.graph import OUTPUT, PUBLISHES, Performance, perform, require_ros
from headway.messages import heads_from_message
from headway.node_config import TrajectoryNodeConfig, load, parameter_file
from headway.sensors import Sensors, stamp_of
from headway.tasks import Motion, Trajectory
from headway.types import Trace

HEADS, PEOPLE = "/ground_truth/heads", "/ground_truth/people"
CAMERA, IMU, ODOM = "/camera/camera_info", "/imu/data", "/odom"
SIDE = {CAMERA: "camera_info", IMU: "imu", ODOM: "odom"}
DELAY_S = 0.05
_DELAY_NS = round(DELAY_S * 1e9)


def delayed_copy(bag: Path, out: Path, limit: int | None = None) -> int:
    """Copies what belongs into such a bag, heads delayed; returns the frames. `limit`: no more frames than this."""
    kept: list[tuple[int, int, Any]] = []
    with BagReader(bag) as reader:
        for name in (*SIDE, HEADS, PEOPLE):
            if name not in reader.topics:
                raise BagError(f"{bag} has no topic {name}: it cannot be played without images")
        for message in reader.messages([*SIDE, HEADS, PEOPLE]):
            later = _DELAY_NS if message.topic == HEADS else 0
            kept.append((message.stamp_ns + later, len(kept), message))
    kept.sort(key=lambda k: k[:2])
    frames = 0
    with BagWriter(out) as writer:
        for at_ns, _, message in kept:
            writer.write_raw(message.topic, message.msgtype, message.data, at_ns)
            frames += message.topic == HEADS
            if limit and frames >= limit:
                break
    return frames


def played(bag: Path, config: TrajectoryNodeConfig) -> Iterator[tuple[int, Motion]]:
    """(stamp, answer) of every frame, in this process: the messages in the order of the bag, as the node hears them."""
    sensors = Sensors(config.sensors)
    task = Trajectory.open(config.model, config.tracks, config.forecast, config.risk, config.engine, config.threads)
    hear: dict[str, Callable[[Any], None]] = {
        CAMERA: sensors.on_camera_info,
        IMU: sensors.on_imu,
        ODOM: sensors.on_odometry,
    }
    try:
        with BagReader(bag) as reader:
            for message in reader.messages([*SIDE, HEADS]):
                decoded = message.decode()
                if message.topic != HEADS:
                    hear[message.topic](decoded)
                    continue
                stamp_ns = stamp_of(decoded)
                view = sensors.view(stamp_ns, decoded.header.frame_id, decoded.width, decoded.height)
                yield stamp_ns, task.step(view, heads_from_message(decoded), Trace())
    finally:
        task.close()


def node_config(params: Path | None = None) -> TrajectoryNodeConfig:
    """The configuration that the node takes from a parameter file; None: the launch files' one."""
    return load(TrajectoryNodeConfig(), "trajectory", params)


def through_node(bag: Path, out: Path, params: Path | None = None, rate: float = 1.0) -> Performance:
    """Plays the bag into the real trajectory node; writes `out`/output.mcap and `out`/logs/. Raises as `run_graph`."""
    require_ros()
    with BagReader(bag) as reader:
        kinds = {name: reader.topics[name].msgtype for name in (*SIDE, HEADS) if name in reader.topics}
    if HEADS not in kinds:
        raise BagError(f"{bag} has no topic {HEADS}")
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    outputs = {f"/trajectory/{name}": kind for name, kind in PUBLISHES["trajectory"].items()}
    plan = {
        "bag": str(bag),
        "rate": rate,
        "inputs": kinds,
        "image": HEADS,
        "subscribers": dict.fromkeys(kinds, 1),
        "nodes": ["trajectory"],
        "outputs": outputs,
        "answers": {"trajectory": next(n for n, kind in outputs.items() if kind == messages.FORECASTS)},  # after risk
        "output": str(out / OUTPUT),
        "result": str(logs / "result.json"),
    }
    arguments = ["--ros-args", "--params-file", str(params or parameter_file("trajectory"))]
    arguments += ["-p", "use_sim_time:=true", "-p", "input.reliability:=reliable", "-r", f"heads:={HEADS}"]
    for topic in kinds:
        if topic in SIDE:
            arguments += ["-r", f"{SIDE[topic]}:={topic}"]
    performance = Performance(out / OUTPUT, InputTopics(image=HEADS))
    perform(plan, {"trajectory": arguments}, logs, performance)
    return performance
