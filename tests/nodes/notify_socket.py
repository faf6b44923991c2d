"""The service manager's end of sd_notify: a datagram socket that also learns which process sent what."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Told:
    """One datagram."""

    lines: tuple[str, ...]
    pid: int
    at_s: float


class NotifySocket:
    """Collects datagrams; `name` goes into NOTIFY_SOCKET ("@..." is in the abstract namespace)."""

    def __init__(self, name: str) -> None:
        self.name, self.told = name, list[Told]()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            data, extra, *_ = self._socket.recvmsg(65536, 256)
            if data == b"end":
                return
            pid = struct.unpack("iII", extra[0][2])[0]
            self.told.append(Told(tuple(data.decode().split("\n")), pid, time.monotonic()))

    def count(self, line: str) -> int:
        """Datagrams with this line."""
        return sum(line in t.lines for t in self.told)

    def close(self) -> None:
        """Stops listening."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"end", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()
        if not self.name.startswith("@"):
            Path(self.name).unlink()
