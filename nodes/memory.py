"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """What a cleaned-up node no longer needs, glibc would keep: each worker thread has had an arena of its own."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other C libraries have none, and nothing to trim
        trim(0)
