"""Draws what was said about a frame onto its image: heads, gaze, forecasts, risk; below it a map and the controls.

For `~/debug_image`, annotated.mp4 and the pictures of the report alike. Made to be read at 640x480: smaller images are
enlarged by a whole factor first.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.geometry import from_semi_local, gaze, project
from headway.panel import (
    ALERT,
    BLACK,
    GREY,
    LEVEL_COLOURS,
    LIGHT_GREY,
    WHITE,
    Colour,
    panel,
    person_colour,
    put_text,
    track_colour,
)
from headway.scene import Person, Scene, people_of
from headway.stages.existence import head_probability
from headway.tasks import Motion
from headway.types import DriveCommand, FloatArray, Frame, Heads, Level, Risk

Image = NDArray[np.uint8]

READABLE_WIDTH = 640
HEAD_HEIGHT_M = 1.6  # paths are drawn on the ground this far below the head: only a drawing aid
DOUBTED = 0.5  # a box that belongs to no track and is less likely a head than this is drawn without a pose
NEAR_M = 0.4  # what comes closer to the image plane than this is not drawn
MODES_SHOWN = 4
RING_POINTS = 24


def annotate(
    frame: Frame, heads: Heads | None = None, motion: Motion | None = None, command: DriveCommand | None = None
) -> Image:
    """The frame's image with everything drawn, a new array: higher than the image by the strip below it."""
    heads = heads or Heads.empty()
    ids = np.full(len(heads), -1)
    if motion:
        for track, row in zip(motion.tracks.ids, motion.tracks.head_index, strict=True):
            if 0 <= row < len(ids):
                ids[row] = track
    scene = Scene(
        heads=heads,
        head_ids=tuple(int(i) for i in ids),
        people=people_of(motion.forecast) if motion else (),
        risks=motion.risks if motion else None,
        command=command,
        camera=frame.camera,
        orientation=frame.orientation,
    )
    return draw(frame.image, scene)


def draw(image: Image, scene: Scene) -> Image:
    """(H, W, 3) uint8 BGR -> a new, possibly enlarged, image with even sides and the strip below."""
    factor = max(1, math.ceil(READABLE_WIDTH / image.shape[1]))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    canvas: Image = np.array(large[: size[1] // 2 * 2, : size[0] // 2 * 2], np.uint8, order="C")
    for person in scene.people:
        _fan(canvas, person, scene, factor)
    probability = head_probability(scene.heads, image.shape[1], image.shape[0])
    for i in range(len(scene.heads)):
        if probability[i] < DOUBTED and scene.track(i) < 0:
            _doubted(canvas, scene, i, factor, float(probability[i]))
        else:
            _head(canvas, scene, i, factor)
    _banner(canvas, scene)
    strip = panel(canvas.shape[1], canvas.shape[0], scene)
    return np.asarray(np.concatenate([canvas, strip]), np.uint8)


def _thickness(canvas: Image) -> int:
    return max(1, round(canvas.shape[0] / 400))


def _corners(scene: Scene, i: int, factor: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(float(v) * factor) for v in scene.heads.boxes[i])
    return x0, y0, x1, y1


def _doubted(canvas: Image, scene: Scene, i: int, factor: int, probability: float) -> None:
    """What is reported as a head and more likely is none: where a crown looks to would only mislead."""
    x0, y0, x1, y1 = _corners(scene, i, factor)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), GREY, 1, cv2.LINE_AA)
    scale = 0.42 * max(1.0, canvas.shape[0] / 600)
    put_text(canvas, f"head? p {probability:.2f}", (x0, y0 - 4), LIGHT_GREY, scale)


def _head(canvas: Image, scene: Scene, i: int, factor: int) -> None:
    track = scene.track(i)
    risk = scene.risk(track)
    colour = track_colour(track)
    x0, y0, x1, y1 = _corners(scene, i, factor)
    thick = _thickness(canvas)
    alert = risk is not None and risk.level == Level.ALERT
    if alert:
        cv2.rectangle(canvas, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), ALERT, thick + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, thick, cv2.LINE_AA)
    sigma = float(scene.heads.sigma_deg[i])
    _gaze(canvas, ((x0 + x1) / 2, (y0 + y1) / 2), 1.2 * max(x1 - x0, y1 - y0, 16), scene.heads.rotation[i], sigma)
    label = (f"#{track} " if track >= 0 else "") + (f"{sigma:.0f}" if math.isfinite(sigma) else "?")
    # Hershey fonts have no degree sign: the error is drawn as a wedge, and written as +-.
    label = label.replace(" ", " +-", 1) if track >= 0 else f"+-{label}"
    if risk is not None and risk.time_to_contact_s is not None:
        label += f" {risk.time_to_contact_s:.1f}s"
    put_text(canvas, label, (x0, y0 - 4), ALERT if alert else colour, 0.42 * max(1.0, canvas.shape[0] / 600))


def _gaze(canvas: Image, centre: tuple[float, float], length: float, rotation: FloatArray, sigma_deg: float) -> None:
    """An arrow where the head looks, in a wedge of ± sigma; a ring where it looks at the camera."""
    direction = gaze(rotation)[:2] * length
    reach = float(np.hypot(*direction))
    tip = (round(centre[0] + direction[0]), round(centre[1] + direction[1]))
    start = (round(centre[0]), round(centre[1]))
    thick = _thickness(canvas)
    if reach > 0.25 * length and math.isfinite(sigma_deg):
        angle = math.degrees(math.atan2(direction[1], direction[0]))
        _wedge(canvas, start, round(reach), angle, min(sigma_deg, 60.0))
    if reach < 0.25 * length:
        cv2.circle(canvas, start, round(0.2 * length), WHITE, thick, cv2.LINE_AA)
    cv2.arrowedLine(canvas, start, tip, BLACK, thick + 2, cv2.LINE_AA, tipLength=0.3)
    cv2.arrowedLine(canvas, start, tip, WHITE, thick, cv2.LINE_AA, tipLength=0.3)


def _wedge(canvas: Image, centre: tuple[int, int], radius: int, angle_deg: float, spread_deg: float) -> None:
    """A see-through sector; only the square round it is copied."""
    x0, y0 = max(centre[0] - radius, 0), max(centre[1] - radius, 0)
    part = canvas[y0 : max(centre[1] + radius, 0), x0 : max(centre[0] + radius, 0)]
    if part.size:
        overlay = part.copy()
        middle = (centre[0] - x0, centre[1] - y0)
        first, last = angle_deg - spread_deg, angle_deg + spread_deg
        cv2.ellipse(overlay, middle, (radius, radius), 0, first, last, WHITE, -1, cv2.LINE_AA)
        part[:] = cv2.addWeighted(overlay, 0.35, part, 0.65, 0)


def _fan(canvas: Image, person: Person, scene: Scene, factor: int) -> None:
    """The likeliest paths on the ground and, where there is a risk, the conformal disc at the end of the likeliest."""
    if scene.camera is None:
        return
    risk = scene.risk(person.track_id)
    colour = person_colour(risk, person.track_id)
    ground = float(person.position[2]) - HEAD_HEIGHT_M
    order = np.argsort(-person.probability, kind="stable")[:MODES_SHOWN]
    for mode in order[::-1]:
        path = np.concatenate([person.position[None, :2], person.modes[mode]])
        strength = float(person.probability[mode] / max(person.probability[order[0]], 1e-9))
        _line(canvas, scene, path, ground, colour, 0.25 + 0.75 * strength, factor, thick=mode == order[0])
    if risk is None or risk.level not in (Level.NOTICE, Level.ALERT):
        return  # in a crowd the discs of everybody would hide the picture; the map below shows them all
    turn = np.linspace(0, 2 * np.pi, RING_POINTS + 1)
    ring = person.modes[order[0], -1] + person.radius[-1] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    _line(canvas, scene, ring, ground, colour, 0.5, factor)


def _line(
    canvas: Image,
    scene: Scene,
    path: FloatArray,
    height: float,
    colour: Colour,
    strength: float,
    factor: int,
    thick: bool = False,
) -> None:
    """path (P, 2) m semi-local at `height` m, as far as it lies before the camera."""
    assert scene.camera is not None
    points = from_semi_local(np.column_stack([path, np.full(len(path), height)]), scene.turn)
    before = points[:, 2] > NEAR_M
    pixels = np.zeros((len(points), 2))
    pixels[before] = project(points[before], scene.camera) * factor
    faded = tuple(round(strength * c + (1 - strength) * GREY[k]) for k, c in enumerate(colour))
    width = _thickness(canvas) + (1 if thick else 0)
    limit = 4 * max(canvas.shape[:2])  # cv2's coordinates overflow far outside
    for a, b, seen in zip(pixels[:-1], pixels[1:], before[:-1] & before[1:], strict=True):
        if seen and np.abs([a, b]).max() < limit:
            cv2.line(canvas, (round(a[0]), round(a[1])), (round(b[0]), round(b[1])), faded, width, cv2.LINE_AA)


def _banner(canvas: Image, scene: Scene) -> None:
    """One line at the top: the worst risk, or why silence must not be trusted."""
    risks = scene.risks
    if risks is None or risks.level == Level.CLEAR:
        text, level = "; ".join(scene.notes), Level.UNSURE
    else:
        level = risks.level
        worst = max((r for r in risks.items if r.level == level), key=lambda r: r.probability, default=None)
        text = risks.unsure if worst is None else spoken(worst)
    if not text:
        return
    scale = 0.5 * max(1.0, canvas.shape[0] / 600)
    height = round(40 * scale) + 4
    canvas[:height] = (0.25 * canvas[:height] + 0.75 * np.array(LEVEL_COLOURS[level])).astype(np.uint8)
    put_text(canvas, f"{level.name}  {text}", (8, height - round(12 * scale) - 2), WHITE, scale, canvas.shape[1] - 16)


def spoken(risk: Risk) -> str:
    """A risk in one line. A level without a contact is held from frames that expected one, and that is said: else an
    alert at p 0.01 would look like a fault."""
    when = f", contact in {risk.time_to_contact_s:.1f} s" if risk.time_to_contact_s is not None else ""
    if not when and risk.level in (Level.NOTICE, Level.ALERT):
        when = ", held from before"
    return f"person #{risk.track_id} {risk.direction}{when}, p {risk.probability:.2f}, passes at {risk.closest_m:.1f} m"
