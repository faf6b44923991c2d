"""What must be known of an ONNX file before an engine reads it, without the onnx package: the device does not have it.

A manifest's hash covers the ONNX file alone: weights beside it, or anywhere on the disk, would be loaded unseen. And an
engine that knows only older operators may read newer ones wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator

Fields = Iterator[tuple[int, int | memoryview]]

# Protobuf field numbers of onnx.proto that lead to tensors: message -> field -> message.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
}
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2
_DEEPEST = 32
"""Graphs within graphs; more is no network but an attack on the stack."""


def external_tensors(onnx: bytes) -> list[str]:
    """Names of the tensors whose data lie outside; raises ValueError where the bytes are no protobuf message."""
    return list(_walk(memoryview(onnx), "model", 0))


def opset(onnx: bytes) -> int:
    """Version of ONNX's own operator set that the file is written in, 0 where it names none; raises ValueError where
    the bytes are no protobuf message."""
    for field, value in _fields(memoryview(onnx)):
        if field == _OPSET_IMPORT and isinstance(value, memoryview):
            found = dict(_fields(value))
            if bytes(found.get(_DOMAIN, b"")) in (b"", b"ai.onnx"):
                return int(found.get(_VERSION, 0))
    return 0


def _walk(data: memoryview, message: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("graphs are nested too deeply")
    if message == "tensor":
        yield from _outside(data)
        return
    for field, value in _fields(data):
        inner = _INSIDE[message].get(field)
        if inner and isinstance(value, memoryview):
            yield from _walk(value, inner, depth + 1)


def _outside(tensor: memoryview) -> Iterator[str]:
    name, outside = "?", False
    for field, value in _fields(tensor):
        if field == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode("utf-8", "replace")
        outside |= field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value == 1)
    if outside:
        yield name


def _fields(data: memoryview) -> Fields:
    """(field number, varint or bytes) of each field of a protobuf message; fixed-size numbers come as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"cut short at byte {at}")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError(f"no number at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
