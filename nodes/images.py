"""A node whose main input is the camera: decoding, checks, frames."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from headway.errors import FrameError
from headway.images import decode_image
from headway.nodes.base import StageNode
from headway.nodes.request import Request
from headway.sensors import Sensors
from headway.stages.monitor import ImageMonitor
from headway.types import Frame


class ImageNode(StageNode):
    """Listens to `image` or `image/compressed`."""

    sensors: Sensors
    monitor: ImageMonitor | None = None  # made in `load` where no pipeline brings its own
    _size: tuple[int, int] | None = None

    def listen_to_images(self) -> None:
        """Makes the camera the main input."""
        self._size = None
        if self.config.input.transport == "compressed":
            self.work_on(CompressedImage, "image/compressed")
        else:
            self.work_on(Image, "image")

    def frame(self, request: Request) -> Frame:
        """Decodes the image and joins it with what the other sensors say of its stamp.

        Raises FrameError for what is no image, and while the monitor finds that it is no picture of the world. What is
        only suspect is said in `request.suspect`.
        """
        with request.trace.timed("decode"):
            image = decode_image(request.message)
        height, width = image.shape[:2]
        before, self._size = self._size, (width, height)
        if before and before != self._size:
            # One frame is given up: whoever changes the size of a running camera should hear of it.
            self.restart()
            raise FrameError(f"image size changed from {before[0]}x{before[1]} to {width}x{height}: restarting with it")
        view = self.sensors.view(request.stamp_ns, request.message.header.frame_id, width, height)
        frame = Frame(**vars(view), image=image)
        if self.monitor:
            with request.trace.timed("monitor"):
                request.suspect = self.monitor.check(frame)
        return frame

    def restart(self) -> None:
        """See StageNode.restart."""
        if self.monitor:
            self.monitor.reset()

    def extra_diagnostics(self) -> dict[str, Any]:
        """What the other sensors sent and was not used."""
        sensors = getattr(self, "sensors", None)
        return dict(sensors.summary()) if sensors else {}
