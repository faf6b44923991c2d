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
from headway.bench import PRECISION, Bench, quantiles
from headway.bench_frames import PERIOD_NS, START_NS, Image, pictures
from headway.bench_machine import gpu_used_mib, rss_mib
from headway.errors import EngineError, MissingDependencyError, ModelError
from headway.images import decode_image
from headway.node_config import HeadwayNodeConfig, open_pipeline
from headway.pipeline import Answer, Pipeline, timed
from headway.runtime.engine import Engine
from headway.types import Camera, Frame, Trace

FEW, MANY = 1, 32
"""Heads in view of the two crowds that are compared."""
TRIED = 8
"""Crops that are tried for the crowd."""
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

    def frame(self, data: np.ndarray, keep: bool = True) -> Answer:
        """One compressed image (JPEG bytes) through everything."""
        for clock in self.clocks:
            clock.ms = clock.cpu_ms = 0.0
        trace = Trace(frame_index=self.index)
        start, cpu = time.perf_counter(), time.process_time()
        with timed(trace, "decode"):
            image = decode_image(SimpleNamespace(format="jpeg", data=data))
        height, width = image.shape[:2]
        focal = FIELD_OF_VIEW * width
        camera = Camera(width, height, focal, focal, width / 2, height / 2)
        frame = Frame(stamp_ns=START_NS + self.index * PERIOD_NS, image=image, camera=camera)
        answer = self.pipeline.step(frame, trace)
        with timed(trace, "message"):
            for msgtype, fields in _messages(answer, frame, width, height):
                self.store.serialize_cdr(build(self.store, msgtype, fields), msgtype)
        total, total_cpu = 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)
        self.index += 1
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
    motion, trace = answer.motion, answer.trace
    tracks = motion.tracks if motion else None
    yield messages.HEADS, messages.head_array(answer.heads, frame, width, height, trace, True, "", tracks)
    forecast, risks = (motion.forecast, motion.risks) if motion else (None, None)
    yield messages.FORECASTS, messages.forecast_array(forecast, frame, trace, True, "")
    yield messages.RISK, messages.risk_array(risks, frame, trace, True, "")
    if answer.command:
        yield messages.COMMAND, messages.drive_command(answer.command, frame, trace, True, "")


def bench_pipeline(
    bench: Bench,
    engines: Sequence[str] = ("onnxruntime",),
    rounds: int = 150,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Adds a row "pipeline" for each engine, stages under `bench.pipeline`, and what 32 heads cost against one."""
    images, bench.inputs["pipeline"] = pictures(min(rounds, 150))
    material = [_jpeg(image) for image in images]
    cv2.setNumThreads(threads)  # its own pool would take cores that the engines were not given
    hosts: dict[str, Host] = {}
    for engine in engines:
        try:
            hosts[engine] = Host(engine, threads)
        except (EngineError, MissingDependencyError, ModelError) as error:
            bench.skipped[engine] = str(error)
    for host in hosts.values():
        for i in range(5):
            host.frame(material[i % len(material)], keep=False)
    before = rss_mib()
    with _no_garbage_collection():
        for i in range(rounds):
            for host in hosts.values():
                host.frame(material[i % len(material)])
            progress(i + 1, rounds)
    for engine, host in hosts.items():
        found = host.report()
        bench.pipeline[engine] = found
        bench.rows.append(
            {"name": "pipeline", "engine": engine, "precision": PRECISION.get(engine, "fp32")}
            | {k: found[k] for k in ("p50_ms", "p95_ms", "p99_ms", "cpu_p50_ms", "calls")}
        )
        bench.ratios[f"pipeline: share outside the networks, {engine}"] = found["outside_network_share"]
        bench.ratios[f"pipeline: share outside the networks, {engine}, cpu time"] = found["outside_network_share_cpu"]
    bench.pipeline["memory"] = {
        "rss_mib": rss_mib(),
        "rss_growth_mib": rss_mib() - before,
        "gpu_used_mib": gpu_used_mib(),
    }
    for host in hosts.values():
        host.pipeline.close()


def bench_crowd(bench: Bench, engine: str = "onnxruntime", rounds: int = 60, threads: int = 1) -> None:
    """One head in view against as many of the 32 pasted ones as are found, frame by frame in turns."""
    cv2.setNumThreads(threads)
    hosts = {count: Host(engine, threads) for count in (FEW, MANY)}
    crop = _a_head(hosts[FEW])
    if crop is None:
        bench.skipped["crowd"] = "no head was found in the pictures: there is nothing to paste"
        return
    pages = {count: _jpeg(paste(crop, count)) for count in hosts}
    for count, host in hosts.items():
        for _ in range(10):  # long enough for every track to be established
            host.frame(pages[count], keep=False)
    with _no_garbage_collection():
        for _ in range(rounds):
            for count, host in hosts.items():
                host.frame(pages[count])
    few, many = hosts[FEW].report(), hosts[MANY].report()
    bench.pipeline["crowd"] = {"pasted": [FEW, MANY], "few": few, "many": many}
    label = f"pipeline: {many['heads_mean']:.0f} heads found against {few['heads_mean']:.0f}"
    bench.ratios[label] = many["p50_ms"] / few["p50_ms"]
    bench.ratios[f"{label}, cpu time"] = many["cpu_p50_ms"] / few["cpu_p50_ms"]
    for host in hosts.values():
        host.pipeline.close()


def _a_head(host: Host) -> Image | None:
    """Of the surest heads of the first pictures, with their surroundings, the one most often found when pasted."""
    crops: list[tuple[float, Image]] = []
    for image in pictures(120)[0][::6]:
        heads = host.frame(_jpeg(image), keep=False).heads
        if heads is not None and len(heads):
            x0, y0, x1, y1 = heads.boxes[0]
            margin = 0.6 * max(x1 - x0, y1 - y0)
            rows = slice(max(int(y0 - margin), 0), int(y1 + margin))
            crops.append((float(heads.scores[0]), image[rows, max(int(x0 - margin), 0) : int(x1 + margin)].copy()))
    found = []
    for score, crop in sorted(crops, key=lambda c: -c[0])[:TRIED]:
        counts = [len(host.frame(_jpeg(paste(crop, n)), keep=False).heads or ()) for n in (FEW, MANY)]
        found.append((min(counts[0], 1), counts[1], score, crop))
    host.pipeline.reset()
    return max(found, key=lambda f: f[:3])[3] if found else None


def paste(crop: Image, count: int, rows: int = 4, columns: int = 8) -> Image:
    """The crop `count` times on a grey 1280x720 page, on the places of a grid of `rows` x `columns`."""
    page = np.full((720, 1280, 3), 114, np.uint8)
    height, width = 720 // rows, 1280 // columns
    scale = min(height / crop.shape[0], width / crop.shape[1])
    small = cv2.resize(crop, (int(crop.shape[1] * scale), int(crop.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    # From the middle outwards: one head stands where a person would.
    places = sorted(np.ndindex(rows, columns), key=lambda p: abs(p[0] - rows / 2 + 0.5) + abs(p[1] - columns / 2 + 0.5))
    for row, column in places[:count]:
        y, x = row * height, column * width
        page[y : y + small.shape[0], x : x + small.shape[1]] = small
    return page


def _jpeg(image: Image) -> np.ndarray:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].reshape(-1)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
