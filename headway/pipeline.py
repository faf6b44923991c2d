"""The stages in order, the same for the live graph, replay and evaluation.

    Frame -> monitor                                      ImageMonitor: no task is asked about what is no picture
    Frame -> shrink                                       Halves: what several tasks want of the image, made once
    Frame -> heads -> tracks -> forecast -> risk          HeadPose, Trajectory
    Frame -> drive -> gate                                Driving

Each of the three tasks is one class, so that a node may host one of them and `Pipeline` all. A task that fails on a
frame says why in `Answer.reasons` and leaves the others alone: one bad network must not silence the rest.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from headway.errors import EngineError, FrameError
from headway.runtime.model import Model, open_model
from headway.stages.announce import Announcement, Announcer
from headway.stages.drive import DriveConfig, DriveStage
from headway.stages.forecast import ForecastConfig, ForecastStage
from headway.stages.gate import Gate, GateConfig
from headway.stages.heads import HeadConfig, HeadStage
from headway.stages.heads_up import HeadsUpStage
from headway.stages.lift import lift
from headway.stages.monitor import ImageMonitor
from headway.stages.poses import with_track_poses
from headway.stages.risk import RiskConfig, RiskStage
from headway.stages.shrink import Halves
from headway.stages.tracks import TrackConfig, TrackStage, camera_axes, usable_camera
from headway.types import DriveCommand, FloatArray, Forecast, Frame, Heads, Risks, Steering, Trace, Tracks, View

HEAD_POSE, TRAJECTORY, DRIVING = "head_pose", "trajectory", "driving"
TASKS = (HEAD_POSE, TRAJECTORY, DRIVING)


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
        return cls(open_model(model, "head-pose", engine, threads), config or HeadConfig())

    def step(self, frame: Frame, trace: Trace) -> Heads:
        """Heads of one frame; raises FrameError or EngineError."""
        trace.models[self.model.name] = self.model.manifest.hash
        with trace.timed("heads"):
            return self._heads(frame)

    def reset(self) -> None:
        """Nothing is carried from frame to frame."""

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
        self._tracks = TrackStage(tracks)
        self._forecast = ForecastStage(model, forecast)
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
        return cls(opened, tracks or TrackConfig(), forecast or ForecastConfig(), risk or RiskConfig())

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
        return cls(open_model(model, "driving", engine, threads), drive or DriveConfig(), gate or GateConfig())

    def step(self, frame: Frame, risks: Risks | None, trace: Trace) -> tuple[Steering, DriveCommand]:
        """Command for one frame; raises FrameError or EngineError (then call `idle`, the vehicle still moves)."""
        trace.models[self.model.name] = self.model.manifest.hash
        with trace.timed("drive"):
            steering = self._drive(frame)
        with trace.timed("gate"), self._gate_lock:
            return steering, self._gate(frame.stamp_ns, steering, frame.odometry, risks)

    def idle(self, view: View, risks: Risks | None = None) -> DriveCommand:
        """Command while no image can be answered: the gate ramps to a stop."""
        with self._gate_lock:
            return self._gate(view.stamp_ns, None, view.odometry, risks)

    def halt(self, reason: str) -> DriveCommand:
        """The last command before silence; see Gate.halt."""
        with self._gate_lock:
            return self._gate.halt(reason)

    def reset(self) -> None:
        """Forgets what the images before said. The gate goes on from its last command, as the vehicle does."""
        self._drive.reset()

    def close(self) -> None:
        """Frees the engine."""
        self.model.close()


@dataclass(frozen=True)
class Answer:
    """Everything said about one frame. A part is None where its task is absent or failed; `reasons` says why.

    risks: what the gate was told of people: the motion's, "unsure" where the trajectory task failed, None without one.
    suspect: what the image monitor says of a frame that was answered all the same, "" for nothing.
    """

    heads: Heads | None
    motion: Motion | None
    steering: Steering | None
    command: DriveCommand | None
    risks: Risks | None
    trace: Trace
    reasons: dict[str, str] = field(default_factory=dict)
    suspect: str = ""


class Pipeline:
    """All three tasks on one camera, and the monitor that looks at its images first. Any of them may be None."""

    def __init__(
        self,
        head_pose: HeadPose | None = None,
        trajectory: Trajectory | None = None,
        driving: Driving | None = None,
        monitor: ImageMonitor | None = None,
    ) -> None:
        self.head_pose, self.trajectory, self.driving, self.monitor = head_pose, trajectory, driving, monitor
        self._halves = Halves()
        for stage in (head_pose, driving):
            if stage:
                stage.shrinker.halves = self._halves

    def step(self, frame: Frame, trace: Trace | None = None) -> Answer:
        """Runs every task on one frame; never raises for what is wrong with a frame or an engine."""
        self._halves.of(frame.image)
        try:
            return self._step(frame, trace or Trace())
        finally:
            self._halves.of(None)

    def _step(self, frame: Frame, trace: Trace) -> Answer:
        suspect = ""
        if self.monitor:
            try:
                with trace.timed("monitor"):
                    suspect = self.monitor.check(frame)
            except FrameError as error:
                return self._refused(frame, trace, str(error))
            if suspect:
                frame = replace(frame, unsure="; ".join(filter(None, (suspect, frame.unsure))))
        with trace.timed("shrink"):
            self._halves.again()
        heads: Heads | None = None
        motion: Motion | None = None
        steering: Steering | None = None
        command: DriveCommand | None = None
        reasons: dict[str, str] = {}
        if self.head_pose:
            with _Noted(reasons, HEAD_POSE):
                heads = self.head_pose.step(frame, trace)
        if self.trajectory:
            with _Noted(reasons, TRAJECTORY):
                if heads is None:
                    raise FrameError(f"no heads: {reasons.get(HEAD_POSE, 'the head pose task is absent')}")
                motion = self.trajectory.step(frame, heads, trace)
                heads = with_track_poses(heads, motion.tracks, camera_axes(frame))
        risks = motion.risks if motion else self._unsure(frame, reasons)
        if self.driving:
            with _Noted(reasons, DRIVING):
                steering, command = self.driving.step(frame, risks, trace)
            command = command or self.driving.idle(frame, risks)
        return Answer(heads, motion, steering, command, risks, trace, reasons, suspect)

    def _refused(self, frame: Frame, trace: Trace, reason: str) -> Answer:
        """No task is asked about an image that says nothing; the vehicle comes to a stop."""
        tasks = dict(zip(TASKS, (self.head_pose, self.trajectory, self.driving), strict=True))
        reasons = {name: reason for name, task in tasks.items() if task}
        risks = self._unsure(frame, reasons)
        command = self.driving.idle(frame, risks) if self.driving else None
        return Answer(None, None, None, command, risks, trace, reasons)

    def _unsure(self, frame: Frame, reasons: dict[str, str]) -> Risks | None:
        """Risks of a frame without motion: that nobody was looked for must not reach the gate as "nobody is there"."""
        return Risks(frame.stamp_ns, (), reasons[TRAJECTORY]) if self.trajectory else None

    def reset(self) -> None:
        """Forgets what is carried from frame to frame, as when the camera starts anew; not the gate's last command."""
        for part in (self.monitor, self.head_pose, self.trajectory, self.driving):
            if part:
                part.reset()

    def close(self) -> None:
        """Frees the engines."""
        for task in (self.head_pose, self.trajectory, self.driving):
            if task:
                task.close()


class _Noted:
    """Writes down why a task failed on a frame, and lets the frame go on. A class, as `types.Stopwatch`."""

    __slots__ = ("_reasons", "_task")

    def __init__(self, reasons: dict[str, str], task: str) -> None:
        self._reasons, self._task = reasons, task

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, (FrameError, EngineError)):
            return False
        self._reasons[self._task] = str(error)
        return True
