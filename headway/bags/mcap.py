"""MCAP storage, read front to back with checksums on and a limit on record size.

A file that ends early is read to its last whole message; one whose checksum fails is read up to the bad chunk.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, DataEnd, Schema

from headway.bags.source import Damage, Record, Topic
from headway.errors import BagError

MAGIC = b"\x89MCAP0\r\n"
RECORD_LIMIT = 64 << 20
_HEAD = struct.Struct("<BQ")  # opcode, length of what follows
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK = struct.Struct("<QQQI")  # first and last time, uncompressed size, CRC-32


class McapSource:
    """One .mcap file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._stated = 0  # messages that the summary promises
        self.topics: dict[str, Topic] = {}
        self.damage = ""
        if self._file.read(len(MAGIC)) != MAGIC:
            self._file.close()
            raise BagError(f"{path} is no MCAP file: its first bytes are not MCAP's")
        counts = self._from_summary()
        if counts is None:
            counts = self._from_scan()
        for number, channel in self._channels.items():
            schema = self._schemas.get(channel.schema_id)
            kind = schema.name if schema else ""
            before = self.topics.get(channel.topic)
            count = counts.get(number, 0) + (before.count if before else 0)
            self.topics[channel.topic] = Topic(channel.topic, kind, count, channel.message_encoding)
        self.definitions = {
            s.name: s.data.decode("utf-8", "replace") for s in self._schemas.values() if s.encoding == "ros2msg"
        }

    def _from_summary(self) -> dict[int, int] | None:
        """Counts per channel from the summary at the file's end; None where there is none (a recorder that died)."""
        try:
            self._file.seek(0)
            summary = SeekingReader(self._file, record_size_limit=RECORD_LIMIT).get_summary()
        except Exception:  # whatever a damaged tail makes the library raise: the scan below finds out what is there
            return None
        if summary is None or summary.statistics is None or not summary.channels:
            return None
        self._schemas, self._channels = dict(summary.schemas), dict(summary.channels)
        self._stated = summary.statistics.message_count
        return dict(summary.statistics.channel_message_counts)

    def _from_scan(self) -> dict[int, int]:
        counts: dict[int, int] = {}
        try:
            for channel, _, _ in self._messages():
                counts[channel] = counts.get(channel, 0) + 1
        except Damage as damage:
            self.damage = str(damage)
        return counts

    def records(self) -> Iterator[Record]:
        """See Source.records."""
        for number, stamp, data in self._messages():
            channel = self._channels.get(number)
            if channel is not None:
                yield Record(stamp, channel.topic, data)

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        self._file.seek(len(MAGIC))
        crc, count = zlib.crc32(MAGIC), 0
        while True:
            position = self._file.tell()
            head = self._file.read(_HEAD.size)
            where = f"{self._path.name} is damaged at byte {position} after {count} {self._of_stated()}messages"
            if len(head) < _HEAD.size:
                raise Damage(f"{where}: the file ends early")
            opcode, length = _HEAD.unpack(head)
            if length > RECORD_LIMIT:
                raise Damage(f"{where}: a record of {length} bytes is over the limit of {RECORD_LIMIT >> 20} MiB")
            body = self._file.read(length)
            if opcode == Opcode.DATA_END and len(body) == length:
                expected = DataEnd.read(ReadDataStream(BytesIO(body))).data_section_crc
                if expected not in (0, crc):
                    raise Damage(f"{where}: the checksum of the data section is wrong")
                return
            crc = zlib.crc32(body, zlib.crc32(head, crc))
            for item in self._walk(opcode, body, len(body) < length, where):
                count += 1
                yield item
            if len(body) < length:
                raise Damage(f"{self._path.name} ends early, after {count} {self._of_stated()}messages")

    def _of_stated(self) -> str:
        return f"of {self._stated} " if self._stated else ""

    def _walk(self, opcode: int, body: bytes, cut: bool, where: str) -> Iterator[tuple[int, int, bytes]]:
        """Messages of one top-level record; `cut` says that the file ends within it."""
        if opcode == Opcode.CHUNK:
            content = memoryview(self._content(body, cut, where))
            at = 0
            while at + _HEAD.size <= len(content):
                inner, length = _HEAD.unpack_from(content, at)
                at += _HEAD.size
                if at + length > len(content):
                    break
                yield from self._record(inner, content[at : at + length], where)
                at += length
            if at != len(content) and not cut:
                raise Damage(f"{where}: a chunk ends within a record")
        elif not cut:
            yield from self._record(opcode, body, where)

    def _record(self, opcode: int, body: bytes | memoryview, where: str) -> Iterator[tuple[int, int, bytes]]:
        if opcode == Opcode.MESSAGE:
            if len(body) < _MESSAGE.size:
                raise Damage(f"{where}: a message record of {len(body)} bytes")
            channel, _, stamp, _ = _MESSAGE.unpack_from(body)
            yield channel, stamp, bytes(body[_MESSAGE.size :])
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            kind: Any = Schema if opcode == Opcode.SCHEMA else Channel
            try:
                found = kind.read(ReadDataStream(BytesIO(body)))
            except Exception as error:  # the library's parsers raise struct, Unicode and EndOfFile errors alike
                raise Damage(f"{where}: {kind.__name__.lower()} record: {error}") from error
            table: dict[int, Any] = self._schemas if opcode == Opcode.SCHEMA else self._channels
            table.setdefault(found.id, found)

    def _content(self, body: bytes, cut: bool, where: str) -> bytes:
        """The chunk's records, decompressed; as many as there are where the chunk is cut off."""
        name_at = _CHUNK.size + 4
        if len(body) < name_at:
            return b""
        _, _, size, crc = _CHUNK.unpack_from(body)
        (name_length,) = struct.unpack_from("<I", body, _CHUNK.size)
        data_at = name_at + name_length + 8
        if len(body) < data_at:
            return b""
        compression = body[name_at : name_at + name_length].decode("ascii", "replace")
        if size > RECORD_LIMIT:
            raise Damage(f"{where}: a chunk of {size} bytes is over the limit of {RECORD_LIMIT >> 20} MiB")
        unpack = _DECOMPRESS.get(compression)
        if unpack is None:
            raise Damage(f"{where}: compression '{compression}' is none of lz4, zstd")
        try:
            content = unpack(body[data_at:], size)
        except Exception as error:  # zstandard and lz4 have unrelated error types
            raise Damage(f"{where}: {compression} chunk: {error}") from error
        if not cut and (len(content) != size or (crc and zlib.crc32(content) != crc)):
            raise Damage(f"{where}: the checksum of a chunk is wrong")
        return content

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _zstd(data: bytes, size: int) -> bytes:
    # A stream gives what it can of a cut-off chunk, and never more than the size the record states.
    with zstandard.ZstdDecompressor().stream_reader(data) as stream:
        return _read_all(stream.read, size)


def _read_all(read: Callable[[int], bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _lz4(data: bytes, size: int) -> bytes:
    return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size)


_DECOMPRESS: dict[str, Callable[[bytes, int], bytes]] = {"": lambda data, size: data, "zstd": _zstd, "lz4": _lz4}
