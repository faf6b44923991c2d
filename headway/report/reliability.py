"""A reliability plot: what was said across, what came of it up; on the diagonal both agree."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

SIDE = 340
"""Width and height of a square drawing."""
EDGE = 26


def square(parts: Sequence[str]) -> str:
    """A square SVG of these elements."""
    return f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img">{"".join(parts)}</svg>'


def reliability(rows: Sequence[tuple[int, float, float]], counted: str, caption: str) -> str:
    """rows: count, what was said and what came of it, 0..1; a dot is as large as the count of what is `counted`."""
    inner, most = SIDE - 2 * EDGE, max((count for count, _, _ in rows), default=1)

    def at(x: float, y: float) -> tuple[float, float]:
        return EDGE + x * inner, SIDE - EDGE - y * inner

    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    parts = [f'<rect x="{x0}" y="{y1}" width="{inner}" height="{inner}" fill="none" class="grid"/>']
    parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" class="grid"/>')
    for count, said, came in rows:
        x, y = at(said, came)
        radius = 3 + 9 * (count / most) ** 0.5
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#2563eb" fill-opacity="0.6">')
        parts.append(f"<title>{count} {escape(counted)}, said {said:.2f}, came {came:.2f}</title></circle>")
    for value in (0, 1):
        parts.append(f'<text x="{at(value, 0)[0]}" y="{SIDE - 8}" text-anchor="middle">{value}</text>')
        parts.append(f'<text x="{EDGE - 8}" y="{at(0, value)[1] + 4}" text-anchor="end">{value}</text>')
    return f'<figure style="max-width:{SIDE}px">{square(parts)}<figcaption>{escape(caption)}</figcaption></figure>'
