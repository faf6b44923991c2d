"""Node `trajectory`: heads and motion -> tracks, forecasts, risk."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, Imu

from headway.errors import FrameError
from headway.messages import heads_from_message
from headway.node_config import TrajectoryNodeConfig
from headway.nodes.base import StageNode
from headway.nodes.publishers import MotionPublisher
from headway.nodes.request import Request
from headway.nodes.spin import run
from headway.nodes.watch import MotionWatch
from headway.sensors import Sensors
from headway.tasks import Trajectory
from headway_msgs.msg import HeadArray


class TrajectoryNode(StageNode):
    """heads, camera_info, imu, odom, depth -> ~/forecasts, ~/risk, ~/markers."""

    config: TrajectoryNodeConfig
    input_name = "heads"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("trajectory", TrajectoryNodeConfig(), **kwargs)
        self._task: Trajectory | None = None

    def load(self) -> None:
        """See StageNode.load."""
        c = self.config
        self._task = Trajectory.open(c.model, c.tracks, c.forecast, c.risk, c.engine, c.threads)
        self.opened = (self._task.model,)
        self._sensors = Sensors(c.sensors)
        self._motion = MotionPublisher(self)
        self._watch = MotionWatch(self, self._motion)

    def listen(self) -> None:
        """See StageNode.listen."""
        self.hear(CameraInfo, "camera_info", self._sensors.on_camera_info)
        self.hear(Imu, "imu", self._sensors.on_imu, depth=50)
        self.hear(Odometry, "odom", self._sensors.on_odometry, depth=10)
        self.hear(Image, "depth", self._sensors.on_depth)
        self.work_on(HeadArray, "heads")
        self._watch.start()

    def answer(self, request: Request) -> str:
        """See StageNode.answer."""
        assert self._task is not None
        message = request.message
        if not message.valid:
            raise FrameError(f"no heads: {message.reason}")
        view = self._sensors.view(request.stamp_ns, message.header.frame_id, message.width, message.height)
        if message.reason and view.camera is not None:  # valid, but suspect: the risk must not be silent about it
            view = replace(view, unsure="; ".join(filter(None, (message.reason, view.unsure))))
        motion = self._task.step(view, heads_from_message(message), request.trace)
        self.ready(request)
        self._motion.say(request, motion, view)
        return ""

    def refuse(self, request: Request, reason: str) -> None:
        """See StageNode.refuse."""
        self._motion.refuse(request, reason)

    def last_word(self) -> None:
        """See StageNode.last_word."""
        if self._task:
            self._watch.last_word()

    def restart(self) -> None:
        """See StageNode.restart."""
        if self._task:
            self._task.reset()
            self._sensors.reset()

    def doubt(self) -> str:
        """See Reports.doubt."""
        return f"risk unsure: {self._motion.doubt}" if self._task and self._motion.doubt else ""

    def extra_diagnostics(self) -> dict[str, object]:
        """The risk as it stands, and what the sensors sent and was not used."""
        return self._motion.summary() | self._sensors.summary() if self._task else {}

    def free(self) -> None:
        """See StageNode.free."""
        task, self._task = self._task, None
        if task:
            task.close()


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(TrajectoryNode))


if __name__ == "__main__":
    main()
