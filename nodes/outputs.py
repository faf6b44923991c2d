"""Plain dicts (headway.messages) -> rclpy messages, and publishers that are asked before they are fed."""

from __future__ import annotations

import array
import importlib
import re
from collections.abc import Mapping
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
    kinds = _kinds(message_type)
    for name, value in fields.items():
        if name not in kinds:
            raise KeyError(f"{type(message).__name__} has no field '{name}'")
        setattr(message, name, _value(kinds[name], value))
    return message


@cache
def _kinds(message_type: Any) -> dict[str, str]:
    return dict(message_type.get_fields_and_field_types())


@cache
def message_class(name: str) -> type:
    """ "std_msgs/Header" or "std_msgs/msg/Header" -> the rclpy class."""
    package, *_, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), kind)


def _value(kind: str, value: Any) -> Any:
    if sequence := _SEQUENCE.match(kind):
        return _sequence(sequence.group(1), value)
    if fixed := _ARRAY.match(kind):
        if "/" in fixed.group(1) or fixed.group(1) in ("string", "boolean"):
            return [_value(fixed.group(1), v) for v in value]
        return np.asarray(value, {"float": np.float32, "double": np.float64}.get(fixed.group(1), fixed.group(1)))
    if "/" in kind:
        return fill(message_class(kind)(), value) if isinstance(value, Mapping) else value
    if kind == "octet":
        return value if isinstance(value, bytes) else bytes([value])
    return _SCALARS.get(kind, int)(value)


def _sequence(kind: str, values: Any) -> Any:
    code = _CODES.get(kind)
    if code is None:
        return [_value(kind, v) for v in values]
    # Through the buffer: rclpy checks a list element by element (29 ms for an image), an array only by its type code.
    out = array.array(code)
    data: Any = values if isinstance(values, (bytes, bytearray, memoryview)) else np.ascontiguousarray(values, code)
    out.frombytes(memoryview(data).cast("B"))
    return out


def wanted(publisher: Any) -> bool:
    """True while somebody listens: drawing and markers cost nothing otherwise."""
    return publisher is not None and publisher.get_subscription_count() > 0
