"""Risks and forecasts as visualization_msgs/MarkerArray, in the camera's frame so that rviz needs no semi-local tf."""

from __future__ import annotations

from typing import Any

import numpy as np

from headway.geometry import from_semi_local
from headway.messages import header, orientation_of, quaternion, vector
from headway.types import Forecast, Level, Risks, View

SPHERE, LINE_STRIP, TEXT, DELETE_ALL = 2, 4, 9, 3
COLOURS = {
    Level.CLEAR: (0.25, 0.75, 0.35),
    Level.NOTICE: (1.0, 0.75, 0.1),
    Level.ALERT: (0.95, 0.2, 0.15),
    Level.UNSURE: (0.6, 0.6, 0.6),
}
MODES_SHOWN = 3
LIFETIME_NS = 500_000_000  # markers of a person who left disappear by themselves


def marker_array(forecast: Forecast | None, risks: Risks | None, view: View) -> dict[str, Any]:
    """A sphere, a label and the likeliest paths for each person; the first marker clears those of the frame before."""
    markers: list[dict[str, Any]] = [_marker(view, "", 0, DELETE_ALL, (), (0, 0, 0), action=DELETE_ALL)]
    if forecast is None:
        return {"markers": markers}
    known = {risk.track_id: risk for risk in risks.items} if risks else {}
    turn = orientation_of(view)
    positions = from_semi_local(forecast.tracks.position, turn)
    for i, track in enumerate(int(t) for t in forecast.tracks.ids):
        risk = known.get(track)
        level = risk.level if risk else Level.UNSURE
        if level == Level.CLEAR and risks and risks.unsure:
            level = Level.UNSURE  # nobody is clear where the frame's silence must not be trusted
        colour = COLOURS[level]
        markers.append(_marker(view, "people", track, SPHERE, [positions[i]], colour, scale=(0.25, 0.25, 0.25)))
        contact = f" {risk.time_to_contact_s:.1f} s" if risk and risk.time_to_contact_s is not None else ""
        above = positions[i] - [0.0, 0.35, 0.0]  # y points down in the optical frame
        markers.append(
            _marker(view, "labels", track, TEXT, [above], colour, scale=(0, 0, 0.2), text=f"{track}{contact}")
        )
        for rank, mode in enumerate(np.argsort(-forecast.probability[i], kind="stable")[:MODES_SHOWN]):
            path = np.concatenate([forecast.tracks.position[i, None, :2], forecast.modes[i, mode]])
            height = np.full((len(path), 1), forecast.tracks.position[i, 2])
            points = from_semi_local(np.concatenate([path, height], axis=1), turn)
            alpha = 0.9 if rank == 0 else 0.35
            number = track * MODES_SHOWN + rank
            markers.append(_marker(view, "paths", number, LINE_STRIP, points, colour, (0.05, 0, 0), alpha=alpha))
    return {"markers": markers}


def _marker(
    view: View,
    namespace: str,
    number: int,
    kind: int,
    points: Any,
    colour: tuple[float, float, float],
    scale: tuple[float, float, float] = (1, 1, 1),
    alpha: float = 0.9,
    text: str = "",
    action: int = 0,
) -> dict[str, Any]:
    strip = kind == LINE_STRIP
    place = points[0] if len(points) and not strip else (0.0, 0.0, 0.0)
    return {
        "header": header(view),
        "ns": namespace,
        "id": number,
        "type": kind if action == 0 else 0,
        "action": action,
        "pose": {"position": vector(place), "orientation": quaternion((0, 0, 0, 1))},
        "scale": vector(scale),
        "color": {**dict(zip("rgb", map(float, colour), strict=True)), "a": alpha},
        "lifetime": {"sec": 0, "nanosec": LIFETIME_NS},
        "points": [vector(p) for p in points] if strip else [],
        "text": text,
    }
