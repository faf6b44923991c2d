"""What the two storages have in common: topics, embedded definitions, raw records in the order they were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Damage(Exception):
    """The storage cannot be read any further; everything before was handed out. The text says what and where."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag. count is -1 where the bag does not say; encoding is "cdr" in every ROS 2 bag."""

    name: str
    msgtype: str
    count: int = -1
    encoding: str = "cdr"


class Record(NamedTuple):
    """One serialized message. stamp_ns is the time of recording (log time), not the header's stamp."""

    stamp_ns: int
    topic: str
    data: bytes


class Source(Protocol):
    """One storage file. damage: what opening it already met, "" where nothing; reading meets it again."""

    damage: str
    topics: dict[str, Topic]
    definitions: dict[str, str]

    def records(self) -> Iterator[Record]:
        """Records in the order they were written; raises Damage where the file is damaged."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...
