"""A forecast seen from above as inline SVG: where somebody came from, where they went, where they were expected."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.cases import ForecastCase

Array = NDArray[np.floating]

SIZE = 400
MARGIN_M = 1.0
WIDEST_M = 40.0
TRUTH, OWN, PAST, WEARER = "#16915f", "#2563eb", "#5d6878", "#d3304b"
OTHERS = ("#e0701a", "#8a6d1d", "#b02fb0")
REACH_M = 1.0


def legend(others: Sequence[str]) -> list[tuple[str, str]]:
    """(name, colour) of everything that `ground` draws."""
    named = [("seen before", PAST), ("what happened", TRUTH), ("most likely path, other paths, radius", OWN)]
    return [*named, *zip(others, OTHERS, strict=False), ("wearer, 1 m round the camera", WEARER)]


def ground(case: ForecastCase) -> str:
    """The picture, metres to scale, forecast axes as they are: x to the right, y up."""
    best = int(case.probability.argmax())
    drawn = [case.history, case.truth, case.modes[best], np.zeros((1, 2)) if case.wearer else case.history[-1:]]
    points = np.concatenate(drawn)
    points = points[np.isfinite(points).all(axis=1)]
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    half = min(0.5 * float(np.ptp(points, axis=0).max()) + MARGIN_M, WIDEST_M / 2)
    view = _View(middle, half)
    parts = [_grid(view)]
    if case.wearer:
        x, y = view.at(np.zeros(2))
        parts.append(f'<circle cx="{x}" cy="{y}" r="{view.length(REACH_M)}" fill="{WEARER}" fill-opacity="0.10"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{WEARER}"/>')
    for point, radius in zip(case.modes[best], case.radius, strict=False):
        x, y = view.at(point)
        parts.append(f'<circle cx="{x}" cy="{y}" r="{view.length(radius)}" fill="{OWN}" fill-opacity="0.05"/>')
    now = case.history[-1:]
    for k in np.argsort(case.probability, kind="stable"):
        strength = min(1.0, 0.15 + 2.0 * float(case.probability[k]))
        parts.append(_line(view, np.concatenate([now, case.modes[k]]), OWN, 1.0, strength))
    for (_, path), colour in zip(case.others.items(), OTHERS, strict=False):
        parts.append(_line(view, np.concatenate([now, path]), colour, 1.6, 1.0, "5 4"))
    parts.append(_line(view, np.concatenate([now, case.modes[best]]), OWN, 2.4, 1.0))
    parts.append(_line(view, case.history, PAST, 2.4, 1.0) + _dots(view, case.history, PAST))
    parts.append(_line(view, np.concatenate([now, case.truth]), TRUTH, 2.4, 1.0) + _dots(view, case.truth, TRUTH))
    box = f'viewBox="0 0 {SIZE} {SIZE}" role="img" style="overflow:hidden;border:1px solid #e2e6ec;border-radius:6px"'
    return f"<svg {box}><title>{escape(case.who)}</title>{''.join(parts)}</svg>"


class _View:
    def __init__(self, middle: Array, half: float) -> None:
        self.middle, self.half = middle, half
        self.scale = SIZE / (2 * half)

    def at(self, point: Array) -> tuple[str, str]:
        x, y = (np.asarray(point) - self.middle + [self.half, -self.half]) * [self.scale, -self.scale]
        return f"{x:.1f}", f"{y:.1f}"

    def length(self, metres: float) -> str:
        return f"{float(metres) * self.scale:.1f}"


def _grid(view: _View) -> str:
    step = next(s for s in (1.0, 2.0, 5.0, 10.0) if 2 * view.half / s <= 12 or s == 10.0)
    lines = []
    for axis in (0, 1):
        low = np.ceil((view.middle[axis] - view.half) / step) * step
        for value in np.arange(low, view.middle[axis] + view.half, step):
            ends = np.array([view.middle - view.half, view.middle + view.half])
            ends[:, axis] = value
            (x0, y0), (x1, y1) = (view.at(e) for e in ends)
            lines.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" class="grid"/>')
    lines.append(f'<text x="8" y="{SIZE - 8}">a square is {step:g} m</text>')
    return "".join(lines)


def _line(view: _View, path: Array, colour: str, width: float, opacity: float, dash: str = "") -> str:
    points = " ".join(",".join(view.at(p)) for p in path if np.isfinite(p).all())
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    stroke = f'stroke="{colour}" stroke-width="{width:g}" stroke-opacity="{opacity:.2f}"'
    return f'<polyline points="{points}" fill="none" {stroke}{dashed}/>'


def _dots(view: _View, path: Array, colour: str) -> str:
    found = (view.at(p) for p in path if np.isfinite(p).all())
    return "".join(f'<circle cx="{x}" cy="{y}" r="2.4" fill="{colour}"/>' for x, y in found)
