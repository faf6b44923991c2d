"""Small changes to an ONNX graph that every engine needs and no network should have to know of."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

PASS_THROUGH = {"Slice", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity"}
"""Operators that move numbers without computing: a cast may change places with them."""


def cast_first(model: onnx.ModelProto) -> int:
    """Moves the cast of each uint8 input to the very front; returns how many inputs were changed.

    TensorRT reads uint8 inputs but nothing else of that type: the first operator must be a cast. The numbers do not
    change, 0..255 is exact in every float type.
    """
    graph = model.graph
    changed = 0
    for value in graph.input:
        if value.type.tensor_type.elem_type != TensorProto.UINT8:
            continue
        casts, region = _region(graph, value.name)
        targets = {_target(c) for c in casts}
        if len(targets) != 1 or (not region and len(casts) == 1):
            continue  # already first, or more than one type is wanted: the engine will say what it cannot do
        _hoist(graph, value.name, casts, region, targets.pop())
        changed += 1
    return changed


def _region(graph: onnx.GraphProto, source: str) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The casts that end the uint8 part of the graph behind `source`, and the nodes before them."""
    tensors, casts, region = {source}, [], []
    for node in graph.node:  # nodes are in topological order
        if not tensors.intersection(node.input):
            continue
        if node.op_type == "Cast":
            casts.append(node)
        elif node.op_type in PASS_THROUGH and node.input[0] in tensors:
            region.append(node)
            tensors.update(node.output)
        else:
            return [], []  # something computes in uint8: nothing is moved
    return casts, region


def _target(cast: onnx.NodeProto) -> int:
    return next(a.i for a in cast.attribute if a.name == "to")


def _hoist(graph: onnx.GraphProto, source: str, casts: list, region: list, target: int) -> None:
    first = f"{source}_float"
    inner = {name for node in region for name in node.output}
    # Types noted for the tensors in between are no longer true; engines infer them anew.
    kept = [v for v in graph.value_info if v.name not in inner]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    for node in [*region, *casts]:
        for i, name in enumerate(node.input):
            if name == source:
                node.input[i] = first
    for cast in casts:
        cast.op_type = "Identity"
        del cast.attribute[:]
    graph.node.insert(0, helper.make_node("Cast", [source], [first], name=f"{source}_cast", to=target))
    _drop_identities(graph)


def _drop_identities(graph: onnx.GraphProto) -> None:
    """Removes Identity nodes inside the graph (those that write an output stay)."""
    outputs = {o.name for o in graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    if renamed:
        del graph.node[:]
        graph.node.extend(kept)


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the exporter's stack traces: they name folders of the machine that exported, and nobody reads
    them. In place; the graph computes the same."""
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
        item.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model
