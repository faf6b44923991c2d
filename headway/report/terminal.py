"""The terminal as every command uses it: text is text, since a path, a topic or a reason may hold brackets or colons
that rich would take for its own markup."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

WIDTH = 118
"""Of a table where the terminal is narrower, or where there is none."""


def lines(stderr: bool = False) -> Console:
    """For sentences: the terminal wraps them, so that a path can be copied whole."""
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)


def tables() -> Console:
    """For tables: columns that are cut say nothing, so a narrow terminal wraps long lines instead."""
    return Console(width=max(Console().width, WIDTH), markup=False, emoji=False, highlight=False)


def marked(word: str, style: str, text: str) -> Text:
    """A line that begins with `word` in a style of rich, "bold red" say."""
    return Text.assemble((word, style), " ", text)
