"""Processes end in order, however signals come."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from ros_bench import Bench, wait

from headway.nodes.watch import DEACTIVATED
from headway.ros_environment import child_environment
from headway.runtime.model import installed_models
from headway_msgs.msg import DriveCommand

pytestmark = pytest.mark.ros

INTERRUPTED = """
import signal, sys
from headway.nodes.stopped import Stopped

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


@pytest.mark.skipif("driving" not in installed_models(), reason="the shipped weights are missing")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_the_last_word_of_a_driving_process_that_is_ended_is_to_halt(bench: Bench, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "headway.nodes.driving", "--ros-args", "-p", "autostart:=true"]
    env = child_environment(bench.context.get_domain_id())
    commands = bench.record(DriveCommand, "/driving/command")
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as node:
        wait(lambda: len(commands) > 3, "the heartbeat does not come", timeout_s=60.0)
        node.send_signal(sent)
        output = node.communicate(timeout=20)[0]
    assert node.returncode == 0, output
    assert "Traceback" not in output
    wait(lambda: commands[-1].reason == DEACTIVATED, "it fell silent")
    assert (commands[-1].valid, commands[-1].speed, commands[-1].brake) == (False, 0.0, 1.0)
