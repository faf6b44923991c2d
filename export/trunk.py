"""Which nodes of a graph are its trunk: the layers that may run in another precision, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

LEARNT = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
"""Layers where one operand is a weight: a product of two activations is geometry, not a layer."""
_MAPS = "Concat Resize MaxPool AveragePool GlobalAveragePool Reshape Transpose Slice Flatten Unsqueeze Squeeze Split"
_VALUES = "Relu LeakyRelu PRelu Sigmoid HardSigmoid HardSwish Tanh Gelu Erf Add Mul BatchNormalization Identity"
BETWEEN = frozenset(f"{_MAPS} {_VALUES}".split())
"""Part of the trunk where they stand between two layers."""
ISLANDS = ("whitening", "signature", "places")
"""Nodes and weights with one of these words in their name keep FP32: the whitening of the driving network's novelty
(entries in the hundreds) and the decode grid. The forecast needs none: with its time functions in full the worst point
of 40 crowded moments is off by 0.0099 m, without by 0.0106."""


def key(node: onnx.NodeProto) -> str:
    """A node's first output: unique in a graph, where names may be empty."""
    return node.output[0]


def is_island(node: onnx.NodeProto, words: Sequence[str]) -> bool:
    """Whether the node, or a tensor that it reads, has one of the words in its name."""
    return any(word in name for word in words for name in (node.name, *node.input))


def find_trunk(graph: onnx.GraphProto, named: set[str]) -> set[str]:
    """Keys of the trunk's nodes: the learnt layers without the `named` ones, and what lies between two of them."""
    weights = {t.name for t in graph.initializer}
    learnt = {
        key(n) for n in graph.node if n.op_type in LEARNT and key(n) not in named and weights.intersection(n.input[1:2])
    }
    made = {name for n in graph.node if key(n) in learnt for name in n.output}
    # The bias of a product is part of the layer.
    learnt |= {
        key(n) for n in graph.node if n.op_type == "Add" and made & set(n.input) and weights & set(n.input)
    } - named
    allowed = learnt | {key(n) for n in graph.node if n.op_type in BETWEEN and key(n) not in named}
    # Behind a layer, reached through allowed nodes only; then, backwards, in front of one.
    behind: set[str] = set()
    warm: set[str] = set()
    for node in graph.node:
        if key(node) in learnt or (key(node) in allowed and warm.intersection(node.input)):
            behind.add(key(node))
            warm.update(node.output)
    front: set[str] = set()
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if key(node) in learnt or (key(node) in allowed and wanted.intersection(node.output)):
            front.add(key(node))
            wanted.update(node.input)
    return behind & front


def last_layers(graph: onnx.GraphProto, trunk: set[str]) -> set[str]:
    """Keys of the learnt layers from which the trunk is left without passing another one: boxes, angles, logits."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {o.name for o in graph.output}
    leaves: dict[str, bool] = {}

    def leaves_trunk(node: onnx.NodeProto) -> bool:
        if key(node) not in leaves:
            leaves[key(node)] = any(
                name in outputs
                or any(
                    key(r) not in trunk or (r.op_type not in LEARNT and leaves_trunk(r)) for r in readers.get(name, ())
                )
                for name in node.output
            )
        return leaves[key(node)]

    return {key(n) for n in graph.node if n.op_type in LEARNT and key(n) in trunk and leaves_trunk(n)}
