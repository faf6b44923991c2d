"""An engine that takes minutes to build is heard of every second, although the node is busy building it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_bench import Bench, wait
from tiny_node import TinyNode

from headway.errors import EngineError
from headway.nodes.engine_lines import LOGGER
from headway.runtime import cache
from headway.runtime.cache import EngineCache, EngineKey

pytestmark = pytest.mark.ros
KEY = EngineKey("a" * 64, "fp32", "tensorrt 10.3", "Orin sm87", "12060")


class BuildingNode(TinyNode):
    """Its engine goes through the real cache; the build ends when the test says so."""

    folder: Path
    lines: list[str]

    def load(self) -> None:
        EngineCache(self.folder).get(KEY, "head-pose.onnx", self.build, len)
        super().load()

    def build(self, phase: Any) -> bytes:
        phase("measuring kernels")
        limit = time.monotonic() + 20
        while len(self.lines) < 3 and time.monotonic() < limit:
            time.sleep(0.01)
        return b"engine"


def building(bench: Bench, folder: Path, kind: type[BuildingNode] = BuildingNode) -> tuple[Any, list[str]]:
    node = bench.add(kind(context=bench.context))
    heard = bench.record(DiagnosticArray, "/diagnostics")
    bench.matched("/diagnostics")
    lines = Lines(heard)
    node.folder, node.lines = folder, lines
    return node, lines


class Lines(list):
    """What the diagnostic "tiny: engine" said so far."""

    def __init__(self, heard: list[Any]) -> None:
        self._heard = heard

    def _now(self) -> list[str]:
        return [s.message for m in self._heard for s in m.status if s.name == "tiny: engine"]

    def __len__(self) -> int:
        return len(self._now())

    def __getitem__(self, index: Any) -> Any:
        return self._now()[index]


def test_a_build_is_told_in_the_diagnostics_each_second_while_the_node_is_busy_with_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "TICK_S", 0.1)
    node, lines = building(bench, tmp_path)
    node.trigger_configure()
    wait(lambda: len(lines) >= 3, "the build was not heard of")
    assert all(line.startswith("head-pose.onnx: building the engine, ") for line in lines[:3])
    assert "measuring kernels" in lines[2]
    assert node.status() == "inactive", "and then the node is configured"


def test_after_configuring_nobody_listens_any_more(bench: Bench, tmp_path: Path) -> None:
    before = list(logging.getLogger(LOGGER).handlers)

    class Failing(BuildingNode):
        def load(self) -> None:
            raise EngineError("GPU out of memory")

    node, _ = building(bench, tmp_path, Failing)
    node.trigger_configure()
    assert logging.getLogger(LOGGER).handlers == before
