"""Messages as an adversary, a broken driver or a bad cable would send them: any ROS message class by its definition."""

from __future__ import annotations

import array
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from headway.images import ENCODINGS
from headway.nodes.outputs import message_class

NUMBERS = st.one_of(
    st.floats(width=64),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e308, -1e308, 1e-320, 1.0, -1.0, 1e20]),
)
SMALL = st.floats(-10.0, 10.0)
TEXTS = st.one_of(
    st.sampled_from(["", "bgr8", "32FC1", "plumb_bob", "é" * 50, "x" * 5000, "[red]", "%s%n", "../../etc", "\n\t\r"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
)
INTEGERS = {
    "int8": (-(2**7), 2**7 - 1), "uint8": (0, 2**8 - 1), "octet": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1),
}  # fmt: skip
_SEQUENCE = re.compile(r"sequence<([^,>]+)(?:, *\d+)?>$")
_ARRAY = re.compile(r"(.+)\[(\d+)\]$")
_CODES = {"float": "f", "double": "d", "uint8": "B", "int32": "i", "uint32": "I"}
F32_MAX = 3.4028234663852886e38


def _float32(value: float) -> float:
    """What a float32 field takes: rclpy refuses finite numbers beyond it at the sender's side."""
    return value if value != value or value in (float("inf"), float("-inf")) else max(-F32_MAX, min(F32_MAX, value))


def value(kind: str, numbers: Any) -> Any:
    """A strategy for one field of the given IDL type."""
    if sequence := _SEQUENCE.match(kind):
        items = st.lists(value(sequence.group(1), numbers), max_size=6)
        code = _CODES.get(sequence.group(1))
        return items.map(lambda found: array.array(code, found)) if code else items
    if fixed := _ARRAY.match(kind):
        return st.lists(value(fixed.group(1), numbers), min_size=int(fixed.group(2)), max_size=int(fixed.group(2)))
    if kind == "boolean":
        return st.booleans()
    if kind in ("float", "double"):
        return numbers.map(_float32) if kind == "float" else numbers
    if kind == "string":
        return TEXTS
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return st.one_of(st.integers(low, high), st.sampled_from([low, high, 0, min(1, high)]))
    return message(message_class(kind), numbers)


def message(kind: type, numbers: Any = NUMBERS) -> Any:
    """A strategy for messages of a class, every field drawn by its type."""
    fields = {name: value(k, numbers) for name, k in kind.get_fields_and_field_types().items()}  # type: ignore[attr-defined]
    return st.fixed_dictionaries(fields).map(lambda drawn: _made(kind, drawn))


def _made(kind: type, drawn: dict[str, Any]) -> Any:
    made = kind()
    for name, content in drawn.items():
        setattr(made, name, content)
    return made


def spoilt(good: Callable[[], Any], numbers: Any = NUMBERS) -> Any:
    """A good message in which a few fields, anywhere below it, hold something else: this gets past the first check."""
    leaves = list(_leaves(good(), ()))

    @st.composite
    def build(draw: Any) -> Any:
        made = good()
        for path, kind in draw(st.lists(st.sampled_from(leaves), min_size=1, max_size=4)):
            owner = made
            for name in path[:-1]:
                owner = owner[name] if isinstance(name, int) else getattr(owner, name)
            setattr(owner, path[-1], draw(value(kind, numbers)))
        return made

    return build()


def _leaves(thing: Any, path: tuple[Any, ...]) -> Any:
    """(path, IDL type) of every field that is no message."""
    for name, kind in thing.get_fields_and_field_types().items():
        inner = getattr(thing, name)
        if hasattr(inner, "get_fields_and_field_types"):
            yield from _leaves(inner, (*path, name))
        elif isinstance(inner, list) and inner and hasattr(inner[0], "get_fields_and_field_types"):
            for i, item in enumerate(inner):
                yield from _leaves(item, (*path, name, i))
        else:
            yield (*path, name), kind


@st.composite
def image(draw: Any, kind: type, encodings: tuple[str, ...] = tuple(ENCODINGS)) -> Any:
    """Images whose fields fit each other often, with padded rows, odd widths, every encoding, and too few bytes."""
    height, width = draw(st.integers(0, 24)), draw(st.integers(0, 24))
    made = kind(height=height, width=width, encoding=draw(st.one_of(st.sampled_from(encodings), TEXTS)))
    made.is_bigendian = draw(st.integers(0, 1))
    channels = draw(st.integers(1, 8))
    made.step = width * channels + draw(st.sampled_from([0, 0, 1, 5, 64]))
    size = max(0, made.step * height + draw(st.sampled_from([0, 0, 0, -1, 7, -made.step])))
    seed = draw(st.binary(min_size=1, max_size=16))
    made.data = array.array("B", (seed * (size // len(seed) + 1))[:size])
    return made
