"""What a node tells of itself: diagnostics, its models, and trouble (one line for everybody, nothing twice)."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from headway.nodes import diagnostics
from headway.nodes.inputs import Ledger
from headway.nodes.watchdog import Watchdog
from headway.runtime.model import Model

MOST_WARNINGS = 100  # reasons carry numbers of the input: the memory of what was said must not grow with it


class Reports:
    """Mixin of a node: what is only declared here is the node's."""

    get_logger: Callable[[], Any]
    get_clock: Callable[[], Any]
    get_name: Callable[[], str]
    create_publisher: Callable[..., Any]
    destroy_publisher: Callable[[Any], Any]
    create_timer: Callable[..., Any]
    destroy_timer: Callable[[Any], Any]
    steady: Any
    busy_s: Callable[[], float]
    context: Any
    config: Any
    opened: tuple[Model, ...]
    ledger: Ledger
    watchdog: Watchdog
    failure: str  # of the last change of state, "" where it succeeded
    _state: str
    _diagnostics: Any
    _diagnose_timer: Any = None
    _model_info: Any = None
    _warned: set[str] | None = None

    def guarded(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """`callback` that never raises: an exception in a callback would end the whole node."""

        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                if rclpy.ok(context=self.context):
                    self.report("callback failed", error)

        return call

    def answering(self, service: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """One of ROS's own services that never raises: a change of state that is not possible, or a parameter of a type
        that there is not, would end the whole node. The answer is then the response's default: no success."""

        def call(request: Any, response: Any) -> Any:
            try:
                return service(request, response)
            except Exception as error:
                self.report(f"{type(request).__qualname__} not answered", error)
                return response

        return call

    def report(self, what: str, error: BaseException) -> None:
        """One line for everybody, the traceback at debug level."""
        self.get_logger().error(f"{what}: {type(error).__name__}: {error}")
        self.get_logger().debug("".join(traceback.format_exception(error)))

    def warn_once(self, key: str, text: str) -> None:
        """Logs the first time only; the count of each reason is in the diagnostics."""
        warned = self._warned = self._warned or set()
        if key not in warned and len(warned) < MOST_WARNINGS:
            warned.add(key)
            self.get_logger().warning(text)

    @property
    def models(self) -> dict[str, str]:
        """Name -> SHA-256 of what is loaded."""
        return {model.name: model.manifest.hash for model in self.opened}

    @property
    def engines(self) -> str:
        """Those that answer: what the configuration calls "auto" has a name once it is open."""
        return ", ".join(sorted({model.engine.name for model in self.opened})) or str(self.config.engine)

    def tell_models(self) -> None:
        """Latched, so that whoever comes later still learns which weights speak."""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._model_info = self.create_publisher(String, "~/model_info", latched)
        about = {"engine": self.engines, "models": self.models}
        self._model_info.publish(String(data=json.dumps(about)))

    def forget_models(self) -> None:
        """Takes the latched word back."""
        if self._model_info is not None:
            self.destroy_publisher(self._model_info)
        self._model_info = None

    def doubt(self) -> str:
        """Why answers that are valid are worth less than they should be, "" for nothing."""
        return ""

    def extra_diagnostics(self) -> dict[str, Any]:
        """More lines for the diagnostics of this node."""
        return {}

    def more_statuses(self) -> list[Any]:
        """Further DiagnosticStatus of this node, for what is no matter of its stream."""
        return []

    @property
    def trouble(self) -> str:
        """What is wrong with the node itself, "" for nothing."""
        return self.watchdog.trouble or self.failure

    def status(self) -> str:
        """One line on how the node is."""
        return self.trouble or self._state

    def tell(self, status: Any) -> None:
        """Publishes one DiagnosticStatus at once."""
        self._diagnostics.publish(diagnostics.diagnostic_array(self.get_clock().now().to_msg(), [status]))

    def diagnose_regularly(self) -> None:
        """Starts the timer of the diagnostics, or starts it anew with another period."""
        if self._diagnose_timer is not None:
            self.destroy_timer(self._diagnose_timer)
        period_s, callback = self.config.diagnostics_period_s, self.guarded(self.diagnose)
        self._diagnose_timer = self.create_timer(period_s, callback, clock=self.steady)

    def diagnose(self) -> None:
        """Publishes the node's diagnostics now; a timer does so all the time."""
        busy_s = self.busy_s()
        extra = {"busy_s": f"{busy_s:.2f}"} if busy_s else {}
        if self.watchdog.restarts:
            extra["engine_restarts"] = str(self.watchdog.restarts)
        extra |= self.extra_diagnostics()
        status = diagnostics.status(
            self.get_name(), self.ledger, self.models, self.engines, self._state, self.trouble, self.doubt(), extra
        )
        statuses = [status, *self.more_statuses()]
        self._diagnostics.publish(diagnostics.diagnostic_array(self.get_clock().now().to_msg(), statuses))
