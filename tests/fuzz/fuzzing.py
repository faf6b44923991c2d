"""How many examples are tried, and what became of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from headway.errors import HeadwayError

tried: dict[str, Counter[str]] = {}
"""Target -> outcome -> examples; "examples" counts all."""

peaks: dict[str, int] = {}
"""Target -> MiB that it took beyond what the process had before."""


def examples(few: int) -> Any:
    """Settings of a fuzz test: `few` examples in a plain run, the profile's number (1,000) in the nightly one."""
    healthy = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    quick: dict[str, Any] = {"max_examples": few} if settings.get_current_profile_name() != "nightly" else {}
    return settings(suppress_health_check=healthy, **quick)


class Outcomes:
    """Counts what became of the examples of one target."""

    def __init__(self, target: str) -> None:
        self._counts = tried.setdefault(target, Counter())

    def __call__(self, outcome: str) -> None:
        """One example more, which ended so."""
        self._counts["examples"] += 1
        self._counts[outcome] += 1


def named(path: Path, error: HeadwayError) -> None:
    """An error that does not say which file it speaks of helps nobody."""
    assert str(path) in str(error), error


def told() -> dict[str, Any]:
    """What this process tried, for the process that gathers."""
    return {"tried": {target: dict(counts) for target, counts in tried.items()}, "peaks": dict(peaks)}


def gather(other: dict[str, Any]) -> None:
    """Adds what another process told."""
    for target, counts in other["tried"].items():
        tried.setdefault(target, Counter()).update(counts)
    for target, mib in other["peaks"].items():
        peaks[target] = max(mib, peaks.get(target, 0))


def report(write_line: Callable[[str], None], file: str | None) -> None:
    """The table, and the same as JSON."""
    if not tried:
        return
    write_line("fuzz: examples by target and outcome")
    for target, counts in tried.items():
        parts = ", ".join(f"{n} {what}" for what, n in counts.most_common() if what != "examples")
        peak = f", {peaks[target]} MiB more at most" if target in peaks else ""
        write_line(f"  {counts['examples']:>6} {target}: {parts}{peak}")
    if file:
        rows = [{"target": t, "peak_mib": peaks.get(t), **c} for t, c in tried.items()]
        Path(file).write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
