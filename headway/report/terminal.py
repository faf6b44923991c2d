"""The terminal as every command uses it: text is text, since a path, a topic or a reason may hold brackets or colons
that rich would take for its own markup."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDTH = 118
"""Of a table where the terminal is narrower, or where there is none."""
SENTENCE = 24  # characters: what is longer in a cell may wrap


def lines(stderr: bool = False) -> Console:
    """For sentences: the terminal wraps them, so that a path can be copied whole."""
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)


def tables() -> Console:
    """For tables: columns that are cut say nothing, so a narrow terminal wraps long lines instead."""
    return _Tables(width=max(Console().width, WIDTH), markup=False, emoji=False, highlight=False)


class _Tables(Console):
    """Names and numbers stay whole, whatever width that needs; sentences are what wraps."""

    def print(self, *objects: Any, **options: Any) -> None:
        room = self.options.update(width=10 * WIDTH)
        for table in (o for o in objects if isinstance(o, Table)):
            for column in table.columns:
                cells = [Measurement.get(self, room, cell) for cell in (column.header, *column.cells)]
                whole = max(cell.maximum for cell in cells)
                column.min_width = whole if whole <= SENTENCE else max(cell.minimum for cell in cells)
                column.no_wrap = whole <= SENTENCE  # else rich takes from all columns alike
            self.width = max(self.width, Measurement.get(self, room, table).minimum)
        super().print(*objects, **options)


def marked(word: str, style: str, text: str) -> Text:
    """A line that begins with `word` in a style of rich, "bold red" say."""
    return Text.assemble((word, style), " ", text)
