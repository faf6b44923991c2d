"""Writes one .mcap file that rosbag2, rosbags and Foxglove read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from mcap.writer import CompressionType, Writer
from rosbags.typesys.store import Typestore

from headway.bags.types import build, schema_text, typestore
from headway.errors import BagError

CHUNK_BYTES = 256 << 10  # what a recorder that is killed may lose


class BagWriter:
    """A bag being written. The bytes depend on what is written and nothing else: no wall clock, no machine.

    with BagWriter(path) as bag:
        bag.write("/driving/command", "headway_msgs/msg/DriveCommand", {"valid": True, ...}, stamp_ns)
    """

    def __init__(self, path: Path, store: Typestore | None = None) -> None:
        if path.suffix != ".mcap":
            raise BagError(f"{path}: a bag is written as one .mcap file: name it so")
        self.path = path
        self.store = store or typestore()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("wb")
            self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
            self._writer.start(profile="ros2", library="headway")
            self._file.flush()  # a bag from the first moment on, whatever ends this process before the first chunk
        except OSError as error:
            raise BagError(f"{path} cannot be written: {error.strerror}") from error
        self._channels: dict[tuple[str, str], int] = {}
        self._schemas: dict[str, int] = {}
        self._sequence: dict[int, int] = {}

    def write(self, topic: str, msgtype: str, message: Mapping[str, Any] | Any, stamp_ns: int) -> None:
        """Writes a message: nested dicts, or a rosbags message of this writer's store. stamp_ns is the log time."""
        if isinstance(message, Mapping):
            message = build(self.store, msgtype, message)
        self.write_raw(topic, msgtype, bytes(self.store.serialize_cdr(message, msgtype)), stamp_ns)

    def write_raw(self, topic: str, msgtype: str, data: bytes, stamp_ns: int, schema: str = "") -> None:
        """Writes serialized CDR as it is. `schema` is the ros2msg text of a type the store does not know."""
        channel = self._channel(topic, msgtype, schema)
        self._sequence[channel] = sequence = self._sequence.get(channel, -1) + 1
        try:
            self._writer.add_message(channel, log_time=stamp_ns, publish_time=stamp_ns, data=data, sequence=sequence)
        except OSError as error:
            raise BagError(f"{self.path} cannot be written: {error.strerror}") from error

    def _channel(self, topic: str, msgtype: str, schema: str) -> int:
        key = (topic, msgtype)
        if key not in self._channels:
            if msgtype not in self._schemas:
                text = schema or schema_text(self.store, msgtype)
                self._schemas[msgtype] = self._writer.register_schema(msgtype, "ros2msg", text.encode())
            # rosbag2 refuses a channel without this entry; an empty list means the default QoS.
            metadata = {"offered_qos_profiles": ""}
            self._channels[key] = self._writer.register_channel(topic, "cdr", self._schemas[msgtype], metadata)
        return self._channels[key]

    def close(self) -> None:
        """Writes index and summary. A writer that is never closed leaves a file that reads up to its last chunk."""
        if self._file.closed:
            return
        try:
            try:
                self._writer.finish()
            finally:
                self._file.close()
        except OSError as error:
            raise BagError(f"{self.path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
