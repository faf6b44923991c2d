"""Node `driving`: image -> command, which always passes the safety gate."""

from __future__ import annotations

import sys
from typing import Any

from nav_msgs.msg import Odometry

from headway.messages import risks_from_message
from headway.node_config import DrivingNodeConfig
from headway.nodes.images import ImageNode
from headway.nodes.publishers import CommandPublisher, PicturePublisher
from headway.nodes.request import Request
from headway.nodes.spin import run
from headway.nodes.watch import Heartbeat
from headway.sensors import Sensors
from headway.stages.freshness import known_level
from headway.stages.monitor import ImageMonitor
from headway.tasks import Driving
from headway.types import Level, Risks
from headway_msgs.msg import RiskArray

NOT_HEARD = Risks(0, (), "no risk received yet")


class DrivingNode(ImageNode):
    """image, odom, risk -> ~/command, ~/twist, ~/debug_image."""

    config: DrivingNodeConfig

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("driving", DrivingNodeConfig(), **kwargs)
        self._task: Driving | None = None

    def load(self) -> None:
        """See StageNode.load."""
        c = self.config
        self._task = Driving.open(c.model, c.drive, c.gate, c.engine, c.threads)
        self.opened = (self._task.model,)
        self.sensors = Sensors()
        self.monitor = ImageMonitor(c.monitor)
        self._command, self._picture = CommandPublisher(self, c.gate), PicturePublisher(self)
        self._heartbeat = Heartbeat(self, self._task, self._command, self.sensors)

    def listen(self) -> None:
        """See StageNode.listen."""
        self.hear(Odometry, "odom", self.sensors.on_odometry, depth=10)
        self.hear(RiskArray, "risk", self._on_risk)
        self.listen_to_images()
        self._heartbeat.risks = NOT_HEARD if self.config.risk_expected else None
        self._heartbeat.start()

    def answer(self, request: Request) -> str:
        """See StageNode.answer."""
        assert self._task is not None
        frame = self.frame(request)
        _, command = self._task.step(frame, self._heartbeat.risks, request.trace)
        self.ready(request)
        self._command.say(request, command, frame)
        if self._picture.wanted:
            from headway.annotate import annotate

            self._picture.say(request, annotate(frame, command=command))
        return "" if command.valid else command.reason

    def refuse(self, request: Request, reason: str) -> None:
        """See StageNode.refuse."""
        if self._task:
            self._heartbeat.stop(request, reason)

    def last_word(self) -> None:
        """See StageNode.last_word."""
        if self._task:
            self._heartbeat.last_word()

    def _on_risk(self, message: Any) -> None:
        self._heartbeat.risks = risks_from_message(message)

    def doubt(self) -> str:
        """See Reports.doubt."""
        risks, last = self._heartbeat.risks if self._task else None, self.last_request
        if risks is None or last is None or known_level(risks, last.stamp_ns) != Level.UNSURE:
            return ""
        return f"pedestrians unsure: {risks.unsure or 'the last risk is too old'}"

    def more_statuses(self) -> list[Any]:
        """See Reports.more_statuses."""
        return self._command.statuses() if self._task else []

    def at_rest(self) -> bool:
        """See StageNode.at_rest."""
        return self._heartbeat.at_rest

    def restart(self) -> None:
        """See StageNode.restart."""
        super().restart()
        if self._task:
            self.sensors.reset()

    def free(self) -> None:
        """See StageNode.free."""
        task, self._task = self._task, None
        if task:
            task.close()


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(DrivingNode))


if __name__ == "__main__":
    main()
