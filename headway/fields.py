"""What `headway.messages` makes of an answer: the fields of one message."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import SimpleNamespace
from typing import Any


class Fields(SimpleNamespace, MutableMapping[str, Any]):
    """Every field of one ROS message, in the type that it has there, by attribute (`fields.valid`) as rosbags
    serializes it and by key (`fields["valid"]`) as everybody else reads it; messages inside are `Fields` too.

    A dict does where some fields are left out (`headway.bags.build` fills them in), but it has to be made a message of
    rosbags first, which took a quarter of the time of a frame's four messages.
    """

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        vars(self)[name] = value

    def __delitem__(self, name: str) -> None:
        del vars(self)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))

    __eq__ = MutableMapping.__eq__
