"""The smallest node on the shared base: it answers every image with an empty list of heads, and needs no model."""

from __future__ import annotations

import sys
import threading
from typing import Any

from headway.node_config import NodeConfig
from headway.nodes.images import ImageNode
from headway.nodes.publishers import HeadPublisher
from headway.nodes.request import Request
from headway.nodes.spin import run
from headway.sensors import Sensors
from headway.types import Heads


class TinyNode(ImageNode):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__("tiny", NodeConfig(), **kwargs)
        self.gate = threading.Event()  # cleared: the "inference" takes until it is set again
        self.gate.set()
        self.restarts = 0

    def load(self) -> None:
        self.sensors = Sensors()
        self.heads = HeadPublisher(self)

    def listen(self) -> None:
        self.listen_to_images()

    def answer(self, request: Request) -> str:
        frame = self.frame(request)
        self.gate.wait(10)
        self.ready(request)
        height, width = frame.image.shape[:2]
        self.heads.say(request, Heads.empty(), frame, width, height)
        return ""

    def refuse(self, request: Request, reason: str) -> None:
        self.heads.refuse(request, reason)

    def restart(self) -> None:
        self.restarts += 1


if __name__ == "__main__":
    sys.exit(run(TinyNode))
