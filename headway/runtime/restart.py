"""An engine that can be given up while it hangs, and opened anew.

Nothing in Python ends a thread that hangs in native code. So the call is given up instead: its thread keeps the old
engine to itself, whatever it returns at last is thrown away, and a fresh engine answers the next frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from headway.errors import AbandonedError, EngineError
from headway.runtime.engine import Engine


@dataclass(eq=False)
class _Opened:
    engine: Engine
    calls: int = 0  # in progress


class RestartableEngine:
    """An Engine round the one that `open_engine` opens (and warms). Thread-safe."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open = open_engine
        self._lock = threading.Lock()
        self._closed = False
        self._inner: _Opened | None = _Opened(open_engine())
        self.name = self._inner.engine.name

    @property
    def busy(self) -> bool:
        """True while a call has not returned."""
        inner = self._inner
        return inner is not None and inner.calls > 0

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer. Raises AbandonedError where the call was given up before it returned."""
        with self._lock:
            inner = self._inner
            if inner is None:
                raise EngineError("the engine is closed, or being restarted")
            inner.calls += 1
        try:
            return inner.engine.infer(feeds)
        finally:
            if not self._left(inner):
                raise AbandonedError("the engine returned after it had been given up") from None

    def _left(self, inner: _Opened) -> bool:
        with self._lock:
            inner.calls -= 1
            if inner is self._inner:
                return True
            last = not inner.calls
        if last:
            with suppress(Exception):  # whatever a runtime raises that hung: nobody is there to hear it
                inner.engine.close()
        return False

    def give_up(self) -> None:
        """Disowns the engine with every call in it; `infer` raises EngineError until `restart`.

        Freeing an engine under a call would crash the process: the last call to return frees it.
        """
        with self._lock:
            inner, self._inner = self._inner, None
            idle = inner is not None and not inner.calls
        if inner is not None and idle:
            inner.engine.close()

    def restart(self) -> None:
        """Gives up the engine and opens a fresh one; raises what opening raises."""
        self.give_up()
        fresh = self._open()
        with self._lock:
            if not self._closed:
                self._inner, self.name = _Opened(fresh), fresh.name
                return
        fresh.close()  # nobody wants it any more

    def close(self) -> None:
        """Frees the engine, or leaves that to the call that is still in it."""
        with self._lock:
            self._closed = True
        self.give_up()
