"""What a half-precision graph computes where it really runs in halves, for a processor that does not.

ONNX Runtime's CPU kernels know no halves: it takes the casts of a half graph out again and computes in FP32 with
rounded weights, so that an activation beyond 65504, or one that loses its last digits, goes unseen. Here every half
tensor is rounded aloud: the layer computes in FP32 and its result goes through `Cast(half), Cast(float)`, pairs that
ONNX Runtime leaves in, since they stand in the file itself. A GPU may also add up in halves, which is not seen here.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from headway.export.graph import PASS_THROUGH
from headway.export.half import MOVES

EXACT = MOVES | PASS_THROUGH | {"Relu", "MaxPool", "Split"}
"""Operators that give halves for halves without rounding."""


def rounded(half: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the half graph that computes in FP32 and rounds whatever `half` keeps in half; same inputs, outputs."""
    model = onnx.shape_inference.infer_shapes(half, strict_mode=True)
    graph = model.graph
    halves = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            full = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(full, tensor.name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for i, name in enumerate(node.output):
            if name not in halves or node.op_type in EXACT:
                continue
            if node.op_type == "Cast":  # it rounds already
                node.output[i] = f"{name}_rounded"
            else:
                node.output[i] = f"{name}_unrounded"
                nodes.append(_cast(f"{name}_unrounded", f"{name}_rounded", TensorProto.FLOAT16))
            nodes.append(_cast(f"{name}_rounded", name, TensorProto.FLOAT))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{source} as {target}", to=kind)
