"""A watchdog of our own: DDS liveliness says that a process lives, not that its engine answers.

    busy for more than `periods` input periods        reported at once in diagnostics
    ... and for `minimum_s`                           the frame is answered "hangs", the engine is opened anew
    again within `once_s`, or it does not open        the vehicle is brought to a stop, then the error state

The timer runs on the executor; the worker thread is the one that hangs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np

from headway.nodes.request import Request
from headway.runtime.restart import RestartableEngine

TICK_S = 0.05
LOOKS = 5
"""How often a message must have been seen hanging before it is given up: where the whole process stood still (a
debugger, a machine that slept or swapped) the first look sees a long time in which nothing could have been done."""
REST_S = 60.0  # longest wait for the commanded standstill before the error state ends all commands
OWNER = "watchdog"


class Watchdog:
    """Watches the worker of one node (a headway.nodes.base.StageNode)."""

    def __init__(self, node: Any) -> None:
        self._node, self._config = node, node.config.watchdog
        self.restarts = 0
        self.fault = ""  # why the node goes, or went, to its error state
        self._restarted_s = -np.inf  # monotonic
        self._opening: threading.Thread | None = None
        self._opening_since_s = self._failing_since_s = 0.0
        self._opening_error = ""
        self._reported: Request | None = None
        self._looks = 0  # at the reported one

    def start(self) -> None:
        """Begins to watch; called at activation."""
        self._node.every(TICK_S, self._tick)

    @property
    def trouble(self) -> str:
        """What hangs at this moment, or why the node gave up; "" while all is well."""
        if self.fault:
            return self.fault
        if self._opening and self._opening.is_alive():
            return "the engine is being restarted after it hung"
        if self._node.worker_ended():
            return "the worker thread has ended"
        busy_s = self._node.busy_s()
        limit_s = self._limit_s() if busy_s > TICK_S else np.inf
        return f"no answer for {busy_s:.2f} s to one message: {self._where()}" if busy_s > limit_s else ""

    @property
    def stuck(self) -> bool:
        """Trouble for longer than slowness explains: a service manager may end the process for it."""
        return bool(self.trouble) and (self._node.busy_s() >= self._config.minimum_s or not self._node.busy_s())

    def _limit_s(self) -> float:
        """So many periods of the input, as its arrivals have it; `minimum_s` before two have come."""
        arrivals = np.array(self._node.ledger.summary()["arrivals_ns"], float) * 1e-9
        if len(arrivals) < 2:
            return float(self._config.minimum_s)
        return float(self._config.periods * np.median(np.diff(arrivals)))

    def _hung(self) -> list[tuple[str, RestartableEngine]]:
        engines = [(m.name, m.engine) for m in self._node.opened if isinstance(m.engine, RestartableEngine)]
        return [(name, engine) for name, engine in engines if engine.busy]

    def _where(self) -> str:
        names = " and ".join(f"'{name}'" for name, _ in self._hung())
        return f"the engine of {names} hangs" if names else "the node hangs outside its engines"

    def _tick(self) -> None:
        if self.fault:
            return self._fail()
        if self._opening:
            return self._await_restart()
        trouble, request = self.trouble, self._node.in_work
        if not trouble or request is None:
            return None
        if self._reported is not request:
            self._reported, self._looks = request, 0
            self._node.get_logger().error(trouble)
            self._node.diagnose()
        self._looks += 1
        if self._looks >= LOOKS and self._node.busy_s() >= self._config.minimum_s:
            self._give_up(request, trouble)
        return None

    def _give_up(self, request: Request, trouble: str) -> None:
        if not request.claim(OWNER):
            return  # it is being published at this moment, or hangs there: systemd's watchdog is for that
        hung = self._hung()
        for _, engine in hung:
            engine.give_up()
        # The hung thread may still write into its own trace.
        trace = replace(request.trace, stage_ms=dict(request.trace.stage_ms), models=dict(request.trace.models))
        self._node.give_up(replace(request, trace=trace), trouble)
        since_s = time.monotonic() - self._restarted_s
        if not hung:
            self._failing(trouble)
        elif since_s < self._config.once_s:
            self._failing(f"{trouble}, again, {since_s:.1f} s after its restart")
        else:
            self._opening_error, self._opening_since_s = "", time.monotonic()
            self._opening = threading.Thread(target=self._open, args=([e for _, e in hung],), daemon=True)
            self._opening.start()

    def _open(self, engines: list[RestartableEngine]) -> None:
        try:
            for engine in engines:
                engine.restart()
        except Exception as error:  # whatever a runtime raises: the timer's thread decides what follows
            self._opening_error = f"the engine hung and cannot be opened again: {error}"

    def _await_restart(self) -> None:
        assert self._opening is not None
        took_s = time.monotonic() - self._opening_since_s
        if self._opening.is_alive():
            if took_s > self._config.restart_s:
                self._failing(f"the engine hung, and its restart has not ended within {took_s:.1f} s")
            return
        self._opening = None
        if self._opening_error:
            return self._failing(self._opening_error)
        self.restarts += 1
        self._restarted_s = time.monotonic()
        self._node.get_logger().warning(f"the engine was restarted in {took_s:.2f} s")
        self._node.resume_work()
        self._node.diagnose()
        return None

    def _failing(self, why: str) -> None:
        self._opening = None
        self.fault, self._failing_since_s = why, time.monotonic()
        self._node.get_logger().error(f"going to the error state: {why}")
        self._node.diagnose()

    def _fail(self) -> None:
        """The error state ends all commands, so the vehicle is first brought to a stop by the heartbeat."""
        if self._node.at_rest() or time.monotonic() - self._failing_since_s > REST_S:
            self._node.trigger_deactivate()
