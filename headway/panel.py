"""The strip below an annotated image: a map seen from above, and the driving command with its interval."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.scene import Person, Scene
from headway.types import DriveCommand, DriveState, Level, Risk

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # B, G, R

WHITE: Colour = (245, 245, 245)
BLACK: Colour = (20, 20, 20)
GREY: Colour = (120, 120, 120)
LIGHT_GREY: Colour = (190, 190, 190)
ALERT: Colour = (40, 40, 235)
BACKGROUND: Colour = (34, 30, 28)
LEVEL_COLOURS: dict[Level, Colour] = {
    Level.CLEAR: (90, 170, 70),
    Level.NOTICE: (20, 150, 235),
    Level.ALERT: ALERT,
    Level.UNSURE: (110, 95, 85),
}
STATE_COLOURS: dict[DriveState, Colour] = {
    DriveState.DRIVE: (110, 190, 90),
    DriveState.SLOW: (20, 170, 235),
    DriveState.HANDOVER: (200, 110, 200),
    DriveState.STOP: ALERT,
}
# Ten hues that stay apart from each other and from the red of an alert, on light and on dark ground.
PALETTE: tuple[Colour, ...] = (
    (235, 170, 60), (90, 200, 120), (60, 200, 235), (220, 120, 200), (200, 200, 70),
    (120, 160, 255), (160, 230, 160), (255, 140, 120), (140, 220, 255), (210, 160, 255),
)  # fmt: skip
AHEAD_M, ASIDE_M = 12.0, 9.0  # reach of the map
FONT = cv2.FONT_HERSHEY_SIMPLEX


def track_colour(track_id: int) -> Colour:
    """A colour that stays with a track; grey for heads without one."""
    return PALETTE[track_id % len(PALETTE)] if track_id >= 0 else (200, 200, 200)


def person_colour(risk: Risk | None, track_id: int) -> Colour:
    """The level's colour where there is a risk, else the track's own."""
    risky = risk is not None and risk.level in (Level.NOTICE, Level.ALERT)
    return LEVEL_COLOURS[risk.level] if risk and risky else track_colour(track_id)


def put_text(
    image: Image, text: str, at: tuple[int, int], colour: Colour, scale: float, width: int | None = None
) -> None:
    """One line on any ground, cut to `width` pixels; `at` is the left end of its base line, kept within the image."""
    # cv2 4's fonts know ASCII only.
    text = text.replace("±", "+-").replace("°", " deg").replace("²", "2").encode("ascii", "replace").decode()
    while width and len(text) > 4 and cv2.getTextSize(text, FONT, scale, 1)[0][0] > width:
        text = text[:-4] + "..."
    right = image.shape[1] - cv2.getTextSize(text, FONT, scale, 1)[0][0] - 1
    x, y = max(min(at[0], right), 0), max(at[1], round(14 * scale) + 2)
    # A shadow of the same weight: with cv2 5's fonts a thicker text is also a wider one.
    cv2.putText(image, text, (x + 1, y + 1), FONT, scale, BLACK, 1, cv2.LINE_AA)
    cv2.putText(image, text, (x, y), FONT, scale, colour, 1, cv2.LINE_AA)


def panel(width: int, height: int, scene: Scene) -> Image:
    """(P, width, 3): P is a quarter of the image's height, 120 at least, and even."""
    tall = max(120, height // 8 * 2)
    strip: Image = np.full((tall, width, 3), BACKGROUND, np.uint8)
    across = min(round(tall * 1.6), width // 3) if scene.risks is not None or scene.people else 0
    if across:
        strip[:, :across] = _map(across, tall, scene)
    controls = strip[:, across:]
    if scene.command is not None:
        _controls(controls, scene.command)
    else:
        put_text(controls, "no driving command", (12, tall // 2), GREY, 0.5 * tall / 120)
    return strip


def _map(width: int, height: int, scene: Scene) -> Image:
    """Seen from above, the camera looks up; people with their likeliest paths and conformal discs."""
    view: Image = np.full((height, width, 3), (24, 22, 20), np.uint8)
    scale = min(height / (AHEAD_M + 2.0), width / (2 * ASIDE_M))
    origin = np.array([width / 2, height - 2.0 * scale])
    for radius in (4, 8, 12):
        cv2.circle(view, _at(origin), round(radius * scale), (60, 56, 52), 1, cv2.LINE_AA)
        put_text(view, f"{radius} m", (round(origin[0]) + 2, round(origin[1] - radius * scale) + 4), GREY, 0.3)
    forward = scene.turn[:2, 2]
    norm = float(np.linalg.norm(forward))
    cosine, sine = (forward / norm if norm > 1e-6 else np.array([1.0, 0.0])).tolist()
    # Semi-local (x, y) -> pixels with the camera's heading up and left on the left.
    to_map = scale * np.array([[sine, -cosine], [-cosine, -sine]])
    for person in scene.people:
        _person(view, person, scene, origin, to_map, scale)
    cv2.drawMarker(view, _at(origin), WHITE, cv2.MARKER_TRIANGLE_UP, max(8, round(0.9 * scale)), 2, cv2.LINE_AA)
    return view


def _person(view: Image, person: Person, scene: Scene, origin: np.ndarray, to_map: np.ndarray, scale: float) -> None:
    risk = scene.risk(person.track_id)
    colour = person_colour(risk, person.track_id)
    best = int(np.argmax(person.probability))
    far = 20.0 * max(view.shape[:2])  # cv2's coordinates overflow far outside
    for mode in [*np.argsort(-person.probability, kind="stable")[1:4][::-1], best]:
        path = np.concatenate([person.position[None, :2], person.modes[mode]])
        points = np.clip(origin + path @ to_map.T, -far, far)
        faded = colour if mode == best else (colour[0] // 2, colour[1] // 2, colour[2] // 2)
        cv2.polylines(view, [np.round(points).astype(np.int32)], False, faded, 1, cv2.LINE_AA)
    end = origin + to_map @ person.modes[best, -1]
    if np.abs(end).max() < far:
        cv2.circle(view, _at(end), max(1, min(round(float(person.radius[-1]) * scale), 2000)), colour, 1, cv2.LINE_AA)
    here = origin + to_map @ person.position[:2]
    if np.abs(here).max() < far:
        cv2.circle(view, _at(here), 3, colour, -1, cv2.LINE_AA)


def _controls(area: Image, command: DriveCommand) -> None:
    """Steering with its interval (left is left), throttle and brake, state and confidence."""
    height, width = area.shape[:2]
    unit = height / 120
    left, right, middle = round(14 * unit), width - round(14 * unit), width // 2
    half = (right - left) / 2
    colour = STATE_COLOURS[command.state]
    put_text(area, command.state.name, (left, round(22 * unit)), colour, 0.6 * unit)
    said = f"confidence {command.confidence:.2f}   {command.speed_mps:.1f} m/s"
    put_text(
        area, said, (left + round(110 * unit), round(22 * unit)), WHITE, 0.45 * unit, width - left - round(120 * unit)
    )
    y = round(48 * unit)

    def x(steering: float) -> int:
        return round(middle - float(np.clip(steering, -1, 1)) * half)  # + is left

    cv2.line(area, (left, y), (right, y), GREY, 1, cv2.LINE_AA)
    low, high = command.interval
    bar = round(8 * unit)
    cv2.rectangle(area, (x(high), y - bar), (x(low), y + bar), (90, 84, 78), -1)
    cv2.line(area, (middle, y - bar), (middle, y + bar), GREY, 1)
    cv2.line(
        area, (x(command.steering), y - bar - 3), (x(command.steering), y + bar + 3), colour, max(2, round(3 * unit))
    )
    put_text(area, "L", (0, y + 4), GREY, 0.4 * unit)
    put_text(area, "R", (right + round(2 * unit), y + 4), GREY, 0.4 * unit)
    for row, (name, value, shade) in enumerate(
        (("throttle", command.throttle, (110, 190, 90)), ("brake", command.brake, ALERT))
    ):
        base = round((74 + 15 * row) * unit)
        put_text(area, name, (left, base + round(4 * unit)), GREY, 0.38 * unit)
        start = left + round(62 * unit)
        full = max(right - start, 1)
        cv2.rectangle(area, (start, base - round(4 * unit)), (right, base + round(4 * unit)), (58, 54, 50), -1)
        filled = start + round(float(np.clip(value, 0, 1)) * full)
        cv2.rectangle(area, (start, base - round(4 * unit)), (filled, base + round(4 * unit)), shade, -1)
    if command.reason:
        put_text(area, command.reason, (left, round(113 * unit)), WHITE, 0.38 * unit, width - 2 * left)


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
