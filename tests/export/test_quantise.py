"""INT8: what is quantised, what is spared, on what it was calibrated, and that TensorRT takes it."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("modelopt", reason="nvidia-modelopt is not installed (headway[export])")
import onnxruntime as ort  # noqa: E402
from engine_text import product_types  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from headway.bench.frames import real_feeds  # noqa: E402
from headway.errors import MissingDependencyError, ModelError  # noqa: E402
from headway.export import quantise  # noqa: E402
from headway.export.operators import check_graph  # noqa: E402
from headway.export.quantise import to_int8  # noqa: E402
from headway.runtime.manifest import read_manifest, sha256, verified_path  # noqa: E402
from headway.runtime.model import installed_models, model_folder, open_model  # noqa: E402


def weight(name, *shape):
    values = np.random.default_rng(len(name)).normal(size=shape) * 0.3
    return numpy_helper.from_array(values.astype(np.float32), name)


def network():
    """Normalisation, three convolutions with ReLUs, a product and a softmax: only the inner layers may be INT8."""
    nodes = [
        helper.make_node("Mul", ["image", "scale"], ["normal"], "normalise"),
        helper.make_node("Conv", ["normal", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], "last"),
        helper.make_node("Flatten", ["c3"], ["flat"], "flatten"),
        helper.make_node("Softmax", ["flat"], ["p"], "softmax"),
        helper.make_node("MatMul", ["p", "whitening"], ["y"], "novelty"),
    ]
    weights = [weight("scale", 1), weight("w1", 16, 3, 3, 3), weight("w2", 16, 16, 3, 3), weight("w3", 2, 16, 6, 6)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [*weights, weight("whitening", 18, 5)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    onnx.save(network(), str(folder / "m.onnx"))
    before = sha256(folder / "m.onnx")
    rng = np.random.default_rng(0)
    feeds = [{"image": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(8)]
    report = to_int8(folder / "m.onnx", folder / "q.onnx", feeds)
    assert sha256(folder / "m.onnx") == before, "modelopt writes over its input: it must get a copy"
    return folder, report, feeds


def test_the_inner_layers_are_int8_and_the_last_one_and_the_island_are_spared(quantised):
    _, report, _ = quantised
    assert set(report.int8) == {"conv1", "conv2"}
    assert set(report.full) == {"last", "novelty"}
    assert report.tool.startswith("nvidia-modelopt ")


def test_the_graph_says_so_itself_in_explicit_q_and_dq_nodes(quantised):
    folder, report, _ = quantised
    model = check_graph(folder / "q.onnx")
    made = {n.output[0]: n.op_type for n in model.graph.node}
    for node in model.graph.node:
        if node.op_type in ("Conv", "MatMul"):
            restored = [made.get(name) == "DequantizeLinear" for name in node.input[:2]]
            assert all(restored) if node.name in report.int8 else not any(restored), node.name


def test_the_answer_in_int8_is_near_and_not_the_same(quantised):
    folder, _, feeds = quantised
    full, found = (ort.InferenceSession(str(folder / f)).run(None, feeds[0])[0] for f in ("m.onnx", "q.onnx"))
    assert 0 < np.abs(found - full).max() < 0.05


def test_the_scales_come_from_the_input_that_was_given(quantised, tmp_path):
    folder, _, feeds = quantised
    loud = [{"image": 10 * feed["image"]} for feed in feeds]
    to_int8(folder / "m.onnx", tmp_path / "loud.onnx", loud)

    def largest(path):
        return max(
            float(numpy_helper.to_array(t).max())
            for t in onnx.load(str(path)).graph.initializer
            if "scale" in t.name and t.name != "scale" and "w" not in t.name.split("_")[0]
        )

    assert largest(tmp_path / "loud.onnx") == pytest.approx(10 * largest(folder / "q.onnx"), rel=1e-3)


def test_a_graph_without_layers_is_refused(tmp_path):
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(tmp_path / "m.onnx")
    )
    with pytest.raises(ModelError, match="no layer of this network can run in INT8"):
        to_int8(tmp_path / "m.onnx", tmp_path / "q.onnx", [{"x": np.zeros((1, 3), np.float32)}])


def test_without_modelopt_the_extra_that_brings_it_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(quantise.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"nvidia-modelopt.*headway\[export\]"):
        to_int8(tmp_path / "m.onnx", tmp_path / "q.onnx", [])


@pytest.mark.parametrize("name", installed_models())
def test_every_installed_network_quantises_on_real_input_and_tensorrt_reads_back_int8(name, tmp_path, shared_data):
    from headway.runtime.tensorrt_build import build_engine, find_library

    folder = model_folder(name)
    manifest = read_manifest(folder)
    if manifest.task != "head-pose":  # that one has its pictures in the bundled recording
        shared_data({"driving": "donkeycar_tub", "trajectory": "eth_ucy"}[manifest.task])
    feeds, source = real_feeds(open_model(name, manifest.task), 4, apart=True)
    assert "drawn" not in source
    report = to_int8(verified_path(folder, manifest, "onnx"), tmp_path / "q.onnx", feeds)
    assert len(report.int8) > 3
    check_graph(tmp_path / "q.onnx")
    try:
        library = find_library(("tensorrt_rtx",))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    built = build_engine(library, (tmp_path / "q.onnx").read_bytes())
    assert built.counts["INT8"] >= len(report.int8)
    for layer in report.full:
        assert built.precisions.get(layer, "FLOAT") == "FLOAT", layer
    in_engine = product_types(built.engine)
    assert {n.name for n in onnx.load(str(tmp_path / "q.onnx")).graph.node if n.op_type == "Conv"} <= set(in_engine)
    for layer, kinds in in_engine.items():
        assert ("int8" in kinds) == (layer in report.int8), f"{layer} in the built engine: {kinds}"
