"""Annotated frames of a run: every image of the input bag with what the output bag says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from headway import messages
from headway.annotate import Image, draw
from headway.bags import BagReader
from headway.bags.reader import Message
from headway.errors import BagError, FrameError
from headway.geometry import rotation_from_quaternion
from headway.images import decode_image, opencv_name
from headway.report.run import Run, output_topics
from headway.scene import Person, Scene
from headway.sensors import camera_from_message, stamp_of
from headway.types import Camera, DriveCommand, DriveState, Heads

SLACK_NS = 10_000_000_000
"""Answers recorded this long after an image are looked at: in a graph the tasks answer at their own pace, on a machine
that cannot keep up seconds later."""
ABOUT_PEOPLE = {messages.HEADS: "heads", messages.RISK: "risk"}
"""What comes with every frame that the task answers. A command that is missing shows by its empty strip."""


def annotated(run: Run) -> Iterator[tuple[int, Image]]:
    """(stamp, annotated image) of every image that can be decoded, in order."""
    camera: Camera | None = None
    with BagReader(run.bag) as source, BagReader(run.output) as answers:
        join = _Answers(answers)
        topics = [t for t in (run.topics.image, run.topics.camera_info) if t]
        left = len(run.stamps)
        for message in source.messages(topics):
            if message.topic == run.topics.image:
                if not left:
                    return
                left -= 1
            try:
                decoded = message.decode()
                if message.topic == run.topics.camera_info:
                    found = camera_from_message(decoded)
                    camera = None if isinstance(found, str) else found
                    continue
                stamp_ns = stamp_of(decoded) or message.stamp_ns
                image = decode_image(decoded)
            except (BagError, FrameError):
                continue
            fits = camera is not None and (camera.width, camera.height) == (image.shape[1], image.shape[0])
            told = join.of(stamp_ns, message.stamp_ns)
            yield stamp_ns, draw(image, scene(told, camera if fits else None, join.expected))


class _Answers:
    """Messages of the output bag by the stamp they answer, read alongside the images: memory does not grow.

    How far is told by the times of recording: those go on where stamps go back.
    """

    def __init__(self, reader: BagReader) -> None:
        topics = output_topics(reader)
        self.expected = {reader.topics[name].msgtype for name in topics}
        self._messages = reader.messages(topics)
        self._pending: dict[int, tuple[int, dict[str, Any]]] = {}  # stamp -> when recorded, message type -> message
        self._newest_ns = 0

    def of(self, stamp_ns: int, recorded_ns: int) -> dict[str, Any]:
        """message type -> message."""
        while self._newest_ns <= recorded_ns + SLACK_NS:
            message: Message | None = next(self._messages, None)
            if message is None:
                break
            decoded = message.decode()
            self._newest_ns = message.stamp_ns
            _, answers = self._pending.setdefault(stamp_of(decoded) or message.stamp_ns, (message.stamp_ns, {}))
            answers.setdefault(message.msgtype, decoded)  # later ones: what a node says while its input is silent
        for old in [s for s, (at_ns, _) in self._pending.items() if at_ns < recorded_ns - SLACK_NS]:
            del self._pending[old]
        return self._pending.pop(stamp_ns, (0, {}))[1]


def scene(answers: dict[str, Any], camera: Camera | None, expected: Set[str] = frozenset()) -> Scene:
    """What the messages of one frame say, ready to be drawn. expected: message types that this run has: where one is
    missing the picture says so, or a frame that was dropped would look like one with nobody in it."""
    heads = answers.get(messages.HEADS)
    forecasts = answers.get(messages.FORECASTS)
    risk = answers.get(messages.RISK)
    command = answers.get(messages.COMMAND)
    notes = list(dict.fromkeys(m.reason for m in answers.values() if not m.valid and m.reason))
    missing = [word for kind, word in ABOUT_PEOPLE.items() if kind in expected and kind not in answers]
    if not answers:
        notes = ["no answer for this frame"]
    elif missing:
        notes.insert(0, f"no {' and no '.join(missing)} for this frame")
    turn = None
    if forecasts is not None and forecasts.valid:
        q = forecasts.camera_orientation
        turn = rotation_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
    found = heads if heads is not None and heads.valid else None
    return Scene(
        heads=messages.heads_from_message(found) if found is not None else Heads.empty(),
        head_ids=tuple(int(h.track_id) for h in found.heads) if found is not None else (),
        people=tuple(_person(f) for f in forecasts.forecasts) if forecasts is not None else (),
        risks=messages.risks_from_message(risk) if risk is not None else None,
        command=_command(command) if command is not None else None,
        camera=camera,
        orientation=turn,
        notes=tuple(notes),
    )


def _person(forecast: Any) -> Person:
    modes = np.stack([np.asarray(forecast.x, float), np.asarray(forecast.y, float)], axis=-1)
    p = forecast.position
    return Person(
        track_id=int(forecast.track_id),
        position=np.array([p.x, p.y, p.z]),
        modes=modes.reshape(len(forecast.probability), int(forecast.steps), 2),
        probability=np.asarray(forecast.probability, float),
        radius=np.asarray(forecast.radius, float),
    )


def _command(message: Any) -> DriveCommand:
    return DriveCommand(
        steering=float(message.steering),
        throttle=float(message.throttle),
        brake=float(message.brake),
        interval=(float(message.steering_low), float(message.steering_high)),
        confidence=float(message.confidence),
        state=DriveState(message.state),
        speed_mps=float(message.speed),
        reason=message.reason,
        valid=bool(message.valid),
    )


def write_video(
    run: Run, path: Path, wanted: set[int], progress: Callable[[int, int | None], None]
) -> dict[int, Image]:
    """Writes annotated.mp4 (MPEG-4 part 2, which every cv2 has) and returns the annotated images of `wanted` stamps.

    Raises UsageError for a name that OpenCV cannot take, BagError where it cannot write.
    """
    name = opencv_name(path)
    kept: dict[int, Image] = {}
    count = 0
    writer: cv2.VideoWriter | None = None
    size = (0, 0)
    for count, (stamp_ns, image) in enumerate(annotated(run), 1):
        if writer is None:
            size = (image.shape[1], image.shape[0])
            writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"mp4v"), rate_hz(run), size)
            if not writer.isOpened():
                raise BagError(f"{path} cannot be written: OpenCV refuses an MPEG-4 video of {size[0]}x{size[1]}")
        if stamp_ns in wanted:
            kept[stamp_ns] = image
        # A stream whose size changes goes on in the size it began with.
        writer.write(image if (image.shape[1], image.shape[0]) == size else cv2.resize(image, size))
        progress(count, len(run.stamps))
    if writer is not None:
        writer.release()
        # A full disk is nothing that OpenCV tells of: it writes on, into nothing.
        if (found := _frames(name)) != count:
            raise BagError(f"{path} cannot be written: {found} of {count} images are in it. Is the disk full?")
    return kept


def _frames(name: str) -> int:
    """How many images a video says it has, 0 where it cannot be opened."""
    video = cv2.VideoCapture(name)
    found = round(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
    video.release()
    return found


def rate_hz(run: Run) -> float:
    """Images a second, from the median distance of their stamps, with two decimals: MPEG-4 counts time in at most
    65535 parts of a second, and OpenCV takes a rate of three decimals as thousandths."""
    steps = np.diff([run.seconds(s) for s in run.stamps])
    steps = steps[steps > 0]
    return round(float(np.clip(1.0 / np.median(steps), 1.0, 120.0)), 2) if steps.size else 15.0
