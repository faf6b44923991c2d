"""An engine that can be given up while it hangs, and opened anew.

Nothing in Python ends a thread that hangs in native code. So the call is given up instead: its thread keeps the old
engine to itself, whatever it returns at last is thrown away, and a fresh engine answers the next frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np

from headway.errors import AbandonedError, EngineError
from headway.runtime.engine import Engine


class RestartableEngine:
    """An Engine round the one that `open_engine` opens (and warms). Thread-safe."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open = open_engine
        self._lock = threading.Lock()
        self._calls = 0  # in progress on `_inner`
        self._closed = False
        self._inner: Engine | None = open_engine()
        self.name = self._inner.name

    @property
    def busy(self) -> bool:
        """True while a call has not returned."""
        return self._calls > 0

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer. Raises AbandonedError where the call was given up before it returned."""
        with self._lock:
            inner = self._inner
            if inner is None:
                raise EngineError("the engine is closed, or being restarted")
            self._calls += 1
        try:
            return inner.infer(feeds)
        finally:
            if not self._left(inner):
                raise AbandonedError("the engine returned after it had been given up") from None

    def _left(self, inner: Engine) -> bool:
        with self._lock:
            if inner is not self._inner:
                return False
            self._calls -= 1
            return True

    def give_up(self) -> None:
        """Disowns the engine with every call in it; `infer` raises EngineError until `restart`."""
        with self._lock:
            self._inner, self._calls = None, 0

    def restart(self) -> None:
        """Gives up the engine and opens a fresh one; raises what opening raises."""
        self.give_up()
        fresh = self._open()
        with self._lock:
            if not self._closed:
                self._inner, self.name = fresh, fresh.name
                return
        fresh.close()  # nobody wants it any more

    def close(self) -> None:
        """Frees the engine; one with a call in it is left to that call, since freeing it would crash the process."""
        with self._lock:
            inner, calls, self._closed = self._inner, self._calls, True
            self._inner, self._calls = None, 0
        if inner is not None and not calls:
            inner.close()
