"""Engines that fail when told to, round the real ones."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from headway.node_config import HeadwayNodeConfig
from headway.pipeline import Pipeline
from headway.runtime.engine import Engine
from headway.runtime.model import Model
from headway.stages.monitor import ImageMonitor
from headway.tasks import DRIVING, HEAD_POSE, TRAJECTORY, Driving, HeadPose, Trajectory


class FaultyEngine:
    """An engine with a `mode`: "" (as it is), "raises", "nan" or "hangs" (until `released` is set).

    Remembers answers: many faults meet one frame.
    """

    def __init__(self, inner: Engine) -> None:
        self.name, self.mode = inner.name, ""
        self.released = threading.Event()
        self._inner = inner
        self._known: dict[bytes, dict[str, np.ndarray]] = {}

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer."""
        if self.mode == "raises":
            raise RuntimeError("failed on purpose")
        if self.mode == "hangs":
            self.released.wait()
        digest = blake2b(b"".join(feeds[name].tobytes() for name in sorted(feeds)), digest_size=16).digest()
        if digest not in self._known:
            self._known[digest] = {name: array.copy() for name, array in self._inner.infer(feeds).items()}
        out = {name: array.copy() for name, array in self._known[digest].items()}
        return {name: np.full_like(array, np.nan) for name, array in out.items()} if self.mode == "nan" else out

    def close(self) -> None:
        """Frees the real engine."""
        self._inner.close()


class Tasks:
    """The models of a configuration with faulty engines, from which fresh pipelines are made."""

    def __init__(self, opened: Pipeline, config: HeadwayNodeConfig) -> None:
        self._opened, self._config = opened, config
        self.engines: dict[str, FaultyEngine] = {}
        self._head = self._wrapped(HEAD_POSE, opened.head_pose.model) if opened.head_pose else None
        self._motion = self._wrapped(TRAJECTORY, opened.trajectory.model) if opened.trajectory else None
        self._drive = self._wrapped(DRIVING, opened.driving.model) if opened.driving else None

    def _wrapped(self, task: str, model: Model) -> Model:
        engine = self.engines[task] = FaultyEngine(model.engine)
        return replace(model, engine=engine)

    def pipeline(self) -> Pipeline:
        """A pipeline that remembers nothing of the one before."""
        c = self._config
        for engine in self.engines.values():
            engine.mode = ""
        return Pipeline(
            HeadPose(self._head, c.heads) if self._head else None,
            Trajectory(self._motion, c.tracks, c.forecast, c.risk) if self._motion else None,
            Driving(self._drive, c.drive, c.gate) if self._drive else None,
            ImageMonitor(c.monitor),
        )

    def close(self) -> None:
        """Frees the engines."""
        self._opened.close()
