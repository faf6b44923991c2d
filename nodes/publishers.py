"""What the tasks publish. One class a task, used by its own node and by the node that runs all."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from headway import messages
from headway.markers import marker_array
from headway.nodes import diagnostics
from headway.nodes.base import StageNode
from headway.nodes.outputs import fill, wanted
from headway.nodes.request import Request
from headway.sensors import stamp_of
from headway.stages.limits import GateConfig
from headway.tasks import Motion
from headway.types import DriveCommand as Command
from headway.types import Heads, Tracks, View
from headway_msgs.msg import DriveCommand, ForecastArray, HeadArray, RiskArray


class HeadPublisher:
    """~/heads."""

    def __init__(self, node: StageNode) -> None:
        self._heads = node.advertise(HeadArray, "~/heads")

    def say(
        self,
        request: Request,
        heads: Heads,
        view: View,
        width: int,
        height: int,
        tracks: Tracks | None = None,
        reason: str = "",
    ) -> None:
        """The heads of one image; `reason` says why the image is suspect."""
        fields = messages.head_array(heads, view, width, height, request.trace, reason=reason, tracks=tracks)
        self._heads.publish(fill(HeadArray(), _restamped(fields, request)))

    def refuse(self, request: Request, reason: str) -> None:
        """No answer for this image."""
        fields = messages.head_array(None, request.view, 0, 0, request.trace, valid=False, reason=reason)
        self._heads.publish(fill(HeadArray(), _restamped(fields, request)))


class MotionPublisher:
    """~/forecasts, ~/risk, and ~/markers while somebody looks; what is new for the wearer, and what the state is, goes
    to /diagnostics."""

    def __init__(self, node: StageNode) -> None:
        self._node = node
        self._last: Motion | None = None
        self._refused = ""
        self._told, self._left_out = 0, 0
        self._forecasts = node.advertise(ForecastArray, "~/forecasts")
        self._risk = node.advertise(RiskArray, "~/risk")
        self._markers = node.advertise(MarkerArray, "~/markers", depth=1)

    def say(self, request: Request, motion: Motion, view: View) -> None:
        """Forecasts and risks of one view."""
        trace = messages.trace_fields(request.trace)
        forecasts = messages.forecast_array(motion.forecast, view, trace)
        risk = messages.risk_array(motion.risks, view, trace)
        self._risk.publish(fill(RiskArray(), _restamped(risk, request)))
        self._forecasts.publish(fill(ForecastArray(), _restamped(forecasts, request)))
        if wanted(self._markers):
            source = replace(view, stamp_ns=stamp_of(request.message))  # as `_restamped`: none is invented
            self._markers.publish(fill(MarkerArray(), marker_array(motion.forecast, motion.risks, source)))
        for announcement in motion.announcements:
            self._node.tell(diagnostics.alert_status(self._node.get_name(), announcement))
        self._last, self._refused = motion, ""
        self._told += len(motion.announcements)
        self._left_out += motion.tracks.left_out > 0

    @property
    def doubt(self) -> str:
        """Why the last word on the risk was "unsure", "" where it was not."""
        return self._refused or (self._last.risks.unsure if self._last else "")

    def summary(self) -> dict[str, object]:
        """Lines for the diagnostics: the last word on the risk, who was left out, how often the wearer was told."""
        if self._refused:
            now: dict[str, object] = {"risk": f"unsure: {self._refused}"}
        elif self._last:
            risks, tracks = self._last.risks, self._last.tracks
            now = {
                "risk": risks.level.name.lower() + (f": {risks.unsure}" if risks.unsure else ""),
                "people": len(tracks),
                "people_left_out": tracks.left_out,
            }
        else:
            return {}
        return now | {"frames_with_people_left_out": self._left_out, "alerts_told": self._told}

    def refuse(self, request: Request, reason: str) -> None:
        """No forecast for this view; the risk is unsure."""
        self._refused = reason
        forecasts = messages.forecast_array(None, request.view, request.trace, valid=False, reason=reason)
        risk = messages.risk_array(None, request.view, request.trace, valid=False, reason=reason)
        self._risk.publish(fill(RiskArray(), _restamped(risk, request)))
        self._forecasts.publish(fill(ForecastArray(), _restamped(forecasts, request)))


class CommandPublisher:
    """~/command and ~/twist."""

    def __init__(self, node: StageNode, gate: GateConfig) -> None:
        self._node = node
        self._command = node.advertise(DriveCommand, "~/command")
        self._twist = node.advertise(TwistStamped, "~/twist")
        self.speed_mps = 0.0  # of the last command
        self._vehicle = gate

    def say(
        self,
        request: Request,
        command: Command,
        view: View,
        valid: bool = True,
        reason: str = "",
    ) -> None:
        """One command, valid or ramping to a stop."""
        self.speed_mps = command.speed_mps
        fields = messages.drive_command(command, view, request.trace, valid, reason)
        self._command.publish(fill(DriveCommand(), _restamped(fields, request)))
        twist = messages.twist_stamped(command, view, self._vehicle)
        self._twist.publish(fill(TwistStamped(), _restamped(twist, request)))

    def rivals(self) -> dict[str, list[str]]:
        """Topic -> names of other nodes that publish it too; empty where this node alone commands the vehicle."""
        found = {}
        for publisher in (self._command, self._twist):
            topic = publisher.topic_name
            names = [
                i.node_namespace.rstrip("/") + "/" + i.node_name for i in self._node.get_publishers_info_by_topic(topic)
            ]
            own = self._node.get_fully_qualified_name()
            if own in names:
                names.remove(own)  # once: a second node of the same name is a rival
            if names:
                found[topic] = sorted(names)
        return found

    def statuses(self) -> list[diagnostics.DiagnosticStatus]:
        """An ERROR while somebody else commands the vehicle too: which of the two it obeys is then chance."""
        rivals = self.rivals()
        if not rivals:
            return []
        said = "; ".join(f"{topic} is published by {', '.join(names)} too" for topic, names in rivals.items())
        self._node.warn_once(said, f"{said}: stop one of them, or let a multiplexer choose")
        return [diagnostics.rival_status(self._node.get_name(), said)]


class PicturePublisher:
    """~/debug_image, drawn only while somebody looks."""

    def __init__(self, node: StageNode) -> None:
        self._image = node.advertise(Image, "~/debug_image", depth=1)

    @property
    def wanted(self) -> bool:
        """True while somebody looks."""
        return wanted(self._image)

    def say(self, request: Request, image: np.ndarray) -> None:
        """image: (H, W, 3) uint8 BGR."""
        height, width = image.shape[:2]
        fields: dict[str, Any] = {
            "header": messages.header(request.view),
            "height": height,
            "width": width,
            "encoding": "bgr8",
            "step": 3 * width,
            "data": np.ascontiguousarray(image).reshape(-1),
        }
        self._image.publish(fill(Image(), _restamped(fields, request)))


def _restamped(fields: MutableMapping[str, Any], request: Request) -> MutableMapping[str, Any]:
    # A source without stamps is tracked by its time of arrival, but no stamp is ever invented in an output.
    fields["header"]["stamp"] = request.stamp
    return fields
