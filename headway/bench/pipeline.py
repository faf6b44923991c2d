"""The whole way of a frame, image message in to messages out: time of each stage, and what is not network."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from headway import messages
from headway.bags.types import build, typestore
from headway.bench.frames import PERIOD_NS, START_NS, Image, pictures
from headway.bench.machine import gpu_used_mib, rss_mib
from headway.bench.networks import CANNOT, PRECISION, Bench
from headway.bench.turns import quantiles
from headway.errors import EngineError
from headway.images import decode_image
from headway.node_config import HeadwayNodeConfig, open_pipeline
from headway.pipeline import Answer, Pipeline
from headway.runtime.engine import Engine
from headway.types import Camera, Frame, Trace

FIELD_OF_VIEW = 0.9
"""Focal length over image width of the camera assumed for the pictures."""


class Clocked:
    """An engine that adds up the time it takes."""

    def __init__(self, inner: Engine) -> None:
        self.name, self.inner = inner.name, inner
        self.ms, self.cpu_ms = 0.0, 0.0

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer."""
        start, cpu = time.perf_counter(), time.process_time()
        try:
            return self.inner.infer(feeds)
        finally:
            self.ms += 1e3 * (time.perf_counter() - start)
            self.cpu_ms += 1e3 * (time.process_time() - cpu)

    def close(self) -> None:
        """Frees the inner engine."""
        self.inner.close()


class Host:
    """A pipeline with everything round it that a node does: decode the message, answer, build and serialize."""

    def __init__(self, engine: str, threads: int) -> None:
        config = replace(HeadwayNodeConfig(), engine=engine, threads=threads)
        self.pipeline = open_pipeline(config)
        self.store = typestore()
        self.clocks = list(_clocks(self.pipeline))
        self.frame_ms: list[float] = []
        self.frame_cpu_ms: list[float] = []
        self.network_ms: list[float] = []
        self.network_cpu_ms: list[float] = []
        self.stage_ms: dict[str, list[float]] = {}
        self.heads: list[int] = []
        self.index = 0

    def frame(self, message: SimpleNamespace, keep: bool = True) -> Answer:
        """One image message through everything. One that is to be kept and was not answered raises EngineError: a
        network that fails at once takes no time."""
        for clock in self.clocks:
            clock.ms = clock.cpu_ms = 0.0
        trace = Trace(frame_index=self.index)
        start, cpu = time.perf_counter(), time.process_time()
        with trace.timed("decode"):
            image = decode_image(message)
        height, width = image.shape[:2]
        focal = FIELD_OF_VIEW * width
        camera = Camera(width, height, focal, focal, width / 2, height / 2)
        frame = Frame(stamp_ns=START_NS + self.index * PERIOD_NS, image=image, camera=camera)
        answer = self.pipeline.step(frame, trace)
        with trace.timed("message"):
            for msgtype, fields in _messages(answer, frame, width, height):
                self.store.serialize_cdr(build(self.store, msgtype, fields), msgtype)
        total, total_cpu = 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)
        self.index += 1
        if keep and answer.reasons:
            raise EngineError("; ".join(f"{task}: {reason}" for task, reason in answer.reasons.items()))
        if keep:
            self.frame_ms.append(total)
            self.frame_cpu_ms.append(total_cpu)
            self.network_ms.append(sum(c.ms for c in self.clocks))
            self.network_cpu_ms.append(sum(c.cpu_ms for c in self.clocks))
            self.heads.append(len(answer.heads) if answer.heads is not None else 0)
            for stage, ms in trace.stage_ms.items():
                self.stage_ms.setdefault(stage, []).append(ms)
        return answer

    def report(self) -> dict[str, Any]:
        """Quantiles of the frame and of each stage with its share, and the share that is not network."""
        frame, network = np.array(self.frame_ms), np.array(self.network_ms)
        total = frame.sum()
        return {
            **quantiles(self.frame_ms),
            "cpu_p50_ms": float(np.median(self.frame_cpu_ms)),
            "calls": len(frame),
            "heads_mean": float(np.mean(self.heads)),
            "network_p50_ms": float(np.median(network)),
            "outside_network_p50_ms": float(np.median(frame - network)),
            "outside_network_share": float(1 - network.sum() / total),
            "outside_network_share_cpu": float(1 - np.sum(self.network_cpu_ms) / np.sum(self.frame_cpu_ms)),
            "stages": {s: {**quantiles(v), "share": float(np.sum(v) / total)} for s, v in self.stage_ms.items()},
        }


def _clocks(pipeline: Pipeline) -> Iterator[Clocked]:
    for task in (pipeline.head_pose, pipeline.trajectory, pipeline.driving):
        if task:
            clock = Clocked(task.model.engine)
            # The stage holds the same Model object: what it calls must be the clocked engine.
            object.__setattr__(task.model, "engine", clock)
            yield clock


def _messages(answer: Answer, frame: Frame, width: int, height: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    motion, trace = answer.motion, messages.trace_fields(answer.trace)
    tracks = motion.tracks if motion else None
    yield messages.HEADS, messages.head_array(answer.heads, frame, width, height, trace, True, "", tracks)
    forecast, risks = (motion.forecast, motion.risks) if motion else (None, None)
    yield messages.FORECASTS, messages.forecast_array(forecast, frame, trace, True, "")
    yield messages.RISK, messages.risk_array(risks, frame, trace, True, "")
    if answer.command:
        yield messages.COMMAND, messages.drive_command(answer.command, frame, trace, True, "")


BLOCK = 10
"""Frames that a pipeline gets in a row before the next has its turn: a device runs one of them, with its own weights in
the cache, not six in turns; what else the machine does still falls on all of them alike."""
ROWS = {"pipeline": "", "pipeline-raw": "raw bgr8 messages"}
"""Row -> note: the same frames as JPEG messages, as in the bundled recordings, and raw, as camera drivers send them."""


def bench_pipeline(
    bench: Bench,
    engines: Sequence[str] = ("onnxruntime",),
    rounds: int = 150,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Adds the rows "pipeline" and "pipeline-raw" for each engine, and their stages under `bench.pipeline`."""
    images, source = pictures(min(rounds, 150))
    material = {"pipeline": [jpeg(image) for image in images], "pipeline-raw": [raw(image) for image in images]}
    cv2.setNumThreads(threads)  # its own pool would take cores that the engines were not given
    hosts: dict[tuple[str, str], Host] = {}
    for engine in engines:
        try:
            hosts |= {(name, engine): Host(engine, threads) for name in ROWS}
        except CANNOT as error:
            bench.skip("pipeline", engine, error)
    if not hosts:
        return
    bench.inputs |= dict.fromkeys(ROWS, source)
    for (name, _), host in hosts.items():
        for message in material[name][:5]:
            host.frame(message, keep=False)
    before = rss_mib()
    with no_garbage_collection():
        for first in range(0, rounds, BLOCK):
            block = range(first, min(first + BLOCK, rounds))
            for (name, engine), host in list(hosts.items()):
                try:
                    for i in block:
                        host.frame(material[name][i % len(images)])
                except EngineError as error:
                    bench.skip(name, engine, error)
                    hosts.pop((name, engine)).pipeline.close()
            progress(block.stop, rounds)
    for (name, engine), host in hosts.items():
        _add(bench, name, engine, host.report())
    bench.pipeline["memory"] = {
        "rss_mib": rss_mib(),
        "rss_growth_mib": rss_mib() - before,
        "gpu_used_mib": gpu_used_mib(),
    }
    for host in hosts.values():
        host.pipeline.close()


def _add(bench: Bench, name: str, engine: str, found: dict[str, Any]) -> None:
    (bench.pipeline if name == "pipeline" else bench.pipeline.setdefault("raw", {}))[engine] = found
    bench.rows.append(
        {"name": name, "engine": engine, "precision": PRECISION.get(engine, "fp32")}
        | {k: found[k] for k in ("p50_ms", "p95_ms", "p99_ms", "cpu_p50_ms", "calls")}
        | ({"note": ROWS[name]} if ROWS[name] else {})
    )
    bench.ratios[f"{name}: share outside the networks, {engine}"] = found["outside_network_share"]
    bench.ratios[f"{name}: share outside the networks, {engine}, cpu time"] = found["outside_network_share_cpu"]


def jpeg(image: Image) -> SimpleNamespace:
    """The image as the fields of a sensor_msgs/CompressedImage."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].reshape(-1)
    return SimpleNamespace(format="jpeg", data=data)


def raw(image: Image) -> SimpleNamespace:
    """The image as the fields of a sensor_msgs/Image."""
    height, width = image.shape[:2]
    return SimpleNamespace(encoding="bgr8", height=height, width=width, step=3 * width, data=image.reshape(-1).copy())


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keeps the collector out of what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
