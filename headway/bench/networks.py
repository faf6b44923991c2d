"""`headway bench`: how long networks and the whole pipeline take here, engines interleaved in one run.

Rows of one network take turns call by call, so that what else the machine does hits all of them alike; a ratio between
two rows of one run is worth something where an absolute time is not. Wall time is what a frame waits; CPU time beside
it tells how much of that was work when other programs share the cores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from headway.bench.frames import Feeds, real_feeds
from headway.bench.parity import TIES, compare
from headway.bench.process import OwnProcesses
from headway.bench.turns import Call, Contestant, elsewhere, take_turns
from headway.errors import EngineError, MissingDependencyError, ModelError, UsageError
from headway.runtime.engine import ENGINES, Engine, graph_key
from headway.runtime.few import FEW, Few
from headway.runtime.manifest import read_manifest, verified_path
from headway.runtime.model import Model, model_folder, open_model

PRECISION = {
    "onnxruntime-cuda-fp16": "fp16",
    "openvino-bf16": "bf16",
    "openvino-int8": "int8",
    "tensorrt-fp16": "fp16",
    "tensorrt-int8": "int8",
}
"""Of engines that do not run in fp32."""
TORCH = "torch-eager"
TORCH_PROCESSES = 3
ON_GPU = (
    "onnxruntime-cuda",
    "onnxruntime-cuda-fp16",
    "onnxruntime-tensorrt",
    "tensorrt",
    "tensorrt-fp16",
    "tensorrt-int8",
)
"""Engines that torch eager on the same GPU is measured beside."""
NO_GRAPH = "-no-graph"
"""Ends the name of the row in which an engine launches every kernel by itself."""
REFERENCE = "directmhp-s-1280"
REFERENCE_EVERY = 10
"""The reference takes longer than everything else together: it has one turn in this many."""

CANNOT = (EngineError, MissingDependencyError, ModelError)
"""What an engine raises that cannot run a network here."""

Make = Callable[[], Call]


@dataclass
class Bench:
    """What one run of `headway bench` gathers."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    parity: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipeline: dict[str, Any] = field(default_factory=dict)

    def skip(self, what: str, engine: str, error: Exception) -> None:
        """Notes why `engine` does not run `what`, under its own name where that is so for everything here."""
        missing = isinstance(error, MissingDependencyError)
        self.skipped[engine if missing else f"{what}: {engine}"] = str(error)


def not_run(skipped: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each engine and reason: what an engine lacks for all networks is told once."""
    ran = {row["engine"] for row in rows}
    told: dict[tuple[str, str], list[str]] = {}
    for key, reason in skipped.items():
        what, _, engine = key.rpartition(": ")
        first = reason.partition("\n")[0]
        alike = re.sub(
            r"headway export \S+", "headway export MODEL", re.sub(r"model '[^']*' has", "the model has", first)
        )
        told.setdefault((engine, alike), []).append(what)
    return [
        f"{engine} for {', '.join(whats)}: {reason}" if engine in ran and any(whats) else f"{engine}: {reason}"
        for (engine, reason), whats in told.items()
    ]


def bench_network(
    bench: Bench,
    name: str,
    engines: Sequence[str] = ENGINES,
    rounds: int = 100,
    threads: int = 1,
    torch_rows: bool = True,
    reference: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Adds the rows and ratios of one installed network; engines that this machine lacks go to `skipped`.

    reference: the published S network at 1280 px in torch eager takes part (its weights are random: time only).
    """
    manifest = read_manifest(model_folder(name))
    task, label = manifest.task, manifest.name
    first = open_model(name, task, "onnxruntime", threads)
    feeds, bench.inputs[label] = real_feeds(first, 16)
    contestants, opened = [], [first.engine]
    for engine in engines:
        if engine == "auto":
            continue  # it is one of the others
        try:
            model = open_model(name, task, engine, threads) if engine != "onnxruntime" else first
        except CANNOT as error:
            bench.skip(label, engine, error)
            continue
        opened.append(model.engine)
        contestants.append(Contestant(label, engine, PRECISION.get(engine, "fp32"), model.infer, feeds))
        if engine in WITHOUT_GRAPH:
            try:
                opened.append(_without_graph(name, engine, contestants, feeds))
            except CANNOT as error:
                bench.skip(label, engine + NO_GRAPH, error)
    _parities(bench, first, contestants)
    apart = _torch_rows(bench, name, feeds, threads, contestants, reference) if torch_rows else []
    if FEW in manifest.files and "onnxruntime" in engines:
        slots = Few.of(manifest).slots
        few_feeds, bench.inputs[f"{label}-{slots}"] = real_feeds(first, 16, people=slots)
        contestants.append(Contestant(f"{label}-{slots}", "onnxruntime", "fp32", first.infer, few_feeds))
    take_turns(contestants, rounds, progress)
    bench.rows += [c.row() for c in contestants if not c.failed]
    bench.skipped |= {f"{c.name}: {c.engine}": c.failed for c in contestants if c.failed}
    bench.ratios |= network_ratios(label, bench.rows)
    for engine_opened in {id(e): e for e in opened}.values():
        engine_opened.close()
    for process in apart:
        process.close()


def _parities(bench: Bench, first: Model, contestants: Sequence[Contestant]) -> None:
    """Compares the engines with `first`, where their precision has a tolerance; no torch row is among them yet.

    One that gives no numbers, or others than the network has, takes no part in what follows.
    """
    for c in contestants:
        if c.engine != "onnxruntime" and c.precision in TIES:
            try:
                found = compare(first.infer, c.call, c.feeds, first.manifest, c.precision)
            except EngineError as error:
                c.failed = str(error)
                continue
            bench.parity.setdefault(c.name, {})[c.engine] = found


def _tensorrt(graph: Path, precision: str) -> Engine:
    from headway.runtime.tensorrt import TensorRTEngine

    return TensorRTEngine(graph, precision, graph=False)


def _onnxruntime_cuda(graph: Path, precision: str) -> Engine:
    from headway.runtime.onnx_cuda import OnnxCudaEngine

    return OnnxCudaEngine(graph, precision, graph=False)


WITHOUT_GRAPH: dict[str, Callable[[Path, str], Engine]] = {
    "onnxruntime-cuda": _onnxruntime_cuda,
    "onnxruntime-cuda-fp16": _onnxruntime_cuda,
    "tensorrt": _tensorrt,
    "tensorrt-fp16": _tensorrt,
}
"""Engines that run a frame as one CUDA graph -> how they are opened without."""


def _without_graph(name: str, engine: str, contestants: list[Contestant], feeds: Sequence[Feeds]) -> Engine:
    folder = model_folder(name)
    manifest, precision = read_manifest(folder), PRECISION.get(engine, "fp32")
    opened = WITHOUT_GRAPH[engine](verified_path(folder, manifest, graph_key(engine)), precision)
    contestants.append(Contestant(manifest.name, engine + NO_GRAPH, precision, opened.infer, feeds))
    return opened


def _torch_rows(
    bench: Bench, name: str, feeds: Sequence[Feeds], threads: int, contestants: list[Contestant], reference: bool
) -> list[OwnProcesses]:
    """torch eager where the engines run: on the CPU, but not beside engines of the GPU alone, and on the GPU. Adds to
    `contestants`, with the work of a call for all of them; returns the processes that were started."""
    try:
        from headway.bench.torch_eager import eager, eager_devices, reference_feed, reference_network, with_work
    except ImportError as error:
        bench.skipped[TORCH] = f"'{error.name}' is not installed: pip install 'headway[train]'"
        return []
    apart: list[OwnProcesses] = []

    def add(row: str, make: Make, fed: Sequence[Feeds], every: int = 1, note: str = "") -> None:
        apart.append(OwnProcesses(partial(with_work, make), fed, TORCH_PROCESSES if every == 1 else 1))
        contestants.append(Contestant(row, TORCH, "fp32", apart[-1], fed, every, note, apart[-1].gflop, elsewhere))

    label = read_manifest(model_folder(name)).name
    only_gpu = contestants and all(c.engine.removesuffix(NO_GRAPH) in ON_GPU for c in contestants)
    try:
        if not only_gpu:  # a GPU that waits for the CPU's turn clocks down
            add(label, partial(eager, name, threads), feeds)
            for c in contestants:
                c.gflop = apart[-1].gflop
        for device in eager_devices():
            row = Contestant(label, f"{TORCH}-{device}", "fp32", eager(name, threads, device), feeds)
            contestants.append(row)
    except (*CANNOT, UsageError) as error:
        bench.skip(label, TORCH, error)
    if reference:
        note = "random weights: for its time alone"
        add(REFERENCE, partial(reference_network, threads), [reference_feed()], REFERENCE_EVERY, note)
    return apart


def network_ratios(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many times faster than torch eager each engine is, by wall and by CPU time, and against the reference."""
    mine = {r["engine"]: r for r in rows if r["name"] == name}
    found: dict[str, float] = {}
    if TORCH in mine:
        for engine, row in mine.items():
            if engine != TORCH:
                found[f"{name}: {engine} vs {TORCH}"] = mine[TORCH]["p50_ms"] / row["p50_ms"]
                found[f"{name}: {engine} vs {TORCH}, cpu time"] = mine[TORCH]["cpu_p50_ms"] / row["cpu_p50_ms"]
    on_gpu = f"{TORCH}-cuda"
    for engine, row in mine.items():
        if on_gpu in mine and engine.removesuffix(NO_GRAPH) in ON_GPU:
            found[f"{name}: {engine} vs {on_gpu}"] = mine[on_gpu]["p50_ms"] / row["p50_ms"]
        if engine + NO_GRAPH in mine:
            found[f"{name}: {engine}, CUDA graph vs none"] = mine[engine + NO_GRAPH]["p50_ms"] / row["p50_ms"]
    reference = next((r for r in rows if r["name"] == REFERENCE), None)
    if reference and "onnxruntime" in mine and name.startswith("head-pose"):  # the same task, no other
        found[f"{name}: onnxruntime vs {REFERENCE}"] = reference["p50_ms"] / mine["onnxruntime"]["p50_ms"]
        found[f"{name}: onnxruntime vs {REFERENCE}, cpu time"] = (
            reference["cpu_p50_ms"] / mine["onnxruntime"]["cpu_p50_ms"]
        )
    return found
