"""Parameters of the nodes, one frozen dataclass each. Nodes, replay, launch checks and the README table read the same.

No rclpy here: `headway replay` uses the parameter files without ROS.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from headway.config import Config, group, parameter, read_parameter_file
from headway.errors import ConfigError
from headway.paths import share_dir
from headway.pipeline import Pipeline
from headway.runtime.engine import ENGINES
from headway.sensors import SensorConfig
from headway.stages.drive import DriveConfig
from headway.stages.forecast import ForecastConfig
from headway.stages.heads import HeadConfig
from headway.stages.limits import GateConfig
from headway.stages.monitor import ImageMonitor, MonitorConfig
from headway.stages.risk import RiskConfig
from headway.stages.tracks import TrackConfig
from headway.tasks import Driving, HeadPose, Trajectory

N = TypeVar("N", bound="NodeConfig")

FOREIGN = ("use_sim_time", "qos_overrides.", "start_type_description_service")
"""How parameters begin that every ROS node has, whatever its configuration; they may stand in the same file."""


@dataclass(frozen=True)
class InputConfig(Config):
    """How the node listens to its main input, always the newest message only."""

    transport: str = parameter(
        "raw", "raw: sensor_msgs/Image on `image`; compressed: CompressedImage on `image/compressed`",
        choices=("raw", "compressed"),
    )  # fmt: skip
    reliability: str = parameter(
        "best_effort", "QoS of all inputs; reliable suits links that lose, at the price of late frames",
        choices=("best_effort", "reliable"),
    )  # fmt: skip
    max_age_s: float = parameter(0.5, "an older input is answered with valid = false; 0: any age will do", 0.0, 60.0)


@dataclass(frozen=True)
class WatchedInputConfig(InputConfig):
    """The same of a node that tells of people: that its input fell silent must be said, driving has its heartbeat."""

    timeout_s: float = parameter(0.15, "silence of the input after which the node says so by itself", 0.02, 10.0)


@dataclass(frozen=True)
class WatchdogConfig(Config):
    """What is a hang, and what is done about it."""

    periods: int = parameter(
        10, "an engine that works on one message for more than this many input periods hangs, and is reported", 2, 1000
    )
    minimum_s: float = parameter(
        1.0, "it is restarted then, but not before this time: slow is not hanging, seconds", 0.05, 60.0
    )
    once_s: float = parameter(
        60.0, "a second hang within this time of a restart takes the node to its error state, seconds", 0.0, 86400.0
    )
    restart_s: float = parameter(30.0, "so does a restart that takes longer than this, seconds", 0.1, 900.0)


@dataclass(frozen=True)
class NodeConfig(Config):
    """What every node has."""

    engine: str = parameter("onnxruntime", "inference engine", choices=ENGINES)
    threads: int = parameter(1, "threads of the engine; results are bit-identical for the same number", 1, 64)
    autostart: bool = parameter(False, "configure and activate at start, for systems without a lifecycle manager")
    diagnostics_period_s: float = parameter(1.0, "seconds between two diagnostics messages", 0.1, 60.0)
    input: InputConfig = group(InputConfig)
    watchdog: WatchdogConfig = group(WatchdogConfig)


@dataclass(frozen=True)
class HeadPoseNodeConfig(NodeConfig):
    """Node `head_pose`."""

    model: str = parameter("head-pose", "name of an installed model, or path of a model folder")
    monitor: MonitorConfig = group(MonitorConfig)
    heads: HeadConfig = group(HeadConfig)


@dataclass(frozen=True)
class TrajectoryNodeConfig(NodeConfig):
    """Node `trajectory`."""

    input: WatchedInputConfig = group(WatchedInputConfig)
    model: str = parameter("trajectory", "name of an installed model, or path of a model folder")
    sensors: SensorConfig = group(SensorConfig)
    tracks: TrackConfig = group(TrackConfig)
    forecast: ForecastConfig = group(ForecastConfig)
    risk: RiskConfig = group(RiskConfig)


@dataclass(frozen=True)
class DrivingNodeConfig(NodeConfig):
    """Node `driving`."""

    model: str = parameter("driving", "name of an installed model, or path of a model folder")
    risk_expected: bool = parameter(
        False,
        "a trajectory node runs beside: until its first risk comes, pedestrians are unsure and the vehicle is slow",
    )
    heartbeat_s: float = parameter(0.5, "without a new image for this long the command ramps to a stop", 0.05, 2.0)
    heartbeat_period_s: float = parameter(0.05, "seconds between two commands of that ramp", 0.01, 0.5)
    monitor: MonitorConfig = group(MonitorConfig)
    drive: DriveConfig = group(DriveConfig)
    gate: GateConfig = group(GateConfig)


@dataclass(frozen=True)
class ModelNames(Config):
    """The model of each task; empty: the task is left out."""

    head_pose: str = parameter("head-pose", "installed model or model folder for head pose; empty: task left out")
    trajectory: str = parameter("trajectory", "installed model or model folder for forecasts; empty: task left out")
    driving: str = parameter("driving", "installed model or model folder for driving; empty: task left out")


@dataclass(frozen=True)
class HeadwayNodeConfig(NodeConfig):
    """Node `headway`: all tasks in one process; also the configuration of `headway replay`."""

    input: WatchedInputConfig = group(WatchedInputConfig)
    heartbeat_s: float = parameter(0.5, "without a new image for this long the command ramps to a stop", 0.05, 2.0)
    heartbeat_period_s: float = parameter(0.05, "seconds between two commands of that ramp", 0.01, 0.5)
    models: ModelNames = group(ModelNames)
    sensors: SensorConfig = group(SensorConfig)
    monitor: MonitorConfig = group(MonitorConfig)
    heads: HeadConfig = group(HeadConfig)
    tracks: TrackConfig = group(TrackConfig)
    forecast: ForecastConfig = group(ForecastConfig)
    risk: RiskConfig = group(RiskConfig)
    drive: DriveConfig = group(DriveConfig)
    gate: GateConfig = group(GateConfig)


NODE_CONFIGS: dict[str, type[NodeConfig]] = {
    "head_pose": HeadPoseNodeConfig,
    "trajectory": TrajectoryNodeConfig,
    "driving": DrivingNodeConfig,
    "headway": HeadwayNodeConfig,
}


def parameter_file(node: str) -> Path:
    """The parameter file that the launch files use for `node`."""
    return share_dir() / "launch" / "config" / f"{node}.yaml"


def load(config: N, node: str, path: Path | None = None) -> N:
    """`config` with the values that `path` (default: the launch files' parameter file) sets for `node`."""
    values = read_parameter_file(path or parameter_file(node), node)
    return config.replaced({k: v for k, v in values.items() if not k.startswith(FOREIGN)})


def open_pipeline(c: HeadwayNodeConfig) -> Pipeline:
    """The tasks whose model is named. Raises ConfigError where none is, ModelError and EngineError as they come."""
    names = c.models
    if not any((names.head_pose, names.trajectory, names.driving)):
        raise ConfigError("models.head_pose, models.trajectory and models.driving are all empty: nothing to do")
    with ExitStack() as opened:  # where one cannot be opened, those before it must not keep the device's memory
        head_pose = trajectory = driving = None
        if names.head_pose:
            head_pose = HeadPose.open(names.head_pose, c.heads, c.engine, c.threads)
            opened.callback(head_pose.close)
        if names.trajectory:
            trajectory = Trajectory.open(names.trajectory, c.tracks, c.forecast, c.risk, c.engine, c.threads)
            opened.callback(trajectory.close)
        if names.driving:
            driving = Driving.open(names.driving, c.drive, c.gate, c.engine, c.threads)
        opened.pop_all()
    return Pipeline(head_pose, trajectory, driving, ImageMonitor(c.monitor))
