"""Counts by reason whose memory does not grow with the input: reasons often carry a number of the frame."""

from __future__ import annotations

from collections import Counter

MOST_REASONS = 50
OTHER = "other reasons"


class Reasons(Counter[str]):
    """A Counter for texts: beyond MOST_REASONS different ones, new ones are counted as OTHER."""

    def add(self, reason: str, count: int = 1) -> None:
        """Counts `reason`."""
        self[reason if reason in self or len(self) < MOST_REASONS else OTHER] += count
