"""The stages in order, the same for the live graph, replay and evaluation.

    Frame -> monitor                                      ImageMonitor: no task is asked about what is no picture
    Frame -> shrink                                       Halves: what several tasks want of the image, made once
    Frame -> heads -> tracks -> forecast -> risk          HeadPose, Trajectory
    Frame -> drive -> gate                                Driving

A task that fails on a frame says why in `Answer.reasons` and leaves the others alone: one bad network must not silence
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headway.errors import EngineError, FrameError
from headway.stages.monitor import ImageMonitor
from headway.stages.poses import with_track_poses
from headway.stages.shrink import Halves
from headway.stages.tracks import camera_axes
from headway.tasks import DRIVING, HEAD_POSE, TASKS, TRAJECTORY, Driving, HeadPose, Motion, Trajectory
from headway.types import DriveCommand, Frame, Heads, Risks, Steering, Trace, View


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
        risks = motion.risks if motion else self.unsure(frame, reasons.get(TRAJECTORY, ""))
        if self.driving:
            with _Noted(reasons, DRIVING):
                steering, command = self.driving.step(frame, risks, trace)
                if not command.valid:
                    raise FrameError(command.reason)
            command = command or self.driving.idle(frame, risks)
        return Answer(heads, motion, steering, command, risks, trace, reasons, suspect)

    def _refused(self, frame: Frame, trace: Trace, reason: str) -> Answer:
        """No task is asked about an image that says nothing; the vehicle comes to a stop."""
        tasks = dict(zip(TASKS, (self.head_pose, self.trajectory, self.driving), strict=True))
        reasons = {name: reason for name, task in tasks.items() if task}
        risks = self.unsure(frame, reason)
        command = self.driving.idle(frame, risks) if self.driving else None
        return Answer(None, None, None, command, risks, trace, reasons)

    def unsure(self, view: View, reason: str) -> Risks | None:
        """Risks of a moment without motion: that nobody was looked for must not reach the gate as "nobody is there"."""
        return Risks(view.stamp_ns, (), reason) if self.trajectory else None

    def reset(self) -> None:
        """Forgets what is carried from frame to frame, as when the camera starts anew. Driving goes on."""
        if self.monitor:
            self.monitor.reset()
        if self.trajectory:
            self.trajectory.reset()

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
