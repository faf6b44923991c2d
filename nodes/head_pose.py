"""Node `head_pose`: image -> every head with its pose."""

from __future__ import annotations

import sys
from typing import Any

from sensor_msgs.msg import CameraInfo

from headway.node_config import HeadPoseNodeConfig
from headway.nodes.images import ImageNode
from headway.nodes.publishers import HeadPublisher, PicturePublisher
from headway.nodes.request import Request
from headway.nodes.spin import run
from headway.sensors import Sensors
from headway.stages.monitor import ImageMonitor
from headway.tasks import HeadPose


class HeadPoseNode(ImageNode):
    """image, camera_info -> ~/heads, ~/debug_image."""

    config: HeadPoseNodeConfig

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("head_pose", HeadPoseNodeConfig(), **kwargs)
        self._task: HeadPose | None = None

    def load(self) -> None:
        """See StageNode.load."""
        c = self.config
        self._task = HeadPose.open(c.model, c.heads, c.engine, c.threads)
        self.opened = (self._task.model,)
        self.sensors = Sensors()
        self.monitor = ImageMonitor(c.monitor)
        self._heads, self._picture = HeadPublisher(self), PicturePublisher(self)

    def listen(self) -> None:
        """See StageNode.listen."""
        self.hear(CameraInfo, "camera_info", self.sensors.on_camera_info)
        self.listen_to_images()

    def answer(self, request: Request) -> str:
        """See StageNode.answer."""
        assert self._task is not None
        frame = self.frame(request)
        heads = self._task.step(frame, request.trace)
        self.ready(request)
        height, width = frame.image.shape[:2]
        self._heads.say(request, heads, frame, width, height, reason=request.suspect)
        if self._picture.wanted:
            from headway.annotate import annotate

            self._picture.say(request, annotate(frame, heads=heads))
        return ""

    def refuse(self, request: Request, reason: str) -> None:
        """See StageNode.refuse."""
        self._heads.refuse(request, reason)

    def free(self) -> None:
        """See StageNode.free."""
        task, self._task = self._task, None
        if task:
            task.close()


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(HeadPoseNode))


if __name__ == "__main__":
    main()
