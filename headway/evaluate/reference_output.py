"""A reference output kept small, and what moved against it: field by field, by how much.

Numbers are kept in steps of a quarter of their tolerance and compared in these steps: the same output gives exactly
zero. Answers are matched by stamp, people by their track id. Times of the machine are not kept.
"""

from __future__ import annotations

import io
import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headway.bags import BagReader
from headway.errors import BagError
from headway.sensors import stamp_of

QUANTA = 4  # steps in a tolerance
SKIPPED = re.compile(r"trace\.(stage_ms|age_ms|hashes)$|header\.stamp\.")
TOLERANCES: tuple[tuple[str, float, str], ...] = (
    (r"heads/heads\[\]\.[xy]_m(in|ax)$", 0.25, "px"),
    (r"heads/heads\[\]\.(score|attention)$", 0.004, ""),
    (r"heads/heads\[\]\.(pitch|yaw|roll|sigma)$", 0.008, "rad"),
    (r"orientation\.[xyzw]$", 0.004, ""),
    (r"forecasts/.*\.position\.[xyz]$", 0.02, "m"),
    (r"forecasts/.*\.velocity\.[xyz]$", 0.02, "m/s"),
    (r"forecasts/.*\.position_covariance$", 0.02, "m²"),
    (r"forecasts/.*\.(x|y)$", 0.04, "m"),
    (r"forecasts/.*\.radius$", 0.02, "m"),
    (r"\.probability$", 0.01, ""),
    (r"\.(age|step|time_to_contact)$", 0.02, "s"),
    (r"\.closest$", 0.02, "m"),
    (r"command/(steering|steering_low|steering_high|throttle|brake|confidence)$", 0.004, ""),
    (r"command/speed$", 0.01, "m/s"),
    (r"twist/", 0.01, "m/s, rad/s"),
)
"""Field -> tolerance and unit, first match; whatever matches none (levels, ids, flags, texts) must be the same."""


class Field(NamedTuple):
    """All values of one field. Entry i belongs to answer `answer[i]` and person `person[i]` (-1: to the answer itself)
    and has `length[i]` values in `values`: integers in steps of `quantum`, or texts."""

    answer: np.ndarray
    person: np.ndarray
    length: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Output:
    """What a run answered. fields: "<topic>/<path>" -> Field; stamps: topic -> (N,) stamps; about: how it was made."""

    stamps: Mapping[str, np.ndarray]
    fields: Mapping[str, Field]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Moved:
    """One field compared. beyond: entries outside `tolerance`; mean and largest absolute difference in `unit`;
    unmatched: entries that only one of the two outputs has."""

    field: str
    unit: str
    tolerance: float
    compared: int
    beyond: int
    mean: float
    largest: float
    unmatched: int

    @property
    def moved(self) -> bool:
        """True where anything differs at all."""
        return bool(self.mean or self.largest or self.beyond or self.unmatched)


def tolerance_of(field: str) -> tuple[float, str]:
    """(tolerance, unit); tolerance 0: must be the same."""
    return next(((t, unit) for pattern, t, unit in TOLERANCES if re.search(pattern, field)), (0.0, ""))


def read_output(bag: Path, about: Mapping[str, Any] | None = None) -> Output:
    """The answers in a bag that `headway replay` wrote. Raises BagError."""
    stamps: dict[str, list[int]] = {}
    rows: dict[str, list[tuple[int, int, Any]]] = {}
    with BagReader(bag) as reader:
        for message in reader.messages():
            topic = message.topic.rpartition("/")[2]
            decoded = message.decode()
            number = len(stamps.setdefault(topic, []))
            stamps[topic].append(stamp_of(decoded))
            for path, person, value in leaves(decoded):
                if not SKIPPED.search(path):
                    rows.setdefault(f"{topic}/{path}", []).append((number, person, value))
        if reader.loss:
            raise BagError(f"{bag}: {reader.loss}")
    fields = {name: _field(name, entries) for name, entries in rows.items()}
    return Output({k: np.array(v) for k, v in stamps.items()}, fields, dict(about or {}))


def leaves(message: Any) -> Iterator[tuple[str, int, Any]]:
    """(path, person, value) of every field of a message; person: track id, below -1 for who has none, -1 for nobody."""
    return _walk(message, "", -1)


def _walk(thing: Any, path: str, person: int) -> Iterator[tuple[str, int, Any]]:
    """(path, person, leaf) of everything below a message."""
    if is_dataclass(thing):
        for name in vars(thing):
            if not name.isupper() and not name.startswith("__"):  # constants of the definition are in capitals
                yield from _walk(getattr(thing, name), f"{path}.{name}" if path else name, person)
    elif isinstance(thing, list) and (not thing or is_dataclass(thing[0])):
        yield f"{path}[]", person, len(thing)
        for i, item in enumerate(thing):
            track = getattr(item, "track_id", -1)
            yield from _walk(item, f"{path}[]", track if track >= 0 else -2 - i)
    elif isinstance(thing, list):
        yield path, person, ", ".join(map(str, thing))
    else:
        yield path, person, thing


def _field(name: str, entries: list[tuple[int, int, Any]]) -> Field:
    answer, person = (np.array([e[i] for e in entries], np.int32) for i in (0, 1))
    values = [np.atleast_1d(e[2]) for e in entries]
    joined = np.concatenate(values)
    tolerance, _ = tolerance_of(name)
    if joined.dtype.kind == "f" and tolerance:
        joined = np.rint(joined.astype(float) * (QUANTA / tolerance)).astype(np.int32)
    return Field(answer, person, np.array([len(v) for v in values], np.int32), joined)


def save(output: Output, path: Path) -> None:
    """Writes a reference file: arrays without objects, so that nothing has to be unpickled."""
    arrays: dict[str, Any] = {f"stamps/{k}": v for k, v in output.stamps.items()}
    for name, field in output.fields.items():
        arrays |= {f"{part}:{name}": array for part, array in field._asdict().items()}
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array(json.dumps(output.about)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def load(path: Path) -> Output:
    """Reads a reference file."""
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes())), allow_pickle=False) as file:
        names = [n.partition(":")[2] for n in file.files if n.startswith("answer:")]
        return Output(
            {n.partition("/")[2]: file[n] for n in file.files if n.startswith("stamps/")},
            {n: Field(*(file[f"{part}:{n}"] for part in Field._fields)) for n in names},
            json.loads(str(file["about"])),
        )


def compare(reference: Output, output: Output) -> list[Moved]:
    """Every field of either, in the reference's order."""
    names = dict.fromkeys([*reference.fields, *output.fields])
    return [_compare(n, _by_key(reference, n), _by_key(output, n)) for n in names]


def _by_key(output: Output, name: str) -> dict[tuple[int, int], np.ndarray]:
    """(stamp, person) -> values."""
    if name not in output.fields:
        return {}
    field, stamps = output.fields[name], output.stamps[name.partition("/")[0]]
    parts = np.split(field.values, np.cumsum(field.length)[:-1])
    keys = zip(stamps[field.answer].tolist(), field.person.tolist(), strict=True)
    return dict(zip(keys, parts, strict=True))


def _compare(name: str, a: dict[tuple[int, int], np.ndarray], b: dict[tuple[int, int], np.ndarray]) -> Moved:
    tolerance, unit = tolerance_of(name)
    common = [k for k in a if k in b and a[k].shape == b[k].shape]
    unmatched = len(a.keys() | b.keys()) - len(common)
    if not common:
        return Moved(name, unit, tolerance, 0, 0, 0.0, 0.0, unmatched)
    x, y = (np.concatenate([table[k] for k in common]) for table in (a, b))
    if x.dtype.kind not in "iufb" or y.dtype.kind not in "iufb":
        return Moved(name, unit, 0.0, len(x), int((x != y).sum()), 0.0, 0.0, unmatched)
    step = tolerance / QUANTA if tolerance else 1.0
    apart = np.abs(x.astype(float) - y.astype(float)) * step
    beyond = int((apart > tolerance * 1.0001).sum())
    return Moved(name, unit, tolerance, len(x), beyond, float(apart.mean()), float(apart.max()), unmatched)


def table(moved: list[Moved]) -> list[str]:
    """Lines of text: the fields that moved at all, those beyond their tolerance marked."""
    lines = [f"{'field':<44} {'beyond':>7} {'of':>7} {'mean':>9} {'largest':>9} {'tolerance':>9} {'unmatched':>9}"]
    for m in moved:
        if m.moved:
            lines.append(
                f"{m.field:<44} {m.beyond:>7} {m.compared:>7} {m.mean:>9.4g} {m.largest:>9.4g} {m.tolerance:>9g} "
                f"{m.unmatched:>9} {m.unit}"
            )
    return lines if len(lines) > 1 else ["no field moved"]


def broken(moved: list[Moved], share: float) -> list[str]:
    """Fields of whose entries more than `share` are beyond the tolerance, or are only in one of the outputs."""
    return [m.field for m in moved if m.beyond + m.unmatched > share * (m.compared + m.unmatched)]
