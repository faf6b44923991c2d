"""What all nodes share: lifecycle, parameters, the worker, accounting, diagnostics, signals.

A node fills in five verbs: `load` (engines, publishers), `listen` (subscriptions, timers), `answer` (one frame),
`refuse` (one frame that cannot be answered, with the reason) and `free`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import TransitionCallbackReturn as Outcome
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from headway.errors import AbandonedError, EngineError, FrameError, HeadwayError
from headway.node_config import NodeConfig
from headway.nodes import engine_lines, parameters
from headway.nodes.inputs import Item, Ledger, Mailbox, Worker, feed, hear
from headway.nodes.memory import give_back
from headway.nodes.reports import Reports
from headway.nodes.request import Request
from headway.nodes.stamps import Stamps
from headway.nodes.watchdog import Watchdog
from headway.order import LATE, Order
from headway.runtime.model import Model
from headway.sensors import stamp_of

JOIN_S = 5.0  # longest wait for an inference in progress when the node is deactivated
FINISH_S = 0.3  # after so much of it the last word is said: nobody must wait for it as long as an engine may hang


class StageNode(Stamps, Reports, LifecycleNode):
    """Base of all nodes; see the module's docstring."""

    input_name = "image"  # how reasons and warnings call the main input

    def __init__(self, name: str, defaults: NodeConfig, **kwargs: Any) -> None:
        """Declares the parameters. Raises ConfigError for one that was given and does not fit."""
        super().__init__(name, **kwargs)
        try:
            self.config: Any = parameters.declare(self, defaults)
        except HeadwayError:
            self.destroy_node()
            raise
        self.add_on_set_parameters_callback(self._on_set)
        for service in self.services:
            service.callback = self.answering(service.callback)
        self.ledger = Ledger()
        self.mailbox: Mailbox | None = None
        self.opened: tuple[Model, ...] = ()
        self.in_work: Request | None = None
        self.watchdog = Watchdog(self)
        self._worker: Worker | None = None
        self._publishers_made: list[Any] = []
        self._subscriptions_made: list[Any] = []
        self._timers_made: list[Any] = []
        self._order = Order()
        self.heard_ns = 0
        self.last_request: Request | None = None
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._state, self.failure = "unconfigured", ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
        self.diagnose_regularly()

    # What a node fills in.

    def load(self) -> None:
        """Opens and warms the engines, makes the publishers."""
        raise NotImplementedError

    def listen(self) -> None:
        """Makes subscriptions and timers."""
        raise NotImplementedError

    def answer(self, request: Request) -> str:
        """Answers one message; returns "" or the reason why the answer is not valid."""
        raise NotImplementedError

    def refuse(self, request: Request, reason: str) -> None:
        """Publishes valid = false with the reason."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forgets what is carried from frame to frame; called at activation and where the source starts anew."""

    def last_word(self) -> None:
        """Says what must be said before this node falls silent, if anything; at deactivation, perhaps twice."""

    def free(self) -> None:
        """Closes the engines."""

    def at_rest(self) -> bool:
        """True where nothing is left to be said before this node falls silent for good."""
        return True

    # Lifecycle.

    def on_configure(self, state: Any) -> Outcome:
        """Reads parameters, loads, verifies and warms the engines, makes publishers."""
        return self._transition("configure", self._configure, state, super().on_configure)

    def on_activate(self, state: Any) -> Outcome:
        """Listens."""
        return self._transition("activate", self._activate, state, super().on_activate)

    def on_deactivate(self, state: Any) -> Outcome:
        """Stops listening; the frame in work is finished."""
        return self._transition("deactivate", self._deactivate, state, super().on_deactivate)

    def on_cleanup(self, state: Any) -> Outcome:
        """Frees the engines and the publishers."""
        return self._transition("cleanup", self._cleanup, state, super().on_cleanup)

    def on_shutdown(self, state: Any) -> Outcome:
        """Deactivates and cleans up, from any state."""
        return self._transition("shutdown", self.stop, state, super().on_shutdown)

    def on_error(self, state: Any) -> Outcome:
        """Frees everything; the node can be configured again."""
        return self._transition("error", self.stop, state, super().on_error)

    def _transition(self, name: str, work: Callable[[], None], state: Any, then: Callable[[Any], Outcome]) -> Outcome:
        if name != "error":  # what led there is not over with it
            self.failure = ""
        try:
            work()
            return then(state)
        except HeadwayError as error:
            self.failure = f"{name}: {error}"
            self.get_logger().error(self.failure)
        except Exception as error:
            self.failure = f"{name} failed: {type(error).__name__}: {error}"
            self.report(f"{name} failed", error)
        if name not in ("configure", "activate"):
            return Outcome.ERROR
        # Half-way is no state: back to where the transition began.
        undo = self._cleanup if name == "configure" else self._deactivate
        self.guarded(undo)()
        return Outcome.FAILURE

    def _configure(self) -> None:
        self.config = parameters.read(self, self.config)
        self.watchdog = Watchdog(self)
        self.diagnose_regularly()
        start = time.monotonic()
        with engine_lines.told_by(self):
            self.load()
        self.tell_models()
        models = ", ".join(f"{k} {v[:12]}" for k, v in self.models.items()) or "no model"
        self.get_logger().info(f"configured in {time.monotonic() - start:.2f} s: {models}, {self.engines}")
        self._state = "inactive"

    def _activate(self) -> None:
        self.ledger = Ledger()
        self.mailbox = Mailbox(self.ledger)
        self._order, self.last_request, self.heard_ns = Order(), None, time.monotonic_ns()
        self.restart()
        self.listen()  # nothing arrives before this callback has returned and the publishers are enabled
        self.watchdog.start()
        self._state = "active"
        gc.collect()
        gc.freeze()  # what lives now lives as long as the node: no use in looking at it again for every frame

    def work_on(self, kind: type, topic: str) -> None:
        """Makes `topic` the main input: the newest message is handed to `answer` on the worker thread."""
        assert self.mailbox is not None
        self._subscriptions_made.append(feed(self, kind, topic, self.mailbox, self.config.input.reliability))
        self._input_kind = kind
        self.resume_work()

    def resume_work(self) -> None:
        """A worker thread for the main input, where none has it; called again when the one before was given up."""
        assert self.mailbox is not None
        if self._worker and not self._worker.given_up:
            return  # the node was deactivated and activated while the engine was restarted
        kind, name = self._input_kind, f"{self.get_name()}-worker"
        self._worker = Worker(self.mailbox, lambda item: self._handle(kind, item), name)

    def give_up(self, request: Request, reason: str) -> None:
        """Answers in the place of the worker, whose thread hangs and is left to itself."""
        assert self._worker is not None
        self._worker.give_up()
        self.age_ms(request)
        self.guarded(lambda: self.refuse(request, reason))()
        self.ledger.answer(request.trace, reason)
        self.last_request = request

    def hear(self, kind: type, topic: str, callback: Callable[[Any], None], depth: int = 1) -> None:
        """Subscribes a side input; `callback` must be quick, it runs between the node's timers."""
        subscription = hear(self, kind, topic, self.guarded(callback), self.config.input.reliability, depth)
        self._subscriptions_made.append(subscription)

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """A timer that goes on when the ROS clock stands still."""
        self._timers_made.append(self.create_timer(period_s, self.guarded(callback), clock=self.steady))

    def advertise(self, kind: type, topic: str, depth: int = 10) -> Any:
        """A lifecycle publisher, reliable, which any subscriber can take."""
        publisher = self.create_lifecycle_publisher(kind, topic, QoSProfile(depth=depth))
        self._publishers_made.append(publisher)
        return publisher

    def _deactivate(self) -> None:
        for timer in self._timers_made:
            self.destroy_timer(timer)
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        self._timers_made, self._subscriptions_made = [], []
        worker, self._worker = self._worker, None
        self._state = "inactive"
        gc.unfreeze()  # or what one activation made would never be looked at again
        if worker:
            self._end(worker)

    def _end(self, worker: Worker) -> None:
        stopped = worker.stop(FINISH_S)
        self.guarded(self.last_word)()
        if not stopped:
            stopped = worker.stop(JOIN_S)
            self.guarded(self.last_word)()  # again: what was in work may have been answered since
        if not stopped:
            if self.in_work:
                self.in_work.claim("deactivation")  # whatever comes of it is nobody's answer any more
            raise EngineError(f"the engine has not returned for {JOIN_S:g} s")
        if self.watchdog.fault:
            raise EngineError(self.watchdog.fault)

    def _cleanup(self) -> None:
        self.free()
        for publisher in self._publishers_made:
            self.destroy_lifecycle_publisher(publisher)
        self.forget_models()
        self._publishers_made, self.opened, self.last_request, self.mailbox = [], (), None, None
        self._state = "unconfigured"
        give_back()

    def stop(self) -> None:
        """Back to where nothing is loaded, from any state."""
        try:
            self._deactivate()
        finally:
            self._cleanup()

    # One message.

    def _handle(self, kind: type, item: Item) -> None:
        ledger = self.ledger
        try:
            message = deserialize_message(item.data, kind)
        except Exception:  # rclpy has no type of its own for bytes that are no message
            ledger.drop(f"the bytes are no {kind.__name__}")
            return
        stamp_ns = stamp_of(message)
        if not self.in_order(stamp_ns):
            ledger.drop(LATE)
            return
        self.heard_ns = item.received_ns
        trace = ledger.open_trace(item.index)
        now_ns = self.get_clock().now().nanoseconds
        request = self.in_work = Request(message, stamp_ns or now_ns, now_ns, trace)
        reason = self._answer_or_reason(request)
        if not request.claim("worker"):
            return  # the watchdog has answered
        if rclpy.ok(context=self.context):
            ledger.answer(trace, reason)
        self.last_request, self.in_work = request, None

    def _answer_or_reason(self, request: Request) -> str:
        try:
            age_s = self.age_ms(request) * 1e-3
            if 0 < self.config.input.max_age_s < age_s:
                raise FrameError(f"stale: the {self.input_name} is older than {self.config.input.max_age_s:g} s")
            return self.answer(request)
        except (FrameError, EngineError) as error:
            reason = str(error)
        except AbandonedError as error:
            return str(error)
        except Exception as error:
            if not rclpy.ok(context=self.context):
                return "the node was stopped"
            self.report(f"a {self.input_name} could not be answered", error)
            reason = f"internal error: {type(error).__name__}: {error}"
        if not request.claim("worker"):
            return reason
        self.warn_once(reason, f"{self.input_name} not answered: {reason}")
        self.guarded(lambda: self.refuse(request, reason))()
        return reason

    def _on_set(self, changes: Sequence[Any]) -> Any:
        return parameters.check(self.config, list(changes), self._state == "unconfigured")
