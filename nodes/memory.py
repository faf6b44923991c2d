"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import gc

M_ARENA_MAX = -8
"""glibc's number of this setting in malloc.h."""


def share_one_arena() -> None:
    """All threads to come take their memory from one heap.

    `malloc_trim` gives back what is free at the end of the main heap, not at the end of those that glibc makes for
    further threads: the networks' buffers stayed there, or did not, by what lay behind them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have none, and no arenas
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """What a cleaned-up node no longer needs, glibc would keep."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other C libraries have none, and nothing to trim
        trim(0)
