"""A graph in operator set 17 instead of 18, for TensorRT 8.6 (JetPack 6.0), which reads no newer one.

Its parser does not refuse a newer graph: where an operator has moved an attribute into an input since (the axes of
ReduceMean), it takes the default and computes something else. onnx.version_converter has no way back for Split.
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from headway.errors import ModelError, UsageError

NEWER, OLDER = 18, 17
NEW_DEFAULTS = {"noop_with_empty_axes": 0, "keep_aspect_ratio_policy": b"stretch", "antialias": 0}
"""Attributes that came with set 18 (of Reduce* and Resize) and the values that change nothing."""


def lower(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """A copy of `model` in operator set `opset` that computes the same; the model itself where it is that already.

    Raises UsageError for another set than 17 or the model's own, ModelError where an operator has no older form.
    """
    own = next(o for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if own.version == opset:
        return model
    if (own.version, opset) != (NEWER, OLDER):
        raise UsageError(f"--opset {opset}: a graph of operator set {own.version} cannot be written in it")
    older = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    for node in older.graph.node:
        if node.op_type == "ReduceSum":
            continue  # it was the first: the same in both
        if node.op_type == "Split":
            _sizes_as_input(older.graph, node)
        elif node.op_type.startswith("Reduce"):
            _axes_as_attribute(older.graph, node)
        _drop_defaults(node)
    _drop_unused(older.graph)
    next(o for o in older.opset_import if o.domain == own.domain).version = opset
    try:
        onnx.checker.check_model(older, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"not to be written in operator set {opset}: {str(error).splitlines()[0]}") from error
    return older


def _drop_defaults(node: onnx.NodeProto) -> None:
    """What still stands there afterwards means something, and the checker refuses it."""
    kept = [a for a in node.attribute if NEW_DEFAULTS.get(a.name, ...) != helper.get_attribute_value(a)]
    del node.attribute[:]
    node.attribute.extend(kept)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    kept = [t for t in graph.initializer if t.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _axes_as_attribute(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if len(node.input) < 2:
        return
    axes = next((numpy_helper.to_array(t) for t in graph.initializer if t.name == node.input[1]), None)
    if axes is None:
        raise ModelError(f"{node.op_type} '{node.name}' computes its axes: operator set {OLDER} has no such thing")
    del node.input[1:]
    node.attribute.append(helper.make_attribute("axes", [int(a) for a in axes]))


def _sizes_as_input(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    parts = next((a for a in node.attribute if a.name == "num_outputs"), None)
    if parts is None:
        return
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    shape = next(v.type.tensor_type.shape for v in (*graph.value_info, *graph.input) if v.name == node.input[0])
    whole = shape.dim[axis].dim_value
    part = -(-whole // parts.i)  # the last one may be smaller
    sizes = [min(part, whole - i * part) for i in range(parts.i)]
    name = f"{node.output[0]}_sizes"
    graph.initializer.append(helper.make_tensor(name, onnx.TensorProto.INT64, [len(sizes)], sizes))
    node.input.append(name)
    node.attribute.remove(parts)
