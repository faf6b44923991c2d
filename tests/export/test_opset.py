"""Operator set 17: what it may say, and that every network of ours computes the same in it."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from headway.bench.frames import real_feeds  # noqa: E402
from headway.bench.parity import compare, outside  # noqa: E402
from headway.errors import ModelError, UsageError  # noqa: E402
from headway.export.deliver import deliver  # noqa: E402
from headway.export.opset import lower  # noqa: E402
from headway.runtime.manifest import read_manifest, verified_path  # noqa: E402
from headway.runtime.model import installed_models, model_folder, open_model  # noqa: E402
from headway.runtime.onnx_file import opset  # noqa: E402


def model(nodes, shape=(1, 7), initializers=(), version=18, outputs=("y",)):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    ys = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "g", [x], ys, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def run(graph, feeds):
    return ort.InferenceSession(graph.SerializeToString()).run(None, dict(feeds))


@pytest.mark.parametrize("name", installed_models())
def test_every_installed_network_computes_the_same_in_the_older_set(name):
    manifest = read_manifest(model_folder(name))
    graph = onnx.load(str(verified_path(model_folder(name), manifest, "onnx")))
    older = lower(graph, 17)
    assert (opset(graph.SerializeToString()), opset(older.SerializeToString())) == (18, 17)
    whole = open_model(name, manifest.task)
    session = ort.InferenceSession(older.SerializeToString())
    names = [o.name for o in session.get_outputs()]
    # Not to the last bit: ONNX Runtime fuses by operator set (1.23 does, 1.32 does not).
    found = compare(
        whole.infer,
        lambda f: dict(zip(names, session.run(None, dict(f)), strict=True)),
        real_feeds(whole, 2)[0],
        manifest,
        "fp32",
    )
    assert outside({name: {"older": found}}) == []


def test_the_axes_of_a_mean_move_into_an_attribute_and_nothing_is_left_behind():
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    older = lower(model([helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)], (2, 3), [axes]), 17)
    assert list(older.graph.node[0].input) == ["x"]
    assert not older.graph.initializer
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(run(older, {"x": x})[0], x.mean(1))


def test_a_split_into_parts_that_do_not_fit_evenly_keeps_its_sizes():
    node = helper.make_node("Split", ["x"], ["y", "z"], axis=-1, num_outputs=2)
    graph = model([node], outputs=("y", "z"))
    feeds = {"x": np.arange(7, dtype=np.float32)[None]}
    found = run(lower(graph, 17), feeds)
    assert [f.shape for f in found] == [(1, 4), (1, 3)]
    for before, after in zip(run(graph, feeds), found, strict=True):
        np.testing.assert_array_equal(after, before)


def test_axes_that_are_computed_are_refused_by_the_name_of_the_node():
    nodes = [
        helper.make_node("Cast", ["x"], ["axes"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["x", "axes"], ["y"], name="tallest"),
    ]
    with pytest.raises(ModelError, match="'tallest' computes its axes"):
        lower(model(nodes, (1,)), 17)


def test_an_operator_without_an_older_form_is_refused():
    with pytest.raises(ModelError, match="operator set 17"):
        lower(model([helper.make_node("Mish", ["x"], ["y"])]), 17)


@pytest.mark.parametrize(("version", "wanted"), [(18, 16), (19, 17), (17, 18)])
def test_only_the_step_from_18_to_17_is_known(version, wanted):
    with pytest.raises(UsageError, match=f"--opset {wanted}"):
        lower(model([helper.make_node("Relu", ["x"], ["y"])], version=version), wanted)


def test_int8_graphs_have_an_operator_set_of_their_own(tmp_path):
    with pytest.raises(UsageError, match="19"):
        deliver("driving", "onnx", "int8", tmp_path / "out", opset=17)
