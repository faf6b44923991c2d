"""Reads a recorded bag: a .mcap or .db3 file, or a rosbag2 directory of them, whole or damaged."""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
import zstandard
from rosbags.typesys.store import Typestore

from headway.bags.mcap import RECORD_LIMIT, McapSource
from headway.bags.source import Damage, Record, Source, Topic
from headway.bags.sqlite import SqliteSource
from headway.bags.types import typestore
from headway.errors import BagError

REORDER_NS = 1_000_000_000
"""Messages are sorted by log time within this window: recorders write nearly in order, and a bag may not fit memory."""
_FROM_ROS_1 = "a bag of ROS 1 is converted with rosbags-convert"
_FROM_IMAGES = "`headway convert video` makes a bag of a video or a folder of images"
PART_BYTES = 1 << 18  # what is decompressed at a time


@dataclass(frozen=True)
class Message:
    """One message of a bag: `data` is serialized CDR, `stamp_ns` the log time."""

    topic: str
    msgtype: str
    stamp_ns: int
    data: bytes
    reader: BagReader

    def decode(self) -> Any:
        """The message as a rosbags object; raises BagError naming topic and type where the bytes do not fit."""
        return self.reader.decode(self)


class BagReader:
    """A bag being read. `loss` tells what a damaged bag withheld: before the messages were read, what is known of it
    then; "" where nothing.

    with BagReader(path) as bag:
        for message in bag.messages(["/imu/data"]):
            imu = message.decode()
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.losses: list[str] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._compressed = False
        self._sources: list[Source] = []
        files = self._files()
        try:
            for file in files:
                self._open(file)
        except BaseException:
            self.close()
            raise
        if not self._sources:
            raise BagError(self.loss)
        self.losses += [source.damage for source in self._sources if source.damage]
        self.topics = _merged(self._sources)

    @property
    def loss(self) -> str:
        """What could not be read, in one line."""
        return "; ".join(self.losses)

    @cached_property
    def store(self) -> Typestore:
        """The types of this bag's messages."""
        definitions: dict[str, str] = {}
        for source in self._sources:
            definitions.update(source.definitions)
        return typestore(definitions)

    def of_type(self, *msgtypes: str) -> list[str]:
        """Topics of any of the given message types, in order of the bag."""
        return [t.name for t in self.topics.values() if t.msgtype in msgtypes]

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Messages in order of log time, all topics or those given; stops at damage, which `loss` then tells."""
        self.losses = [text for text in self.losses if text.startswith("file ")]
        wanted = set(self.topics if topics is None else topics)
        heap: list[tuple[int, int, Record]] = []
        newest = 0
        for number, record in enumerate(self._records(wanted)):
            newest = max(newest, record.stamp_ns)
            heapq.heappush(heap, (record.stamp_ns, number, record))
            while heap[0][0] < newest - REORDER_NS:
                yield self._message(heapq.heappop(heap)[2])
        while heap:
            yield self._message(heapq.heappop(heap)[2])

    def _records(self, wanted: set[str]) -> Iterator[Record]:
        """Of several files by time, one record of each in hand: they may follow each other or have run side by side."""
        return heapq.merge(*(self._wanted(source, wanted) for source in self._sources), key=attrgetter("stamp_ns"))

    def _wanted(self, source: Source, wanted: set[str]) -> Iterator[Record]:
        try:
            yield from (record for record in source.records() if record.topic in wanted)
        except Damage as damage:
            self.losses.append(str(damage))

    def _message(self, record: Record) -> Message:
        data = _decompressed(record.data) if self._compressed else record.data
        return Message(record.topic, self.topics[record.topic].msgtype, record.stamp_ns, data, self)

    def decode(self, message: Message) -> Any:
        """See Message.decode."""
        if message.msgtype not in self.store.fielddefs:
            raise BagError(f"{self.path}: {message.topic} is of type {message.msgtype}, which the bag does not define")
        try:
            return self.store.deserialize_cdr(message.data, message.msgtype)
        except Exception as error:  # numpy, struct, Unicode and assertion errors, by what the bytes hold
            raise BagError(
                f"{self.path}: a message on {message.topic} is not a valid {message.msgtype}: "
                f"{type(error).__name__} {error}"
            ) from error

    def _files(self) -> list[Path]:
        if not self.path.exists():
            raise BagError(f"bag {self.path} does not exist")
        if not self.path.is_dir():
            return [self.path]
        metadata = self.path / "metadata.yaml"
        if metadata.is_file():
            return self._named_in(metadata)
        # A recorder that died: no metadata, and of a bag compressed file by file the last part perhaps in both forms.
        there = {p.name for p in self.path.iterdir()}
        found = [n for n in there if n.endswith((".mcap", ".db3")) or (_packed(n) and Path(n).stem not in there)]
        if not found:
            raise BagError(f"{self.path} holds no .mcap and no .db3 file: it is no bag; {_FROM_IMAGES}")
        return [self.path / name for name in sorted(found)]

    def _named_in(self, metadata: Path) -> list[Path]:
        try:
            info = yaml.safe_load(metadata.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
            # Only the bare name counts: a path in a file from outside may not lead out of the bag.
            names = [Path(name).name for name in info["relative_file_paths"]]
            if any("\0" in name for name in names):
                raise ValueError("a file name with a NUL")
            os.fsencode("".join(names))  # raises for half a surrogate pair, which no file name has
            self._compressed = str(info.get("compression_mode") or "").lower() == "message"
        except (OSError, ValueError, RecursionError, yaml.YAMLError, KeyError, TypeError) as error:
            said = " ".join(str(error).split())  # YAML's own texts take several lines
            raise BagError(f"{metadata} cannot be read ({said}); without it the bag opens: move it away") from error
        if not names:
            raise BagError(f"{metadata} names no file")
        return [self.path / name for name in names]

    def _open(self, file: Path) -> None:
        try:
            if file.suffix in (".zstd", ".zst"):
                file = self._unpacked(file)
            if file.suffix == ".mcap":
                self._sources.append(McapSource(file))
            elif file.suffix == ".db3":
                self._sources.append(SqliteSource(file))
            else:
                raise BagError(
                    f"{file} is neither .mcap nor .db3: {_FROM_ROS_1 if file.suffix == '.bag' else _FROM_IMAGES}"
                )
        except (OSError, BagError) as error:
            text = f"{file} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
            if not self.path.is_dir():
                raise BagError(text) from error
            self.losses.append(f"file {text}")

    def _unpacked(self, file: Path) -> Path:
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="headway-bag-")
        target = Path(self._temporary.name) / file.stem
        with file.open("rb") as source, target.open("wb") as sink:
            try:
                zstandard.ZstdDecompressor().copy_stream(source, sink)
            except zstandard.ZstdError as error:
                raise BagError(f"{file} cannot be unpacked: {error}") from error
        return target

    def close(self) -> None:
        """Closes every file."""
        for source in self._sources:
            source.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _packed(name: str) -> bool:
    """True for a file of a bag that was compressed as a whole."""
    return name.endswith((".mcap.zstd", ".mcap.zst", ".db3.zstd", ".db3.zst"))


def _decompressed(data: bytes) -> bytes:
    """A message that was compressed by itself; b"", which no type decodes, for what is no zstd or over the limit."""
    parts, size = [], 0
    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            while part := stream.read(PART_BYTES):
                parts.append(part)
                size += len(part)
                if size > RECORD_LIMIT:
                    return b""
    except zstandard.ZstdError:
        return b""
    return b"".join(parts)


def _merged(sources: list[Source]) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    for source in sources:
        for topic in source.topics.values():
            before = topics.get(topic.name)
            known = before is None or (before.count >= 0 and topic.count >= 0)
            count = topic.count + (before.count if before else 0) if known else -1
            topics[topic.name] = Topic(topic.name, topic.msgtype, count, topic.encoding)
    return topics
