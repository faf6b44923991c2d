"""FP16 made in the ONNX graph itself: what runs in half precision is written down, not left to a builder's flag.

Half is for the trunk: convolutions and products with learnt weights, and what lies between them. Everything before
the first of them (normalisation of the image) and after the last (box decode, rotation orthogonalisation, softmax,
calibration) stays FP32: at 640 px a half has steps of 0.5 px, and a normalised 6D vector loses its last degree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from headway.errors import ModelError
from headway.export.trunk import ISLANDS, find_trunk, is_island, key

MOVES = frozenset(["Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Concat", "Gather", "GatherElements"])
"""Operators that only move numbers: behind the trunk they stay in half, so that what is cast is what is picked out."""
FLOAT_ONLY_INPUTS = {"Resize": (1, 2)}
"""Inputs of a half node that stay FP32: ROI and scales of Resize."""


@dataclass(frozen=True)
class HalfReport:
    """Which nodes run in half, which nodes that compute in floats stay FP32, and which of these were named."""

    half: tuple[str, ...]
    full: tuple[str, ...]
    islands: tuple[str, ...]


def to_half(model: onnx.ModelProto, islands: Sequence[str] = ISLANDS) -> tuple[onnx.ModelProto, HalfReport]:
    """A copy of `model` with its trunk in FP16, and the report; inputs and outputs keep their types.

    Raises ModelError where a weight does not fit into a half or where nothing is left to convert.
    """
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    graph = model.graph
    kinds = _types(graph)
    named = {key(n) for n in graph.node if is_island(n, islands)}
    chosen = find_trunk(graph, named)
    if not chosen:
        raise ModelError("no layer of this network can run in half precision")
    chosen |= _carried(graph, kinds, chosen, named)
    report = HalfReport(
        half=tuple(n.name or n.output[0] for n in graph.node if key(n) in chosen),
        full=tuple(n.name or n.output[0] for n in graph.node if key(n) not in chosen and _computes(n, kinds)),
        islands=tuple(n.name or n.output[0] for n in graph.node if key(n) in named),
    )
    _Converter(graph, kinds, chosen).run()
    del graph.value_info[:]  # the noted types of the trunk are no longer true
    onnx.checker.check_model(model, full_check=True)
    return model, report


def _carried(graph: onnx.GraphProto, kinds: dict[str, int], chosen: set[str], named: set[str]) -> set[str]:
    """Keys of the nodes that carry halves on from the trunk, and nothing but halves."""
    halves = {name for n in graph.node if key(n) in chosen for name in n.output}
    carried = set()
    for node in graph.node:
        floats = {name for name in node.input if kinds.get(name) == TensorProto.FLOAT}
        if node.op_type in MOVES and key(node) not in chosen | named and floats and floats <= halves:
            carried.add(key(node))
            halves.update(node.output)
    return carried


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output, *graph.value_info)}
    kinds.update({t.name: t.data_type for t in graph.initializer})
    return kinds


def _computes(node: onnx.NodeProto, kinds: dict[str, int]) -> bool:
    return node.op_type not in ("Constant", "Cast") and kinds.get(node.output[0]) == TensorProto.FLOAT


class _Converter:
    """Rewrites the graph: half weights for half nodes, one cast where a tensor crosses the border."""

    def __init__(self, graph: onnx.GraphProto, kinds: dict[str, int], chosen: set[str]) -> None:
        self.graph, self.chosen = graph, chosen
        self.weights = {t.name: t for t in graph.initializer}
        self.float = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT}
        self.outputs = {o.name for o in graph.output}
        self.is_half: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []
        self.casts: dict[tuple[str, int], str] = {}

    def run(self) -> None:
        for node in self.graph.node:
            inside = key(node) in self.chosen
            for i, name in enumerate(node.input):
                if name in self.float:
                    half = inside and i not in FLOAT_ONLY_INPUTS.get(node.op_type, ())
                    node.input[i] = self._as(name, half)
            self.nodes.append(node)
            if inside:
                self._half_outputs(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        kept = [t for t in self.weights.values() if t.name in used or t.name in self.outputs]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _half_outputs(self, node: onnx.NodeProto) -> None:
        for i, name in enumerate(node.output):
            if name in self.outputs:  # the graph's outputs stay FP32
                node.output[i] = f"{name}_half"
                self.nodes.append(_cast(f"{name}_half", name, TensorProto.FLOAT))
            elif name in self.float:
                self.is_half.add(name)

    def _as(self, name: str, half: bool) -> str:
        """The name under which the float tensor `name` is to be had in half, or in full."""
        if half == (name in self.is_half):
            return name
        key = (name, TensorProto.FLOAT16 if half else TensorProto.FLOAT)
        if key not in self.casts:
            new = f"{name}_{'half' if half else 'full'}"
            if name in self.weights:
                self.weights[new] = _half_weight(self.weights[name], new)
            else:
                self.nodes.append(_cast(name, new, key[1]))
            self.casts[key] = new
        return self.casts[key]


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=kind)


def _half_weight(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    limit = float(np.finfo(np.float16).max)
    if np.abs(values).max(initial=0.0) > limit:
        raise ModelError(f"weight '{tensor.name}' reaches {np.abs(values).max():.3g}, a half ends at {limit:.0f}")
    return numpy_helper.from_array(values.astype(np.float16), name)
