import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from headway.errors import EngineError, ModelError  # noqa: E402
from headway.export.graph import cast_first  # noqa: E402
from headway.export.operators import check_graph  # noqa: E402
from headway.export.parity import Worst, worst_by_column, worst_difference  # noqa: E402
from headway.runtime.manifest import TensorSpec, read_manifest, verified_path  # noqa: E402
from headway.runtime.model import installed_models, model_folder  # noqa: E402


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, initializers=(), domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(d, 1) for d in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))
    return path


@pytest.mark.parametrize("name", installed_models())
def test_every_installed_network_passes_the_allow_list(name):
    folder = model_folder(name)
    check_graph(verified_path(folder, read_manifest(folder), "onnx"))


def test_a_file_that_is_no_graph_is_called_by_its_name_not_by_a_folder_that_is_gone_by_then(tmp_path):
    (tmp_path / "driving.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"^driving\.onnx is not an ONNX file: "):
        check_graph(tmp_path / "driving.onnx")


def test_a_non_maximum_suppression_in_the_graph_is_refused_by_name(tmp_path):
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["kept"], name="suppress")
    path = save(
        tmp_path / "nms.onnx",
        [node],
        [tensor("boxes", [1, 5, 4]), tensor("scores", [1, 1, 5])],
        [tensor("kept", [5, 3], TensorProto.INT64)],
    )
    with pytest.raises(ModelError, match=r"nms\.onnx.*NonMaxSuppression \(node 'suppress'\)"):
        check_graph(path)


def test_an_operator_of_a_foreign_domain_is_refused(tmp_path):
    node = helper.make_node("Svd", ["x"], ["y"], name="orthogonalise", domain="com.example")
    path = save(tmp_path / "m.onnx", [node], [tensor("x", [3, 3])], [tensor("y", [3, 3])], domains=["com.example"])
    with pytest.raises(ModelError, match=r"com\.example::Svd"):
        check_graph(path)


@pytest.mark.parametrize("shape", [["N", 3], [0, 3], [None, 3]])
def test_an_open_shape_is_refused(tmp_path, shape):
    node = helper.make_node("Relu", ["x"], ["y"])
    path = save(tmp_path / "m.onnx", [node], [tensor("x", shape)], [tensor("y", [1, 3])])
    with pytest.raises(ModelError, match="'x' has no fixed shape"):
        check_graph(path)


@pytest.mark.parametrize("place", ["weight", "constant"])
def test_weights_outside_the_file_are_refused_even_where_that_file_lies_ready(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").write_bytes(bytes(36))
    weight = numpy_helper.from_array(np.ones((3, 3), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if place == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
    weights = [weight] if place == "weight" else []
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [1, 3])], [tensor("y", [1, 3])], weights)
    with pytest.raises(ModelError, match=r"^m\.onnx cannot be exported: tensor 'w' lies outside the file$"):
        check_graph(path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x0a\x12\xff\xff\xff"])
def test_a_file_that_is_no_onnx_ends_in_a_model_error(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        check_graph(tmp_path / "m.onnx")


def test_the_cast_of_an_image_moves_to_the_front_and_the_numbers_stay(tmp_path):
    nodes = [
        helper.make_node("Slice", ["image", "from", "to"], ["lower"]),
        helper.make_node("Transpose", ["lower"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sqrt", ["float"], ["y"]),
    ]
    limits = [
        numpy_helper.from_array(np.array([0, 2], np.int64), "from"),
        numpy_helper.from_array(np.array([1, 4], np.int64), "to"),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [tensor("image", [1, 4, 5, 3], TensorProto.UINT8)],
        [tensor("y", [1, 3, 2, 5])],
        limits,
    )
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 3)).astype(np.uint8)
    before = ort.InferenceSession(str(path)).run(None, {"image": image})[0]
    model = onnx.load(str(path))
    assert cast_first(model) == 1
    assert [n.op_type for n in model.graph.node] == ["Cast", "Slice", "Transpose", "Sqrt"]
    assert np.array_equal(ort.InferenceSession(model.SerializeToString()).run(None, {"image": image})[0], before)
    assert cast_first(model) == 0, "a second time there is nothing to do"


RANKED = {"candidates": TensorSpec((1, 3, 2), columns={"score": (0, 1), "angle": (1, 2)})}


def test_rows_that_tie_in_score_may_change_places():
    a = np.array([[[0.9, 10.0], [0.5, 20.0], [0.5, 30.0], [0.1, 0.0]]])
    found = worst_difference({"candidates": a}, {"candidates": a[:, [0, 2, 1, 3]]}, RANKED)
    assert found["candidates"] == 0.0


def test_a_row_that_changed_is_seen_although_rows_may_change_places():
    a = np.array([[[0.9, 10.0], [0.5, 20.0], [0.5, 30.0], [0.1, 0.0]]])
    b = a.copy()
    b[0, 1, 1] = 21.5
    assert worst_difference({"candidates": a}, {"candidates": b}, RANKED)["candidates"] == pytest.approx(1.5)


def test_the_worst_difference_of_a_column_names_the_score_of_its_row():
    a = np.array([[[0.9, 10.0], [0.5, 20.0], [0.3, 30.0], [0.1, 0.0]]])
    b = a + np.array([[[0.02, 0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]])
    worst = worst_by_column({"candidates": a}, {"candidates": b}, RANKED, tie=0.05)
    assert worst["candidates.score"].value == pytest.approx(0.02)
    assert worst["candidates.score"].score == 0.9
    assert worst["candidates.angle"] == Worst(3.0, 0.3)


@pytest.mark.parametrize("spec", [RANKED["candidates"], TensorSpec((1, 3, 2), columns={"x": (0, 1), "y": (1, 2)})])
def test_what_is_no_number_is_infinitely_far(spec):
    a = np.array([[[0.9, 10.0], [0.5, 20.0], [0.1, 0.0]]])
    b = a.copy()
    b[0, 1, 1] = np.nan
    assert worst_difference({"c": a}, {"c": b}, {"c": spec})["c"] == np.inf


def test_an_output_of_another_shape_is_an_error():
    with pytest.raises(EngineError, match="'candidates'"):
        worst_difference({"candidates": np.zeros((1, 3, 2))}, {"candidates": np.zeros((1, 2, 2))}, RANKED)
