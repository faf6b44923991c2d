"""sd_notify, without a library: lines of text in one datagram to the socket that systemd names.

READY=1 once the node spins (with autostart: once it is active), STOPPING=1 before it ends. WATCHDOG=1 is sent from a
timer of the executor and only while the node makes progress: not while its engine hangs or is being restarted, not
after it gave up. Silence of the camera is no reason to be killed: the node says so, and waits.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

ADDRESS, INTERVAL, OWNER = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
STATUS_PERIOD_S = 5.0  # where systemd watches nothing


class Systemd:
    """The service manager that started this process, if one did; all calls are harmless where none did."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        name = env.get(ADDRESS, "")
        # "@name" is a name in the abstract namespace; anything else than that and a path (vsock) is not for us.
        self._address = "\0" + name[1:] if name.startswith("@") else name if name.startswith("/") else ""
        watched = env.get(OWNER, str(os.getpid())) == str(os.getpid())
        interval = env.get(INTERVAL, "")
        self._watchdog_s = int(interval) * 1e-6 if watched and interval.isdigit() else 0.0
        self._node: Any = None
        self._warned = False

    def watch(self, node: Any) -> None:
        """Beats from now on for `node` (a StageNode), twice in each interval, on its executor."""
        self._node = node
        if self._address:
            period_s = self._watchdog_s / 2 if self._watchdog_s else STATUS_PERIOD_S
            node.create_timer(period_s, node.guarded(self.beat), clock=node.steady)

    def ready(self) -> None:
        """Whoever waits for this service may go on."""
        self._send("READY=1", f"STATUS={self._node.status()}")

    def beat(self) -> None:
        """One sign of life, where there is life."""
        alive = ["WATCHDOG=1"] if self._watchdog_s and not self._node.watchdog.stuck else []
        self._send(*alive, f"STATUS={self._node.status()}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._warned and self._node is not None:
                self._node.get_logger().warning(f"systemd does not listen on {ADDRESS}: {error}")
            self._warned = True
