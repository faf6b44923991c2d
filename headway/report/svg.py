"""Line plots and timelines as inline SVG: nothing is loaded from anywhere, so the report opens without a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 200
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 14, 30
COLOURS = ("#2563eb", "#e0701a", "#16915f", "#b02fb0", "#8a6d1d", "#d3304b", "#4d6b8a", "#0e8ba8", "#222222", "#79b82a")
"""As many as a plot has lines at most: two of one colour could not be told apart."""
POINTS = 1200  # more points than pixels only make the file heavy


@dataclass(frozen=True)
class Line:
    """A named line: x and y of equal length; None or NaN breaks it."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    name: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    colour: str = "#2563eb"


@dataclass(frozen=True)
class Span:
    """A coloured stretch of a timeline row."""

    row: str
    start: float
    end: float
    colour: str
    title: str = ""


class _Axes:
    def __init__(self, xs: Sequence[float], ys: Sequence[float], y_range: tuple[float, float] | None) -> None:
        self.x0, self.x1 = (min(xs), max(xs)) if xs else (0.0, 1.0)
        if self.x1 <= self.x0:
            self.x1 = self.x0 + 1.0
        low, high = y_range or ((min(0.0, *ys), max(ys)) if ys else (0.0, 1.0))
        self.y0, self.y1 = low, high if high > low else low + 1.0

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.y0), self.y1) - self.y0) / (self.y1 - self.y0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def plot(
    lines: Sequence[Line],
    unit: str,
    bands: Sequence[Band] = (),
    y_range: tuple[float, float] | None = None,
) -> str:
    """One plot over seconds with a legend below it."""
    lines = [Line(v.name, v.x, v.y, v.colour or COLOURS[i % len(COLOURS)], v.dashed) for i, v in enumerate(lines)]
    xs = [x for v in lines for x in v.x] + [x for b in bands for x in b.x]
    ys = [y for v in lines for y in v.y if _real(y)] + [y for b in bands for y in (*b.low, *b.high)]
    axes = _Axes(xs, [float(y) for y in ys if y is not None], y_range)
    parts = [_grid(axes, unit)]
    for band in bands:
        there = [f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in _thin(band.x, band.high)]
        back = [f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in _thin(band.x, band.low)]
        parts.append(f'<polygon points="{" ".join(there + back[::-1])}" fill="{band.colour}" fill-opacity="0.16"/>')
    for line in lines:
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        for piece in _pieces(line):
            # A point between two gaps is drawn as a dot: a line to itself with round ends.
            points = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in (piece if piece[1:] else piece * 2))
            stroke = f'stroke="{line.colour}" stroke-width="1.6" stroke-linecap="round"{dash}'
            parts.append(f'<polyline points="{points}" fill="none" {stroke}/>')
    legend = [(v.name, v.colour) for v in lines] + [(b.name, b.colour + "55") for b in bands]
    return _svg(parts, HEIGHT) + _legend(legend)


def timeline(spans: Sequence[Span], rows: Sequence[str], end: float, legend: Sequence[tuple[str, str]]) -> str:
    """Rows of coloured stretches over seconds."""
    axes = _Axes([0.0, end], [], None)
    spans = _merged(spans)
    tall = TOP + 24 * max(len(rows), 1) + BOTTOM
    parts = [_seconds(axes, tall)]
    for i, row in enumerate(rows):
        top = TOP + 24 * i
        parts.append(f'<text x="{LEFT - 6}" y="{top + 13}" text-anchor="end">{escape(row)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="18" class="empty"/>')
        for span in spans:
            if span.row == row:
                x0, x1 = axes.x(span.start), axes.x(span.end)
                parts.append(
                    f'<rect x="{x0:.1f}" y="{top}" width="{max(x1 - x0, 1.5):.1f}" height="18" fill="{span.colour}">'
                    f"<title>{escape(span.title)}</title></rect>"
                )
    return _svg(parts, tall) + _legend(legend)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Stretches that touch and look the same become one: hundreds of frames would show seams."""
    last: dict[str, int] = {}
    merged: list[Span] = []
    for span in spans:
        before = merged[last[span.row]] if span.row in last else None
        if before and (before.colour, before.title) == (span.colour, span.title) and span.start - before.end < 1e-6:
            merged[last[span.row]] = Span(span.row, before.start, span.end, span.colour, span.title)
        else:
            last[span.row] = len(merged)
            merged.append(span)
    return merged


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in entries)
    return f'<div class="legend">{items}</div>'


def _grid(axes: _Axes, unit: str) -> str:
    parts = []
    for value in _ticks(axes.y0, axes.y1, 4):
        y = axes.y(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 3}" class="unit">{escape(unit)}</text>')
    return "".join(parts) + _seconds(axes, HEIGHT)


def _seconds(axes: _Axes, height: int) -> str:
    parts = []
    for value in _ticks(axes.x0, axes.x1, 10):
        x = axes.x(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}" class="grid"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - BOTTOM + 15}" text-anchor="middle">{value:g} s</text>')
    return "".join(parts)


def _ticks(low: float, high: float, count: int) -> list[float]:
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _real(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _thin(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    every = max(1, len(x) // POINTS)
    return [(a, b) for a, b in list(zip(x, y, strict=True))[::every] if _real(b)]


def _pieces(line: Line) -> list[list[tuple[float, float]]]:
    """Stretches without a gap, thinned so that peaks stay: of each group of points the highest is kept."""
    every = max(1, len(line.x) // POINTS)
    pieces: list[list[tuple[float, float]]] = [[]]
    pairs = list(zip(line.x, line.y, strict=True))
    for i in range(0, len(pairs), every):
        group = [(x, float(y)) for x, y in pairs[i : i + every] if y is not None and math.isfinite(y)]
        if group:
            pieces[-1].append(max(group, key=lambda p: abs(p[1])))
        elif pieces[-1]:
            pieces.append([])
    return [p for p in pieces if p]
