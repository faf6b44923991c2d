"""What a graph may be made of: operators that every engine runs natively, fixed shapes, one file.

An operator outside the list would mean a plug-in (a shared library to trust and to build for each device), a shape
that depends on the data (no CUDA graph, no fixed addresses) or a fall-back to the CPU in the middle of the network.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from headway.errors import ModelError
from headway.runtime.onnx_file import external_tensors

NETWORK = "Conv ConvTranspose Gemm MatMul BatchNormalization MaxPool AveragePool GlobalAveragePool Resize Pad"
ACTIVATIONS = "Relu LeakyRelu PRelu Sigmoid HardSigmoid HardSwish Tanh Softplus Elu Gelu Erf Softmax LogSoftmax"
ARITHMETIC = (
    "Add Sub Mul Div Pow Sqrt Reciprocal Exp Log Neg Abs Floor Ceil Round Sin Cos Min Max Clip Where Cast "
    "Equal Greater GreaterOrEqual Less LessOrEqual And Or Not LayerNormalization InstanceNormalization"
)
REDUCTIONS = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceL2 ReduceSumSquare ArgMax ArgMin TopK"
SHAPES = (
    "Reshape Transpose Concat Split Slice Gather GatherElements GatherND Unsqueeze Squeeze Expand Tile Flatten "
    "Identity Constant ConstantOfShape Shape Range"
)
QUANTISED = "QuantizeLinear DequantizeLinear"
ALLOWED = frozenset(" ".join((NETWORK, ACTIVATIONS, ARITHMETIC, REDUCTIONS, SHAPES, QUANTISED)).split())
"""Run natively by ONNX Runtime, OpenVINO and TensorRT's parser with shapes known at build time. Left out on purpose:
NonMaxSuppression (a plug-in in TensorRT; the host does it over at most K boxes), NonZero, Unique, Loop, If and Scan
(shapes or paths that depend on the data), and everything of a domain that is not ONNX's own (SVD, custom kernels)."""

ONNX_DOMAINS = ("", "ai.onnx")


def check_graph(path: Path) -> onnx.ModelProto:
    """The graph of `path` after all checks: ONNX's own, operators, fixed shapes, everything in this one file."""
    try:
        model = onnx.load(str(path), load_external_data=False)
        outside = [f"tensor '{name}' lies outside the file" for name in external_tensors(path.read_bytes())]
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist") from None
    except (DecodeError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} is not an ONNX file: {error}") from error
    problems = outside or (forbidden_operators(model) + open_shapes(model))
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ModelError(f"{path.name} cannot be exported: {'; '.join(problems[:3])}{more}")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{path.name} is not valid ONNX: {str(error).splitlines()[0]}") from error
    return model


def forbidden_operators(model: onnx.ModelProto) -> list[str]:
    """One line for each kind of operator that is not allowed, with the first node that uses it."""
    first: dict[str, str] = {}
    for node in model.graph.node:
        if node.domain not in ONNX_DOMAINS:
            first.setdefault(f"{node.domain}::{node.op_type}", node.name or node.output[0])
        elif node.op_type not in ALLOWED:
            first.setdefault(node.op_type, node.name or node.output[0])
    return [f"operator {kind} (node '{name}') is not on the allow-list" for kind, name in sorted(first.items())]


def open_shapes(model: onnx.ModelProto) -> list[str]:
    """One line for each input or output without a fixed shape."""
    found = []
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if not dims or any(not d.HasField("dim_value") or d.dim_value < 1 for d in dims):
            shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in dims]
            found.append(f"tensor '{value.name}' has no fixed shape: {shape}")
    return found
