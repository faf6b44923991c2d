import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from headway.errors import ModelError  # noqa: E402
from headway.export.half import to_half  # noqa: E402
from headway.export.trunk import ISLANDS, is_island  # noqa: E402
from headway.runtime.manifest import read_manifest, verified_path  # noqa: E402
from headway.runtime.model import installed_models, model_folder  # noqa: E402


def weight(name, *shape, scale=0.3):
    values = np.random.default_rng(len(name)).normal(size=shape) * scale
    return numpy_helper.from_array(values.astype(np.float32), name)


def network(first=0.3):
    """Image normalisation, two convolutions with a ReLU between, a learnt product, softmax."""
    nodes = [
        helper.make_node("Mul", ["image", "scale"], ["normal"], "normalise"),
        helper.make_node("Conv", ["normal", "w1"], ["c1"], "conv1"),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2"),
        helper.make_node("Flatten", ["c2"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "w3"], ["m"], "linear"),
        helper.make_node("Add", ["m", "bias"], ["logits"], "linear_bias"),
        helper.make_node("Softmax", ["logits"], ["p"], "softmax"),
        helper.make_node("MatMul", ["p", "whitening"], ["y"], "novelty"),
    ]
    weights = [
        weight("scale", 1),
        weight("w1", 4, 3, 3, 3, scale=first),
        weight("w2", 2, 4, 3, 3),
        weight("w3", 8, 5),
        weight("bias", 5),
        weight("whitening", 5, 5),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def kinds(model):
    model = onnx.shape_inference.infer_shapes(model)
    types = {v.name: v.type.tensor_type.elem_type for v in (*model.graph.value_info, *model.graph.output)}
    return {n.name: types[n.output[0]] for n in model.graph.node}


def test_layers_run_in_half_and_what_surrounds_them_stays_full():
    half, report = to_half(network())
    types = kinds(half)
    for name in ("conv1", "relu", "conv2", "flatten", "linear", "linear_bias"):
        assert types[name] == TensorProto.FLOAT16, name
    for name in ("normalise", "softmax", "novelty"):
        assert types[name] == TensorProto.FLOAT, name
    assert set(report.half) == {"conv1", "relu", "conv2", "flatten", "linear", "linear_bias"}
    assert report.islands == ("novelty",)


def test_the_answer_in_half_is_near_and_not_the_same():
    image = np.random.default_rng(1).normal(size=(1, 3, 6, 6)).astype(np.float32)
    half, _ = to_half(network())
    full = ort.InferenceSession(network().SerializeToString()).run(None, {"image": image})[0]
    found = ort.InferenceSession(half.SerializeToString()).run(None, {"image": image})[0]
    assert 0 < np.abs(found - full).max() < 5e-3


def test_inputs_and_outputs_keep_their_types():
    half, _ = to_half(network())
    assert [v.type.tensor_type.elem_type for v in (*half.graph.input, *half.graph.output)] == [TensorProto.FLOAT] * 2


def test_a_weight_that_no_half_can_hold_is_refused_by_name():
    with pytest.raises(ModelError, match=r"weight 'w1' reaches .*a half ends at 65504"):
        to_half(network(first=1e6))


def test_a_graph_without_layers_is_refused():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    with pytest.raises(ModelError, match="no layer"):
        to_half(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


@pytest.mark.parametrize("name", installed_models())
def test_installed_networks_convert_with_softmax_and_decode_in_full(name):
    folder = model_folder(name)
    model = onnx.load(str(verified_path(folder, read_manifest(folder), "onnx")))
    half, report = to_half(model)
    assert len(report.half) > 5
    full_only = {"Softmax", "LogSoftmax", "Exp", "Log", "Sqrt", "Div", "Reciprocal", "Pow", "ReduceSum", "TopK"}
    types = kinds(half)
    for node in half.graph.node:
        if node.op_type in full_only:
            assert types[node.name] != TensorProto.FLOAT16, node.name


def test_every_word_for_an_island_names_something_in_a_shipped_network():
    """A node that is renamed would lose its place in silence."""
    named = set()
    for name in installed_models():
        model = onnx.load(str(verified_path(model_folder(name), read_manifest(model_folder(name)), "onnx")))
        named |= {word for word in ISLANDS for node in model.graph.node if is_island(node, [word])}
    assert named == set(ISLANDS)


def test_what_is_picked_out_behind_the_last_layer_is_cast_and_not_the_whole_map():
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["map"], "conv"),
        helper.make_node("Reshape", ["map", "flat"], ["cells"], "flatten"),
        helper.make_node("Gather", ["cells", "best"], ["row"], "pick", axis=1),
        helper.make_node("Exp", ["row"], ["y"], "decode"),
    ]
    weights = [
        weight("w1", 4, 3, 3, 3),
        numpy_helper.from_array(np.array([4, 16]), "flat"),
        numpy_helper.from_array(np.array([3]), "best"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 1])],
        weights,
    )
    half, report = to_half(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    assert [n.input[0] for n in half.graph.node if n.op_type == "Cast"] == ["image", "row"]
    assert report.half == ("conv", "flatten", "pick")
