"""The three tasks: HeadPose (heads), Trajectory (tracks -> forecast -> risk) and Driving (drive -> gate).

Each is one class that holds its stages and its model, so that a node may host one of them and `Pipeline` all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from headway.runtime.model import Model, open_model
from headway.stages.announce import Announcement, Announcer
from headway.stages.drive import DriveConfig, DriveStage
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.gate import Gate
from headway.stages.heads import HeadConfig, HeadStage
from headway.stages.heads_up import HeadsUpStage
from headway.stages.lift import lift
from headway.stages.limits import GateConfig
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.tracks import TrackConfig, TrackStage, camera_axes, usable_camera
from headway.types import DriveCommand, FloatArray, Forecast, Frame, Heads, Risks, Steering, Trace, Tracks, View

HEAD_POSE, TRAJECTORY, DRIVING = "head_pose", "trajectory", "driving"
TASKS = (HEAD_POSE, TRAJECTORY, DRIVING)

T = TypeVar("T")


def _on(model: Model, make: Callable[[], T]) -> T:
    """What `make` makes on an open model, which is closed where it raises."""
    try:
        return make()
    except Exception:
        model.close()
        raise


class HeadPose:
    """Every head of an image with its pose."""

    def __init__(self, model: Model, config: HeadConfig) -> None:
        self.model = model
        self._heads = HeadStage(model, config)
        self.shrinker = self._heads.shrinker

    @classmethod
    def open(
        cls, model: str, config: HeadConfig | None = None, engine: str = "onnxruntime", threads: int = 1
    ) -> HeadPose:
        """Opens the model by name; see `open_model` for what it raises."""
        opened = open_model(model, "head-pose", engine, threads)
        return _on(opened, lambda: cls(opened, config or HeadConfig()))

    def step(self, frame: Frame, trace: Trace) -> Heads:
        """Heads of one frame; raises FrameError or EngineError."""
        trace.models[self.model.name] = self.model.manifest.hash
        with trace.timed("heads"):
            return self._heads(frame)

    def close(self) -> None:
        """Frees the engine."""
        self.model.close()


@dataclass(frozen=True)
class Motion:
    """What the trajectory task says of one frame. announcements: what is new enough to be told to the wearer."""

    tracks: Tracks
    forecast: Forecast
    risks: Risks
    announcements: tuple[Announcement, ...] = ()


class Trajectory:
    """Who moves where, and who is about to walk into the wearer."""

    def __init__(self, model: Model, tracks: TrackConfig, forecast: ForecastConfig, risk: RiskConfig) -> None:
        self.model = model
        self._forecast = ForecastStage(model, forecast)
        self._tracks = TrackStage(replace(tracks, max_people=min(tracks.max_people, self._forecast.slots)))
        self._risk = RiskStage(risk)
        self.announcer = Announcer(risk)
        self._reference = HeadsUpStage() if risk.mode == "heads-up" else None
        self._lifting = (tracks.head_size_m, tracks.head_size_sigma, tracks.max_head_sigma_deg)

    @classmethod
    def open(
        cls,
        model: str,
        tracks: TrackConfig | None = None,
        forecast: ForecastConfig | None = None,
        risk: RiskConfig | None = None,
        engine: str = "onnxruntime",
        threads: int = 1,
    ) -> Trajectory:
        """Opens the model by name; see `open_model` for what it raises."""
        opened = open_model(model, "trajectory", engine, threads)
        return _on(
            opened, lambda: cls(opened, tracks or TrackConfig(), forecast or ForecastConfig(), risk or RiskConfig())
        )

    def step(self, view: View, heads: Heads, trace: Trace) -> Motion:
        """Tracks, forecasts and risks after the heads of one view; raises FrameError or EngineError."""
        trace.models[self.model.name] = self.model.manifest.hash
        with trace.timed("tracks"):
            tracks = self._tracks(view, heads)
        if self._reference:
            with trace.timed("heads_up"):
                forecast, risks = self._reference(tracks, self._measured(view, heads))
            return Motion(tracks, forecast, risks, self.announcer(risks))
        with trace.timed("forecast"):
            forecast = self._forecast(tracks)
        with trace.timed("risk"):
            risks = self._risk(forecast)
            announcements = self.announcer(risks)
        return Motion(tracks, forecast, risks, announcements)

    def _measured(self, view: View, heads: Heads) -> dict[int, FloatArray]:
        """Where each head was measured, before any filter: row -> (2,) semi-local metres."""
        camera = usable_camera(view)
        if camera is None or not len(heads):
            return {}
        found = lift(heads, camera, camera_axes(view), view.depth, *self._lifting)
        return {int(row): place[:2] for row, place in zip(found.index, found.position, strict=True)}

    def reset(self) -> None:
        """Forgets all tracks."""
        self._tracks.reset()
        self._forecast.reset()
        self._risk.reset()
        self.announcer.reset()
        if self._reference:
            self._reference.reset()

    def close(self) -> None:
        """Frees the engine."""
        self.model.close()


class Driving:
    """How to drive, and how sure; the gate's word is final."""

    def __init__(self, model: Model, drive: DriveConfig, gate: GateConfig) -> None:
        self.model = model
        self._drive = DriveStage(model, drive)
        self.shrinker = self._drive.shrinker
        self._gate = Gate(gate)
        # A node's heartbeat asks the gate from its own thread while the network is still working, or hangs.
        self._gate_lock = threading.Lock()

    @classmethod
    def open(
        cls,
        model: str,
        drive: DriveConfig | None = None,
        gate: GateConfig | None = None,
        engine: str = "onnxruntime",
        threads: int = 1,
    ) -> Driving:
        """Opens the model by name; see `open_model` for what it raises."""
        opened = open_model(model, "driving", engine, threads)
        return _on(opened, lambda: cls(opened, drive or DriveConfig(), gate or GateConfig()))

    def step(self, frame: Frame, risks: Risks | None, trace: Trace) -> tuple[Steering, DriveCommand]:
        """Command for one frame; raises FrameError or EngineError (then call `idle`, the vehicle still moves)."""
        trace.models[self.model.name] = self.model.manifest.hash
        with trace.timed("drive"):
            steering = self._drive(frame)
        with trace.timed("gate"), self._gate_lock:
            return steering, self._gate(frame.stamp_ns, steering, frame.odometry, risks)

    def idle(self, view: View, risks: Risks | None = None, silent: bool = False) -> DriveCommand:
        """Command while no image can be answered: the gate ramps to a stop, in silence at once (`Gate.fall_silent`)."""
        with self._gate_lock:
            if silent:
                self._gate.fall_silent()
            return self._gate(view.stamp_ns, None, view.odometry, risks)

    def begin(self) -> None:
        """At activation: forgets doubt and command, and takes over what moves. Not where the camera starts anew: who
        rolls, or stands in doubt, does so after its clock has jumped."""
        self._drive.reset()
        with self._gate_lock:
            self._gate.reset()

    def halt(self, reason: str) -> DriveCommand:
        """The last command before silence; see Gate.halt."""
        with self._gate_lock:
            return self._gate.halt(reason)

    def close(self) -> None:
        """Frees the engine."""
        self.model.close()
