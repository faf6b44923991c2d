"""The conductor ends in order, however signals come."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED = """
import signal, sys
from headway.nodes.conductor import Stopped

stopped, again = Stopped(), 30
signal.signal(signal.SIGTERM, stopped.ask)

def trace(frame, event, argument):
    global again
    if again:  # another one at every step of the handler
        again -= 1
        signal.raise_signal(signal.SIGTERM)
    return trace

sys.settrace(trace)
signal.raise_signal(signal.SIGTERM)
sys.settrace(None)
print(stopped.asked)
"""


def test_a_second_signal_in_the_midst_of_the_first_does_not_hang_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stdout.strip() == "True", ended.stderr
