"""Fields (headway.messages) and plain dicts -> rclpy messages, and publishers that are asked before they are fed."""

from __future__ import annotations

import array
import importlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

# IDL primitive -> array.array type code, for unbounded sequences.
_CODES = {
    "float": "f", "double": "d", "uint8": "B", "octet": "B", "int8": "b", "uint16": "H", "int16": "h",
    "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
}  # fmt: skip
_SCALARS = {**dict.fromkeys(("float", "double"), float), "boolean": bool, "string": str}
_SEQUENCE = re.compile(r"sequence<([^,>]+)(?:, *\d+)?>$")
_ARRAY = re.compile(r"(.+)\[(\d+)\]$")


def fill(message: Any, fields: Mapping[str, Any]) -> Any:
    """Sets `fields` (nested dicts, lists, arrays) on an rclpy message and returns it.

    An unknown field name raises KeyError with the message's type: a typing error must not become a default value.
    """
    message_type: Any = type(message)
    converters = _converters(message_type)
    for name, value in fields.items():
        if name not in converters:
            raise KeyError(f"{message_type.__name__} has no field '{name}'")
        setattr(message, name, converters[name](value))
    return message


Converter = Callable[[Any], Any]


@cache
def _converters(message_type: Any) -> dict[str, Converter]:
    """Field -> what turns a value into what it takes; made once, since dozens are set for each person in view."""
    return {name: _converter(kind) for name, kind in message_type.get_fields_and_field_types().items()}


@cache
def message_class(name: str) -> type:
    """ "std_msgs/Header" or "std_msgs/msg/Header" -> the rclpy class."""
    package, *_, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), kind)


def _converter(kind: str) -> Converter:
    if sequence := _SEQUENCE.match(kind):
        return _sequence_converter(sequence.group(1))
    if fixed := _ARRAY.match(kind):
        element = fixed.group(1)
        if "/" in element or element in ("string", "boolean"):
            return _list_of(_converter(element))
        dtype = np.dtype({"float": "float32", "double": "float64"}.get(element, element))
        return lambda value: np.asarray(value, dtype)
    if "/" in kind:
        inner = message_class(kind)
        return lambda value: fill(inner(), value) if isinstance(value, Mapping) else value
    if kind == "octet":
        return lambda value: value if isinstance(value, bytes) else bytes([value])
    return _SCALARS.get(kind, int)


def _list_of(element: Converter) -> Converter:
    return lambda values: [element(v) for v in values]


def _sequence_converter(kind: str) -> Converter:
    code = _CODES.get(kind)
    if code is None:
        return _list_of(_converter(kind))

    def convert(values: Any) -> array.array[Any]:
        # rclpy checks a list element by element (29 ms for an image), an array only by its type code.
        if isinstance(values, array.array) and values.typecode == code:
            return values
        data: Any = values if isinstance(values, (bytes, bytearray, memoryview)) else np.ascontiguousarray(values, code)
        out = array.array(code)
        if len(data):
            out.frombytes(memoryview(data).cast("B"))
        return out

    return convert


def wanted(publisher: Any) -> bool:
    """True while somebody listens: drawing and markers cost nothing otherwise."""
    return publisher is not None and publisher.get_subscription_count() > 0
