"""Node `headway`: all tasks in one process, so that images cross DDS once."""

from __future__ import annotations

import sys
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Imu
from sensor_msgs.msg import Image as DepthImage

from headway.node_config import HeadwayNodeConfig, open_pipeline
from headway.nodes.images import ImageNode
from headway.nodes.publishers import CommandPublisher, HeadPublisher, MotionPublisher, PicturePublisher
from headway.nodes.request import Request
from headway.nodes.spin import run
from headway.nodes.watch import Heartbeat, MotionWatch
from headway.pipeline import Answer, Pipeline
from headway.sensors import Sensors
from headway.tasks import DRIVING, HEAD_POSE, TRAJECTORY
from headway.types import Frame


class HeadwayNode(ImageNode):
    """image, camera_info, imu, odom, depth -> ~/heads, ~/forecasts, ~/risk, ~/command, ~/twist, pictures."""

    config: HeadwayNodeConfig

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("headway", HeadwayNodeConfig(), **kwargs)
        self._pipeline: Pipeline | None = None
        self._heads: HeadPublisher | None = None
        self._motion: MotionPublisher | None = None
        self._command: CommandPublisher | None = None

    def load(self) -> None:
        """See StageNode.load."""
        self._pipeline = pipeline = open_pipeline(self.config)
        tasks = (pipeline.head_pose, pipeline.trajectory, pipeline.driving)
        self.opened = tuple(t.model for t in tasks if t)
        self.sensors = Sensors(self.config.sensors)
        self._heads = HeadPublisher(self) if pipeline.head_pose else None
        self._motion = MotionPublisher(self) if pipeline.trajectory else None
        self._command = CommandPublisher(self, self.config.gate) if pipeline.driving else None
        self._picture = PicturePublisher(self)
        self._watch = MotionWatch(self, self._motion) if self._motion else None
        self._heartbeat = None
        if pipeline.driving and self._command:
            self._heartbeat = Heartbeat(self, pipeline.driving, self._command, self.sensors)

    def listen(self) -> None:
        """See StageNode.listen."""
        self.hear(CameraInfo, "camera_info", self.sensors.on_camera_info)
        self.hear(Imu, "imu", self.sensors.on_imu, depth=50)
        self.hear(Odometry, "odom", self.sensors.on_odometry, depth=10)
        self.hear(DepthImage, "depth", self.sensors.on_depth)
        self.listen_to_images()
        for watch in (self._watch, self._heartbeat):
            if watch:
                watch.start()

    def answer(self, request: Request) -> str:
        """See StageNode.answer."""
        assert self._pipeline is not None
        frame = self.frame(request)
        answer = self._pipeline.step(frame, request.trace)
        self.ready(request)
        self._publish(request, frame, answer)
        return "; ".join(f"{task}: {reason}" for task, reason in answer.reasons.items())

    def _publish(self, request: Request, frame: Frame, answer: Answer) -> None:
        height, width = frame.image.shape[:2]
        if self._command and answer.command:
            reason = answer.reasons.get(DRIVING, "")
            self._command.say(request, answer.command, frame, valid=not reason, reason=reason)
        if self._motion and answer.motion:
            self._motion.say(request, answer.motion, frame)
        elif self._motion:
            self._motion.refuse(request, answer.reasons.get(TRAJECTORY, "no answer"))
        if self._heads and answer.heads is not None:
            tracks = answer.motion.tracks if answer.motion else None
            self._heads.say(request, answer.heads, frame, width, height, tracks, answer.suspect)
        elif self._heads:
            self._heads.refuse(request, answer.reasons.get(HEAD_POSE, "no answer"))
        if self._heartbeat:
            self._heartbeat.risks = answer.risks
        if self._picture.wanted:
            from headway.annotate import annotate

            self._picture.say(request, annotate(frame, answer.heads, answer.motion, answer.command))

    def refuse(self, request: Request, reason: str) -> None:
        """See StageNode.refuse."""
        if self._pipeline and self._heartbeat:
            self._heartbeat.risks = self._pipeline.unsure(request.view, reason)  # what ~/risk says of this moment too
            self._heartbeat.stop(request, reason)
        if self._motion:
            self._motion.refuse(request, reason)
        if self._heads:
            self._heads.refuse(request, reason)

    def last_word(self) -> None:
        """See StageNode.last_word."""
        for watch in (self._heartbeat, self._watch):
            if watch:
                watch.last_word()

    def at_rest(self) -> bool:
        """See StageNode.at_rest."""
        return self._heartbeat is None or self._heartbeat.at_rest

    def doubt(self) -> str:
        """See Reports.doubt."""
        return f"risk unsure: {self._motion.doubt}" if self._motion and self._motion.doubt else ""

    def extra_diagnostics(self) -> dict[str, object]:
        """The risk as it stands, beside what the sensors sent."""
        return super().extra_diagnostics() | (self._motion.summary() if self._motion else {})

    def more_statuses(self) -> list[Any]:
        """See Reports.more_statuses."""
        return self._command.statuses() if self._command and self._pipeline else []

    def restart(self) -> None:
        """See StageNode.restart."""
        if self._pipeline:
            self._pipeline.reset()
            self.sensors.reset()

    def free(self) -> None:
        """See StageNode.free."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline:
            pipeline.close()


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(HeadwayNode))


if __name__ == "__main__":
    main()
