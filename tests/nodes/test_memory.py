"""Node processes have one heap, so that what a cleaned-up node frees goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")

COUNTED = """
import ctypes, sys, tempfile, threading
{first}
import numpy, cv2, onnxruntime
threads = [threading.Thread(target=lambda: [bytearray(50_000) for _ in range(100)]) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


def heaps(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNTED.format(first=first)], capture_output=True, check=True, timeout=60
    )
    return int(done.stdout)


def test_a_node_process_has_one_heap_for_all_threads() -> None:
    assert heaps("import headway.nodes") == 1
    assert heaps("") > 1, "or the setting would be of no use"
