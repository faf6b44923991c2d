"""JSON documents as a broken program or an adversary would leave them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# Also half a surrogate pair, NUL, and what is longer than a file name can be.
NAMES = st.text(max_size=8) | st.text(st.characters(exclude_categories=()), max_size=8) | st.just("x" * 300)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES | st.just("x" * 10_000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def paths(thing: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every place of a JSON document."""
    yield path
    items = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def put(thing: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of `thing` with `value` at `path`."""
    if not path:
        return value
    copy = dict(thing) if isinstance(thing, dict) else list(thing)
    copy[path[0]] = put(thing[path[0]], path[1:], value)
    return copy
