"""INT8 as explicit Q/DQ nodes in the ONNX graph, by NVIDIA's modelopt, with scales from real input.

What half precision spares, INT8 spares too (see headway.export.half), and the last layer before the geometry with it:
a box, an angle or a metre in 256 steps is not worth having. The rest of the graph stays FP32, strongly typed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from headway.errors import MissingDependencyError, ModelError
from headway.export.trunk import ISLANDS, LEARNT, find_trunk, is_island, key, last_layers

METHOD = "max"
"""Scale of a tensor = its largest value over the calibration input. "entropy" clips rare large values, which in these
networks are the heads near the camera."""


@dataclass(frozen=True)
class Int8Report:
    """Names of the layers with learnt weights: those in INT8, and those that were kept; and what modelopt was."""

    int8: tuple[str, ...]
    full: tuple[str, ...]
    tool: str


def to_int8(graph: Path, out: Path, feeds: Sequence[Mapping[str, np.ndarray]], method: str = METHOD) -> Int8Report:
    """Writes the graph of file `graph` with Q/DQ nodes round its trunk's layers to `out`, calibrated on `feeds`.

    Raises MissingDependencyError without modelopt, ModelError where nothing of this network can be quantised.
    """
    quantize, tool = _modelopt()
    model = onnx.load(str(graph), load_external_data=False)
    taken = {n.name for n in model.graph.node if n.name}
    for i, node in enumerate(model.graph.node):
        if not node.name:  # modelopt is told by name what to leave alone
            node.name = next(f"node_{i}{s}" for s in ("", *"abcdefgh") if f"node_{i}{s}" not in taken)
    named = {key(n) for n in model.graph.node if is_island(n, ISLANDS)}
    trunk = find_trunk(model.graph, named)
    chosen = trunk - last_layers(model.graph, trunk)
    layers = {n.name for n in model.graph.node if n.op_type in LEARNT and key(n) in chosen}
    if not layers:
        raise ModelError("no layer of this network can run in INT8")
    spared = [f"{re.escape(n.name)}$" for n in model.graph.node if key(n) not in chosen]
    calibration = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
    with tempfile.TemporaryDirectory() as folder, _quiet() as said:
        # modelopt writes beside its input, and over it: it gets a copy.
        source, found = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, str(source))
        try:
            quantize(
                str(source),
                quantize_mode="int8",
                calibration_data=calibration,
                calibration_method=method,
                calibration_eps=["cpu"],
                nodes_to_exclude=spared,
                high_precision_dtype="fp32",  # strongly typed: headway.export.half decides what runs in half
                output_path=str(found),
                log_level="ERROR",
            )
        except Exception as error:  # modelopt, onnxruntime and onnxslim raise whatever they like
            raise ModelError(f"modelopt cannot quantise {graph.name}: {type(error).__name__}: {error}") from error
        if not found.is_file():
            raise ModelError(f"modelopt quantised nothing of {graph.name}: {said.getvalue().strip()[-200:]}")
        shutil.copyfile(found, out)
    return _read_back(onnx.load(str(out), load_external_data=False), layers, tool)


def _read_back(model: onnx.ModelProto, layers: set[str], tool: str) -> Int8Report:
    """Which layers really read both operands through a DequantizeLinear."""
    restored = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    learnt = [n for n in model.graph.node if n.op_type in LEARNT]
    int8 = tuple(n.name for n in learnt if {*n.input[:2]} <= restored)
    if not int8:
        raise ModelError("modelopt put no layer of this network in INT8")
    stray = sorted(set(int8) - layers)
    if stray:
        raise ModelError(f"modelopt quantised layers that were to be spared: {', '.join(stray[:3])}")
    return Int8Report(int8, tuple(n.name for n in learnt if n.name not in int8), tool)


def _modelopt() -> tuple[Any, str]:
    try:
        with _quiet():
            module: Any = importlib.import_module("modelopt.onnx.quantization")
            version = importlib.import_module("modelopt").__version__
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise MissingDependencyError(f"INT8 needs nvidia-modelopt ({reason}): pip install 'headway[export]'") from None
    return module.quantize, f"nvidia-modelopt {version}"


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keeps what modelopt prints off the terminal; it is shown where it fails."""
    said = io.StringIO()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield said
    finally:
        logging.disable(before)
