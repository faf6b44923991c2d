"""One node, one process: start, spin, and an orderly end on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from headway.errors import HeadwayError
from headway.nodes.base import StageNode
from headway.nodes.priority import SWITCH_S
from headway.nodes.stopped import Stopped
from headway.nodes.systemd import Systemd
from headway.ros_environment import prepare

LOOK_S = 0.1  # a signal that comes while nothing happens is seen after this long


def run(make: Callable[[], StageNode], args: list[str] | None = None) -> int:
    """Spins one node until SIGINT or SIGTERM; returns the exit code: 1 where `autostart` failed."""
    prepare()
    sys.setswitchinterval(SWITCH_S)
    try:
        # ROS lives until the node has said its last word: its own handlers would end it first.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    except RuntimeError as error:  # RCLError: a keystore that is missing, an argument that ROS does not know
        print(f"error: {_first_line(error)}", file=sys.stderr)
        return 1
    node: StageNode | None = None
    systemd = Systemd()
    try:
        node = make()
        systemd.watch(node)
        if node.config.autostart and not _started(node):
            return int(rclpy.ok())  # the log says why; a process that stays, and does nothing, helps nobody
        systemd.ready()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        stopped = Stopped()
        stopped.listen()
        while not stopped.asked and rclpy.ok():
            executor.spin_once(timeout_sec=LOOK_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError as error:  # RCLError and its kind
        if rclpy.ok() and node is not None:  # else: a signal took ROS away while the node was being made
            raise
        # No participant: certificates that do not fit, or a middleware without the security it is to have.
        if rclpy.ok():
            print(f"error: {_first_line(error)}", file=sys.stderr)
            return 1
    except HeadwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        # A second signal while ROS is being taken down would kill the process half-way.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if node is not None:
            systemd.stopping()
            node.guarded(node.stop)()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _started(node: StageNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return bool(node.trigger_configure() == success and node.trigger_activate() == success)
