"""What is said when nothing comes in: silence must be heard as silence, and a vehicle must come to a stop."""

from __future__ import annotations

import time

from headway.nodes.base import StageNode
from headway.nodes.publishers import CommandPublisher, MotionPublisher
from headway.nodes.request import Request
from headway.sensors import Sensors
from headway.tasks import Driving
from headway.types import Risks, View

WATCH_PERIOD_S = 0.04
DEACTIVATED = "the node was deactivated"
REPEAT_S = 0.2  # "unsure" is repeated this often while the silence lasts


class MotionWatch:
    """Publishes "unsure" once the main input of the node has been silent for input.timeout_s."""

    def __init__(self, node: StageNode, publisher: MotionPublisher) -> None:
        self._node, self._publisher = node, publisher
        self._said_ns = 0

    def start(self) -> None:
        """Begins to watch; called at activation."""
        self._said_ns = 0
        self._node.every(WATCH_PERIOD_S, self._tick)

    def _tick(self) -> None:
        silence = self._node.silence_s()
        now_ns = time.monotonic_ns()
        if silence < self._node.config.input.timeout_s or now_ns - self._said_ns < REPEAT_S * 1e9:
            return
        self._said_ns = now_ns
        ever = self._node.last_request is not None
        what = f"no {self._node.input_name} for {silence:.2f} s" if ever else f"no {self._node.input_name} received yet"
        self._publisher.refuse(self._node.silent_request(), what)

    def last_word(self) -> None:
        """Unsure: nobody must go on believing the last risk of a node that is silent from now on."""
        self._publisher.refuse(self._node.silent_request(), DEACTIVATED)


class Heartbeat:
    """Goes on sending commands that ramp to a stop once no image could be answered for heartbeat_s.

    risks: what the gate hears of people; None where nobody looks for them.
    """

    def __init__(self, node: StageNode, task: Driving, publisher: CommandPublisher, sensors: Sensors) -> None:
        self._node, self._task, self._publisher, self._sensors = node, task, publisher, sensors
        self.risks: Risks | None = None

    @property
    def at_rest(self) -> bool:
        """True while the last command is standstill."""
        return self._publisher.speed_mps == 0.0

    def start(self) -> None:
        """Begins to watch; called at activation."""
        self._task.begin()
        self._node.every(self._node.config.heartbeat_period_s, self._tick)

    def stop(self, request: Request, reason: str) -> None:
        """One step of the ramp in the place of an answer: the vehicle does not wait for the next image."""
        self._idle(request, reason, silent=False)

    def _idle(self, request: Request, reason: str, silent: bool) -> None:
        view = self._view(request)
        self._publisher.say(request, self._task.idle(view, self.risks, silent), view, valid=False, reason=reason)

    def last_word(self) -> None:
        """Halt: nobody must go on obeying the last command of a node that is silent from now on."""
        request = self._node.silent_request()
        self._publisher.say(request, self._task.halt(DEACTIVATED), self._view(request), valid=False)

    def _view(self, request: Request) -> View:
        return self._sensors.view(request.stamp_ns, request.message.header.frame_id, 0, 0)

    def _tick(self) -> None:
        silence = self._node.silence_s()
        if silence >= self._node.config.heartbeat_s:
            self._idle(self._node.silent_request(), f"no image answered for {silence:.1f} s", silent=True)
