"""How many examples are tried, and what became of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings

tried: dict[str, Counter[str]] = {}
"""Target -> outcome -> examples; "examples" counts all."""


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
