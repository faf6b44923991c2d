"""`headway replay`: a bag through the pipeline in this process, as fast as it can.

What goes to output.mcap depends on the bag, the models and the parameters alone, so two replays give the same bytes:
log times are those of the images, and durations and ages are written as 0 (measured ones go to summary.json).
An image waits until the IMU has passed its stamp, so that its orientation is interpolated, never extrapolated.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.reader import Message
from headway.bags.topics import InputTopics, choose_topics
from headway.errors import BagError, FrameError
from headway.fields import Fields
from headway.images import decode_image
from headway.node_config import HeadwayNodeConfig, load, open_pipeline
from headway.order import LATE, Order
from headway.pipeline import Answer, Pipeline
from headway.sensors import Sensors, stamp_of
from headway.tasks import DRIVING, HEAD_POSE, TASKS, TRAJECTORY
from headway.types import Frame, Trace, View

OUTPUT = "output.mcap"
TOPICS = {
    messages.HEADS: "/head_pose/heads",
    messages.FORECASTS: "/trajectory/forecasts",
    messages.RISK: "/trajectory/risk",
    messages.COMMAND: "/driving/command",
    messages.TWIST: "/driving/twist",
}


@dataclass
class Replayed:
    """What a replay measured and met, beside what it wrote. stage_ms: image stamp -> stage -> milliseconds."""

    topics: InputTopics
    frames: int = 0
    stage_ms: dict[int, dict[str, float]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    loss: str = ""


def replay(
    bag: Path,
    output: Path,
    config: HeadwayNodeConfig | None = None,
    wanted: InputTopics | None = None,
    limit: int | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Replayed:
    """Reads `bag`, writes every answer to `output` (one .mcap file). `limit`: stop after this many images.

    Raises BagError (no bag, no image topic, no image at all), ModelError, EngineError, ConfigError.
    """
    config = config or HeadwayNodeConfig()
    with BagReader(bag) as reader:
        topics = choose_topics(reader, wanted)
        pipeline = open_pipeline(config)
        try:
            with BagWriter(output) as writer:
                run = Run(reader, writer, pipeline, config, topics)
                run.all(limit, progress)
        finally:
            pipeline.close()
        run.result.loss = reader.loss
    if not run.result.frames:
        raise BagError(f"{bag} has no message on {topics.image}" + (f": {reader.loss}" if reader.loss else ""))
    return run.result


class Run:
    """One replay in progress."""

    def __init__(
        self,
        reader: BagReader,
        writer: BagWriter,
        pipeline: Pipeline,
        config: HeadwayNodeConfig,
        topics: InputTopics,
    ) -> None:
        self._reader, self._writer, self._pipeline, self._topics = reader, writer, pipeline, topics
        self._sensors = Sensors(config.sensors)
        self._vehicle = config.gate
        self._wait_ns = round(1e9 * config.sensors.orientation_max_gap_s)
        self._order = Order()
        self._size: tuple[int, int] | None = None
        self._waiting: deque[tuple[Message, Any]] = deque()
        self._dropped_before = 0
        self._imu_ns = 0
        self._crowded = 0
        self.result = Replayed(topics)

    def all(self, limit: int | None, progress: Callable[[int, int | None], None]) -> None:
        """Every message of the bag, in order of log time."""
        total = self._reader.topics[self._topics.image].count
        expected = min(total, limit) if limit and total >= 0 else limit or (total if total >= 0 else None)
        seen = 0
        for message in self._reader.messages(self._topics.names):
            if message.topic == self._topics.image:
                if limit and seen >= limit:
                    break
                seen += 1
            self._take(message)
            while self._waiting and self._ready(message.stamp_ns):
                self._image(*self._waiting.popleft())
                progress(self.result.frames, expected)
        while self._waiting:
            self._image(*self._waiting.popleft())
            progress(self.result.frames, expected)
        self.result.refused = self._sensors.refused
        if self._crowded:
            self._note(f"{self._crowded} images with more people than are reported: the nearest are")

    def _take(self, message: Message) -> None:
        decoded = self._decoded(message)
        if message.topic == self._topics.image:
            self._waiting.append((message, decoded))
            return
        if decoded is None:
            return
        if message.topic == self._topics.imu:
            self._sensors.on_imu(decoded)
            self._imu_ns = stamp_of(decoded)
        elif message.topic == self._topics.camera_info:
            self._sensors.on_camera_info(decoded)
        elif message.topic == self._topics.odom:
            self._sensors.on_odometry(decoded)
        else:
            self._sensors.on_depth(decoded)

    def _decoded(self, message: Message) -> Any:
        try:
            return message.decode()
        except BagError as error:
            self._sensors.refused.add(str(error))
            return None

    def _ready(self, now_ns: int) -> bool:
        """True where the first waiting image need not wait for the IMU any longer."""
        message, image = self._waiting[0]
        if image is None or not self._topics.imu or now_ns - message.stamp_ns > self._wait_ns:
            return True
        return self._imu_ns >= (stamp_of(image) or message.stamp_ns)

    def _image(self, message: Message, image: Any) -> None:
        """Answers one image, or says why not."""
        index = self.result.frames
        self.result.frames += 1
        stamp_ns = stamp_of(image) if image is not None else 0
        if image is None:
            self.result.dropped[f"the bytes are no {message.msgtype}"] += 1
            return
        verdict = self._order.judge(stamp_ns)
        if verdict == Order.LATE:
            self.result.dropped[LATE] += 1
            return
        if verdict == Order.RESTARTED:
            self._note("image stamps went back: tracks were forgotten")
            self._restart()
        if stamp_ns == 0:
            self._note("images have stamp 0: the time of recording is used for tracking")
        total = sum(self.result.dropped.values())
        trace = Trace(frame_index=index, dropped=total - self._dropped_before, dropped_total=total)
        self._dropped_before = total
        view = View(stamp_ns=stamp_ns or message.stamp_ns, frame_id=image.header.frame_id)
        try:
            frame = self._frame(image, view, trace)
        except FrameError as error:
            self._refuse(message, image, view, trace, str(error))
        else:
            self._write(message, image, frame, self._pipeline.step(frame, trace))
        self.result.stage_ms[stamp_ns or message.stamp_ns] = dict(trace.stage_ms)

    def _frame(self, image: Any, view: View, trace: Trace) -> Frame:
        with trace.timed("decode"):
            pixels = decode_image(image)
        height, width = pixels.shape[:2]
        before, self._size = self._size, (width, height)
        if before and before != self._size:
            self._restart()
            raise FrameError(f"image size changed from {before[0]}x{before[1]} to {width}x{height}: restarting with it")
        return Frame(**vars(self._sensors.view(view.stamp_ns, view.frame_id, width, height)), image=pixels)

    def _restart(self) -> None:
        self._pipeline.reset()
        self._sensors.reset()

    def _write(self, message: Message, image: Any, frame: Frame, answer: Answer) -> None:
        height, width = frame.image.shape[:2]
        trace = _silent(answer.trace)
        motion, reasons = answer.motion, answer.reasons
        tracks = motion.tracks if motion else None
        self._crowded += tracks is not None and tracks.left_out > 0
        out: dict[str, Fields] = {}
        if self._pipeline.head_pose:
            reason = reasons.get(HEAD_POSE, "")
            out[messages.HEADS] = messages.head_array(
                answer.heads, frame, width, height, trace, not reason, reason or answer.suspect, tracks
            )
        if self._pipeline.trajectory:
            reason = reasons.get(TRAJECTORY, "")
            forecast, risks = (motion.forecast, motion.risks) if motion else (None, None)
            out[messages.FORECASTS] = messages.forecast_array(forecast, frame, trace, not reason, reason)
            out[messages.RISK] = messages.risk_array(risks, frame, trace, not reason, reason)
        if self._pipeline.driving and answer.command:
            reason = reasons.get(DRIVING, "")
            out[messages.COMMAND] = messages.drive_command(answer.command, frame, trace, not reason, reason)
            out[messages.TWIST] = messages.twist_stamped(answer.command, frame, self._vehicle)
        self._send(message, image, out)

    def _refuse(self, message: Message, image: Any, view: View, trace: Trace, reason: str) -> None:
        """valid = false with the reason on every output; the command ramps to a stop."""
        silent = _silent(trace)
        out: dict[str, Fields] = {}
        if self._pipeline.head_pose:
            out[messages.HEADS] = messages.head_array(None, view, 0, 0, silent, False, reason)
        if self._pipeline.trajectory:
            out[messages.FORECASTS] = messages.forecast_array(None, view, silent, False, reason)
            out[messages.RISK] = messages.risk_array(None, view, silent, False, reason)
        if self._pipeline.driving:
            moving = self._sensors.view(view.stamp_ns, view.frame_id, 0, 0)  # the speed is known all the same
            command = self._pipeline.driving.idle(moving, self._pipeline.unsure(view, reason))
            out[messages.COMMAND] = messages.drive_command(command, view, silent, False, reason)
            out[messages.TWIST] = messages.twist_stamped(command, view, self._vehicle)
        self._send(message, image, out)

    def _send(self, message: Message, image: Any, out: dict[str, Fields]) -> None:
        # The source's own stamp, also where it is zero: none is invented.
        stamp = Fields(sec=image.header.stamp.sec, nanosec=image.header.stamp.nanosec)
        for msgtype, fields in out.items():
            fields["header"]["stamp"] = stamp
            self._writer.write(TOPICS[msgtype], msgtype, fields, message.stamp_ns)

    def _note(self, text: str) -> None:
        if text not in self.result.notes:
            self.result.notes.append(text)


def _silent(trace: Trace) -> Fields:
    """The trace of all messages of a frame, without times: a replay gives the same bytes on every machine."""
    return messages.trace_fields(replace(trace, stage_ms=dict.fromkeys(trace.stage_ms, 0.0)))


def run_replay(
    bag: Path,
    out: Path,
    params: Path | None = None,
    wanted: InputTopics | None = None,
    command: str = "",
    limit: int | None = None,
    video: bool = True,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Replays and writes output.mcap, annotated.mp4, report.html and summary.json into `out`; returns the summary."""
    from headway.report.build import fresh_folder, write_report
    from headway.report.run import collect

    config = load(HeadwayNodeConfig(), "headway", params)
    result = replay(bag, fresh_folder(out, bag, video) / OUTPUT, config, wanted, limit, progress)
    dropped = dict.fromkeys(TASKS, result.dropped)
    run = collect(bag, out / OUTPUT, wanted, command, "replay", result.stage_ms, dropped, limit=result.frames)
    run.notes += result.notes + [f"{count} x sensor message not used: {why}" for why, count in result.refused.items()]
    run.loss = result.loss
    return write_report(run, out, progress, video)
