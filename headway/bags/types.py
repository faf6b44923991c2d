"""Message types for rosbags: Jazzy's, plus headway_msgs registered from the .msg files themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from headway.errors import BagError
from headway.fields import Fields
from headway.paths import share_dir

PACKAGE = "headway_msgs"


def definition_files() -> list[Path]:
    """The .msg files of headway_msgs, in a checkout or an installation."""
    return sorted((share_dir() / PACKAGE / "msg").glob("*.msg"))


def typestore(embedded: Mapping[str, str] | None = None) -> Typestore:
    """A type store with Jazzy's messages and headway_msgs.

    `embedded` holds definitions found in a bag, message type -> text. They come first, so that a bag recorded with
    an older headway_msgs is decoded with the fields it was written with.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in (embedded or {}).items():
        if name not in store.fielddefs:
            _register(store, name, text)
    for path in definition_files():
        name = f"{PACKAGE}/msg/{path.stem}"
        if name not in store.fielddefs:
            _register(store, name, path.read_text(encoding="utf-8"))
    return store


def _register(store: Typestore, name: str, text: str) -> None:
    try:
        types = get_types_from_msg(text, name)
        # A definition carries the types it is built of; those already known stay as they are.
        store.register({k: v for k, v in types.items() if k not in store.fielddefs})
    except TypesysError as error:
        raise BagError(f"the definition of {name} cannot be read: {error}") from error


def schema_text(store: Typestore, msgtype: str) -> str:
    """The concatenated ros2msg definition of `msgtype` and all it is built of, as mcap wants it."""
    if msgtype not in store.fielddefs:
        raise BagError(f"message type {msgtype} is not known")
    return store.generate_msgdef(msgtype, ros_version=2)[0]


def build(store: Typestore, msgtype: str, fields: Mapping[str, Any]) -> Any:
    """A rosbags message from nested dicts; fields left out become zero, empty or default messages. `Fields` are one.

    Raises KeyError naming the type where a key is none of its fields: a misspelt field is never lost silently.
    """
    return fields if isinstance(fields, Fields) else _maker(store, msgtype)(fields)


Maker = Callable[[Any], Any]
_MAKERS: WeakKeyDictionary[Typestore, dict[str, Maker]] = WeakKeyDictionary()
"""Per store and type, made at first use: walking the definitions for every message cost half a millisecond a frame."""


def _maker(store: Typestore, msgtype: str) -> Maker:
    known = _MAKERS.setdefault(store, {})
    if msgtype not in known:
        known[msgtype] = _message_maker(store, msgtype)
    return known[msgtype]


def _message_maker(store: Typestore, msgtype: str) -> Maker:
    kinds, cls = store.fielddefs[msgtype][1], store.types[msgtype]
    parts = [(name, _value_maker(store, kind)) for name, kind in kinds]
    names = {name for name, _ in parts}

    def make(fields: Mapping[str, Any] | None) -> Any:
        fields = fields or {}
        if not names >= fields.keys():
            raise KeyError(f"{msgtype} has no field {', '.join(sorted(fields.keys() - names))}")
        get = fields.get
        return cls(*[part(get(name)) for name, part in parts])

    if len(parts) < 2:
        return make
    pick, count = itemgetter(*(name for name, _ in parts)), len(parts)
    # Python's own types convert what is given without a call of ours for each number: dozens for each person in view.
    direct = [_python_type(kind) or part for (_, part), (_, kind) in zip(parts, kinds, strict=True)]
    floats = all(part is float for part in direct)

    def make_whole(fields: Mapping[str, Any] | None) -> Any:
        if fields is not None and len(fields) == count:
            try:
                values = pick(fields)
                return cls(
                    *(map(float, values) if floats else [part(v) for part, v in zip(direct, values, strict=True)])
                )
            except (KeyError, TypeError):  # something is missing, misspelt or None
                pass
        return make(fields)

    return make_whole


def _python_type(description: Any) -> type | None:
    """int, float or bool where a field is one number, else None."""
    node, detail = description
    if node != Nodetype.BASE or detail[0] in ("string", "wstring"):
        return None
    return bool if detail[0] == "bool" else float if detail[0].startswith("float") else int


def _value_maker(store: Typestore, description: Any) -> Maker:
    node, detail = description
    if node == Nodetype.NAME:
        return _maker(store, detail)
    if node == Nodetype.BASE:
        return _scalar_maker(detail[0])
    element, length = detail
    return _sequence_maker(store, element, length if node == Nodetype.ARRAY else None)


def _sequence_maker(store: Typestore, element: Any, length: int | None) -> Maker:
    """`length` is None for a sequence, else the fixed length of an array."""
    node, detail = element
    if node == Nodetype.BASE and detail[0] not in ("string", "wstring"):
        return _number_maker({"byte": "uint8", "char": "uint8"}.get(detail[0], detail[0]), length)
    if node == Nodetype.BASE and length is None:
        return lambda value: ["" if item is None else str(item) for item in value or ()]
    part = _value_maker(store, element)
    return lambda value: [part(item) for item in ([None] * (length or 0) if value is None else value)]


def _number_maker(name: str, length: int | None) -> Maker:
    kind = np.dtype(name)

    def make(value: Any) -> Any:
        if value is None:
            return np.zeros(length or 0, kind)
        if isinstance(value, np.ndarray) and value.shape == (length,) and value.dtype == kind:
            return np.ascontiguousarray(value)
        numbers = np.ascontiguousarray(_bytes(value), dtype=kind).ravel()
        if length is not None and len(numbers) != length:
            raise ValueError(f"{len(numbers)} numbers where the definition wants {length}")
        return numbers

    return make


def _bytes(value: Any) -> Any:
    return np.frombuffer(value, np.uint8) if isinstance(value, (bytes, bytearray, memoryview)) else value


def _scalar_maker(kind: str) -> Maker:
    if kind in ("string", "wstring"):
        return lambda value: "" if value is None else str(value)
    if kind == "bool":
        return bool
    if kind.startswith("float"):
        return lambda value: 0.0 if value is None else float(value)
    return lambda value: 0 if value is None else int(value)
