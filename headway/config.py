"""Configuration: frozen dataclasses whose fields carry description and range.

One declaration serves ROS parameters (descriptors, ranges), command-line checks and the generated table in the README.

    @dataclass(frozen=True)
    class HeadConfig(Config):
        score_threshold: float = parameter(0.4, "heads below this score are not reported", 0.0, 1.0)

A field whose type is another Config is a group: its parameters are addressed with a dot, "heads.score_threshold".
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import yaml

from headway.errors import ConfigError

C = TypeVar("C", bound="Config")

SIZE_LIMIT = 1 << 18  # bytes of a parameter file
PARAMETER_LIMIT = 2000
DEPTH_LIMIT = 20


@dataclass(frozen=True)
class Parameter:
    """One leaf of a configuration: dotted name, value, and what may be put there."""

    name: str
    value: Any
    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]


def parameter(
    default: Any,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with a description and, for numbers, an inclusive range; for strings, the values allowed."""
    metadata = {"description": description, "minimum": minimum, "maximum": maximum, "choices": choices}
    if isinstance(default, (list, tuple)):
        return dataclasses.field(default=tuple(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def group(config: type[C]) -> Any:
    """A dataclass field that holds another configuration."""
    return dataclasses.field(default_factory=config)


@dataclass(frozen=True)
class Config:
    """Base: checks every field against its kind and range when made."""

    def __post_init__(self) -> None:
        """Raises ConfigError naming the field, the value received and the range."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, Config):
                object.__setattr__(self, field.name, _checked(field, value))

    def parameters(self, prefix: str = "") -> Iterator[Parameter]:
        """All leaves, depth first, in order of declaration."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Config):
                yield from value.parameters(f"{prefix}{field.name}.")
            else:
                m = field.metadata
                yield Parameter(prefix + field.name, value, m["description"], m["minimum"], m["maximum"], m["choices"])

    def replaced(self: C, values: Mapping[str, Any]) -> C:
        """A copy with the dotted names in `values` set; an unknown name is an error that lists the known ones."""
        known = {p.name for p in self.parameters()}
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown parameter '{name}'; known: {', '.join(sorted(known))}")
        return self._replaced(values, "")

    def _replaced(self: C, values: Mapping[str, Any], prefix: str) -> C:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Config):
                changes[field.name] = value._replaced(values, f"{prefix}{field.name}.")
            elif prefix + field.name in values:
                changes[field.name] = values[prefix + field.name]
        return dataclasses.replace(self, **changes)


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    default, m = field.default, field.metadata
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{field.name} = {value!r}: true or false is wanted")
        return value
    if isinstance(default, (int, float)):
        kind = type(default)
        if not _is_number(value) or (kind is int and _finite(value) and value != int(value)):
            raise ConfigError(f"{field.name} = {value!r}: {'an integer' if kind is int else 'a number'} is wanted")
        low, high = m["minimum"], m["maximum"]
        if not _finite(value) or (low is not None and value < low) or (high is not None and value > high):
            raise ConfigError(f"{field.name} = {value}: must be within [{low}, {high}]")
        return kind(value)
    if isinstance(default, tuple):
        if isinstance(value, str) or not isinstance(value, Iterable) or not all(map(_is_number, value)):
            raise ConfigError(f"{field.name} = {value!r}: a list of numbers is wanted")
        if not all(map(_finite, value)):
            raise ConfigError(f"{field.name} = {value!r}: numbers must be finite")
        return tuple(map(float, value))
    if not isinstance(value, str):
        raise ConfigError(f"{field.name} = {value!r}: a text is wanted")
    if m["choices"] and value not in m["choices"]:
        raise ConfigError(f"{field.name} = '{value}': must be one of {', '.join(m['choices'])}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    """Neither NaN nor infinite, nor an integer beyond every float, which `math.isfinite` does not take."""
    return bool(abs(value) <= sys.float_info.max)


def read_parameter_file(path: Path, node: str) -> dict[str, Any]:
    """Parameters of `node` (or of /**) in a ROS 2 parameter file, as a flat dict of dotted names. Raises ConfigError,
    also where the file has none for that node."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise ConfigError(f"parameter file {path} is larger than {SIZE_LIMIT >> 10} KiB")
        raw = yaml.safe_load(content.decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"parameter file {path} does not exist") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: no UTF-8, no date, no number
        raise ConfigError(f"parameter file {path} cannot be read: {error}") from error
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{path} is not a ROS 2 parameter file: expected '<node>: ros__parameters: ...'")
    flat: dict[str, Any] = {}
    keys = [key for key in ("/**", f"/**/{node}", node, f"/{node}") if raw.get(key) is not None]
    if not keys:  # a file of another node: all it sets would be left out in silence
        raise ConfigError(f"{path} has no parameters of node '{node}', only of: {', '.join(map(str, raw))}")
    for key in keys:
        section = raw[key]
        if not isinstance(section, Mapping) or not isinstance(section.get("ros__parameters"), Mapping):
            raise ConfigError(f"{path}: '{key}' has no 'ros__parameters' mapping")
        for name, value in _flatten(section["ros__parameters"]):
            flat[name] = value
            if len(flat) > PARAMETER_LIMIT:
                raise ConfigError(f"{path}: '{key}' unfolds to more than {PARAMETER_LIMIT} parameters")
    return flat


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """One at a time: a few lines of aliases of aliases unfold to more than any memory holds."""
    if prefix.count(".") > DEPTH_LIMIT:  # an alias may also lead back to where it stands
        raise ConfigError(f"parameters below '{prefix[:40]}' are nested deeper than {DEPTH_LIMIT} levels")
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
