"""The faults: each changes the messages of a bag within a window of time, and nothing outside it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.bags.reader import Message
from headway.bags.topics import InputTopics
from headway.errors import FrameError
from headway.images import IMAGE, decode_image
from headway.sensors import stamp_of
from headway.tasks import DRIVING, HEAD_POSE, TRAJECTORY

Image = NDArray[np.uint8]
Change = Callable[["Injector", Message], Iterable[Message]]

STOP, HALT, UNSURE, CAUTION, ORDER = "stop", "halt", "unsure", "caution", "order"
TOLD, NEWEST, NOTHING = "told", "newest", "nothing"
"""What is safe. stop: every risk is unsure, no command is valid, the commanded speed falls; halt: the same of the
commands alone; unsure: every risk says so, and the vehicle is slow; caution: the speed limit of unknown speed; order:
only newer stamps are answered; told: never silent; newest: the age stays bounded."""
QUALITY = 92


@dataclass(frozen=True)
class Fault:
    """says: a pattern that must be found in what is reported. role: the topic it changes. frames: instead of a window.

    engine: "raises", "slow" or "nan" for a fault of the inference engines rather than of a message; task: of which one,
    "" for all of them.
    """

    name: str
    says: str
    safe: str
    change: Change | None = None
    role: str = "image"
    frames: int = 0
    engine: str = ""
    task: str = ""


class Injector:
    """One fault over one stream. `first_ns` and `last_ns`: log time of the first and last message it changed;
    `period_ns`: between two images before that."""

    def __init__(self, fault: Fault, topics: InputTopics, start_ns: int, end_ns: int) -> None:
        self.fault, self.topic, self._camera = fault, getattr(topics, fault.role), topics.image
        self.start_ns = start_ns
        self.end_ns = 2**63 if fault.frames else end_ns  # so many frames, however long that takes
        self.first_ns = self.last_ns = 0
        self.count = 0
        self.period_ns = 66_666_667
        self.kept: Any = None  # what a fault keeps of the first message it changed
        self.random = np.random.default_rng(7)
        self._before_ns = 0

    def stream(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages with the fault, in order of log time."""
        heap: list[tuple[int, int, Message]] = []
        number = itertools.count()
        for message in messages:
            for made in self._faulty(message):
                heapq.heappush(heap, (made.stamp_ns, next(number), made))
            while heap and heap[0][0] <= message.stamp_ns:
                yield heapq.heappop(heap)[2]
        while heap:
            yield heapq.heappop(heap)[2]

    def _faulty(self, message: Message) -> Iterable[Message]:
        if message.topic == self._camera:
            if self._before_ns and not self.count:
                self.period_ns = message.stamp_ns - self._before_ns
            self._before_ns = message.stamp_ns
        if message.topic != self.topic:
            return (message,)
        if not self.start_ns <= message.stamp_ns < self.end_ns:
            return (message,)
        if self.fault.frames and self.count >= self.fault.frames:
            return (message,)
        self.first_ns = self.first_ns or message.stamp_ns
        self.last_ns = message.stamp_ns
        self.count += 1
        return self.fault.change(self, message) if self.fault.change else (message,)


def remade(message: Message, decoded: Any, msgtype: str = "") -> Message:
    """`message` with other content."""
    kind = msgtype or message.msgtype
    return replace(message, msgtype=kind, data=bytes(message.reader.store.serialize_cdr(decoded, kind)))


def pixels(change: Callable[[Injector, Image], Image]) -> Change:
    """A fault that alters the picture."""

    def apply(injector: Injector, message: Message) -> Iterable[Message]:
        decoded = message.decode()
        try:
            image = decode_image(decoded)
        except FrameError:
            return (message,)  # the bag's own damage
        return (remade(message, _with_pixels(message, decoded, change(injector, image))),)

    return apply


def _with_pixels(message: Message, decoded: Any, image: Image) -> Any:
    if message.msgtype == IMAGE:
        height, width = image.shape[:2]
        data = np.ascontiguousarray(image).reshape(-1)
        return replace(decoded, height=height, width=width, step=3 * width, encoding="bgr8", data=data)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].reshape(-1)
    return replace(decoded, format="jpeg", data=jpeg)


def shifted(seconds: float) -> Change:
    """A fault that moves the stamps of the camera."""

    def apply(injector: Injector, message: Message) -> Iterable[Message]:
        decoded = message.decode()
        at = stamp_of(decoded) + round(1e9 * seconds)
        stamp = replace(decoded.header.stamp, sec=at // 10**9, nanosec=at % 10**9)
        return (remade(message, replace(decoded, header=replace(decoded.header, stamp=stamp))),)

    return apply


def stuck(injector: Injector, message: Message) -> Iterable[Message]:
    """New pictures, all under the stamp of the first."""
    decoded = message.decode()
    injector.kept = decoded.header if injector.kept is None else injector.kept
    return (remade(message, replace(decoded, header=injector.kept)),)


def lost(injector: Injector, message: Message) -> Iterable[Message]:
    """The message never comes."""
    return ()


def frozen(injector: Injector, message: Message) -> Iterable[Message]:
    """The first picture again and again, under the stamps of those that should have come."""
    decoded = message.decode()
    injector.kept = decoded if injector.kept is None else injector.kept
    return (remade(message, replace(injector.kept, header=decoded.header)),)


def cut_off(injector: Injector, message: Message) -> Iterable[Message]:
    """Half of the image's bytes are missing."""
    decoded = message.decode()
    return (remade(message, replace(decoded, data=decoded.data[: len(decoded.data) // 2].copy())),)


def wrong_step(injector: Injector, message: Message) -> Iterable[Message]:
    """A raw image whose step does not fit its width."""
    from rosbags.typesys.store import Typestore

    decoded = message.decode()
    image = decode_image(decoded)
    store: Typestore = message.reader.store
    height, width = image.shape[:2]
    raw = store.types[IMAGE](
        header=decoded.header, height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width - 1,
        data=image.reshape(-1),
    )  # fmt: skip
    return (remade(message, raw, IMAGE),)


def tenfold(injector: Injector, message: Message) -> Iterable[Message]:
    """Ten images in the time of one, each with its own stamp and sensor noise."""
    decoded = message.decode()
    image, stamp_ns = decode_image(decoded), stamp_of(decoded)
    for k in range(10):
        shift = k * injector.period_ns // 10
        at = stamp_ns + shift
        stamp = replace(decoded.header.stamp, sec=at // 10**9, nanosec=at % 10**9)
        grain = injector.random.integers(-2, 3, image.shape)
        made = _with_pixels(message, decoded, np.clip(image + grain, 0, 255).astype(np.uint8))
        made = replace(made, header=replace(decoded.header, stamp=stamp))
        yield replace(remade(message, made), stamp_ns=message.stamp_ns + shift)


def nan_imu(injector: Injector, message: Message) -> Iterable[Message]:
    """An orientation that is not a number."""
    decoded = message.decode()
    return (remade(message, replace(decoded, orientation=replace(decoded.orientation, x=float("nan")))),)


def nan_odometry(injector: Injector, message: Message) -> Iterable[Message]:
    """A speed that is not a number."""
    decoded = message.decode()
    twist = decoded.twist.twist
    bad = replace(twist, linear=replace(twist.linear, x=float("nan")))
    return (remade(message, replace(decoded, twist=replace(decoded.twist, twist=bad))),)


def nan_camera_info(injector: Injector, message: Message) -> Iterable[Message]:
    """Intrinsics that are not numbers."""
    decoded = message.decode()
    return (remade(message, replace(decoded, k=np.full(9, np.nan))),)


def _blur(injector: Injector, image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), image.shape[1] / 100), np.uint8)


def _half_size(injector: Injector, image: Image) -> Image:
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5), np.uint8)


def _cover(injector: Injector, image: Image) -> Image:
    image = image.copy()
    image[:, : image.shape[1] // 2] = 12
    return image


def _noise(injector: Injector, image: Image) -> Image:
    return injector.random.integers(0, 256, image.shape, np.uint8)


INVALID = "SENSOR_INVALID: "
SILENT = "no image for"
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("camera-stops", SILENT, STOP, lost),
        Fault("frozen", INVALID + "frozen|suspect: frozen", STOP, frozen),
        Fault("stamps-back", "stale", STOP, shifted(-5.0)),
        Fault("stamps-late", "not newer", ORDER, shifted(-0.2), frames=3),
        Fault("stamps-stuck", SILENT, STOP, stuck),
        Fault("stamps-forward", "no IMU sample", UNSURE, shifted(5.0)),
        Fault("stamps-future", "no IMU sample", UNSURE, shifted(3600.0)),
        Fault("gap-1", "", NOTHING, lost, frames=1),
        Fault("gap-10", SILENT, STOP, lost, frames=10),
        Fault("gap-100", SILENT, STOP, lost, frames=100),
        Fault("black", "suspect: black", STOP, pixels(lambda i, p: np.zeros_like(p))),
        Fault("white", "suspect: white", STOP, pixels(lambda i, p: np.full_like(p, 255))),
        Fault("noise", "suspect: noise", STOP, pixels(_noise)),
        Fault("blur", "suspect: blurred", STOP, pixels(_blur)),
        Fault("half-covered", "suspect: covered", STOP, pixels(_cover)),
        Fault("colours-swapped", "suspect: colour order", STOP, pixels(lambda i, p: p[..., ::-1].copy())),
        Fault("size-changes", "image size changed", UNSURE, pixels(_half_size)),
        Fault("truncated", "truncated", STOP, cut_off),
        Fault("wrong-step", "image step is", STOP, wrong_step),
        Fault("nan-imu", "IMU orientation is no rotation", UNSURE, nan_imu, "imu"),
        Fault("nan-odometry", "odometry is not finite", CAUTION, nan_odometry, "odom"),
        Fault("nan-camera-info", "camera_info holds", UNSURE, nan_camera_info, "camera_info"),
        Fault("tenfold-rate", "a newer image came first", NEWEST, tenfold),
        Fault("engine-raises", "failed on purpose", STOP, engine="raises"),
        Fault("head-pose-raises", "no heads: .*failed on purpose", UNSURE, engine="raises", task=HEAD_POSE),
        Fault("trajectory-raises", "failed on purpose", UNSURE, engine="raises", task=TRAJECTORY),
        Fault("driving-raises", "failed on purpose", HALT, engine="raises", task=DRIVING),
        Fault("engine-slow", SILENT, TOLD, engine="slow"),
        Fault("engine-nan", "NaN or infinity", STOP, engine="nan"),
    )
}
