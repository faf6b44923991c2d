"""The graph that stands for a half graph on a processor without halves: it has to round where a GPU does."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from headway.bench.frames import real_feeds  # noqa: E402
from headway.errors import ModelError  # noqa: E402
from headway.export.deliver import deliver  # noqa: E402
from headway.export.half import to_half  # noqa: E402
from headway.export.rounded import rounded  # noqa: E402
from headway.runtime.manifest import file_entries, read_manifest, verified_path, write_manifest  # noqa: E402
from headway.runtime.model import model_folder, open_model  # noqa: E402

FACTOR = 2.0**13


def answers(model, feeds):
    return ort.InferenceSession(model.SerializeToString()).run(None, feeds)


def scaled():
    """y = relu(40000 x) / 40000, two convolutions: the positive x in FP32, infinite in half from 1.64 up."""
    weights = [
        numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name)
        for name, value in (("up", 40000.0), ("down", 1 / 40000.0))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "up"], ["large"], "conv_up"),
        helper.make_node("Relu", ["large"], ["kept"], "relu"),
        helper.make_node("Conv", ["kept", "down"], ["y"], "conv_down"),
    ]
    shape = [1, 1, 1, 2]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_an_activation_beyond_a_half_is_infinite_as_it_is_on_a_gpu():
    half, _ = to_half(scaled())
    feeds = {"x": np.array([[[[1.0, 2.0]]]], np.float32)}
    found = answers(rounded(half), feeds)[0].ravel()
    assert found[0] == pytest.approx(1.0, rel=2e-3)
    assert np.isinf(found[1])
    assert np.isfinite(answers(half, feeds)[0]).all(), "ONNX Runtime's CPU does round now: export/rounded.py can go"


def test_every_tensor_that_is_kept_in_half_holds_halves():
    model = rounded(to_half(scaled())[0])
    for name in ("large", "kept"):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 1, 2]))
    x = np.array([[[[1.2345678, 0.1234567]]]], np.float32)
    for values in answers(model, {"x": x})[1:]:
        assert (values == values.astype(np.float16)).all()
        assert (values != 40000.0 * x).all()


@pytest.mark.parametrize("name", ["driving", "driving-roadworld"])
def test_the_error_on_a_real_frame_is_that_of_numpys_halves(name):
    """onnx's reference computes the half graph in numpy's own halves, sums included."""
    folder = model_folder(name)
    full = onnx.load(str(verified_path(folder, read_manifest(folder), "onnx")))
    half, _ = to_half(full)
    model = open_model(name, "driving")
    feeds = real_feeds(model, 3)[0]
    model.close()
    at = [o.name for o in full.graph.output].index("bin_logits")
    reference, emulated, unrounded = ReferenceEvaluator(half), [], []
    numpys = []
    for feed in feeds:
        exact = answers(full, feed)[at]
        numpys.append(reference.run(None, feed)[at] - exact)
        emulated.append(answers(rounded(half), feed)[at] - exact)
        unrounded.append(answers(half, feed)[at] - exact)
    spread = {k: float(np.std(v)) for k, v in (("numpy", numpys), ("ours", emulated), ("none", unrounded))}
    assert 0.5 < spread["ours"] / spread["numpy"] < 2, spread
    assert spread["none"] < spread["ours"], spread


def test_a_network_whose_activations_leave_the_halves_is_refused_though_it_is_right_in_fp32(tmp_path):
    folder = tmp_path / "driving"
    shutil.copytree(model_folder("driving"), folder)
    manifest = read_manifest(folder)
    model = onnx.load(str(folder / "driving.onnx"))
    _scale_a_layer(model.graph)
    onnx.save(model, str(folder / "driving.onnx"))
    names = {key: entry.path for key, entry in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    with pytest.raises(ModelError, match=r"onnx_fp16 is refused: it answers NaN or infinity in '.*\(65504\)"):
        deliver(str(folder), "onnx", "fp16", tmp_path / "out", allow_loss=True)
    assert not (tmp_path / "out").exists()


def _scale_a_layer(graph):
    """One layer's weights times FACTOR and the next one's by it: the network says the same, but in between."""
    weights = {t.name: t for t in graph.initializer}
    readers = {name: [n for n in graph.node if name in n.input] for n in graph.node for name in n.output}

    def behind(node, kind):
        """The only reader, where it is of that kind."""
        found = readers[node.output[0]] if node else []
        return found[0] if len(found) == 1 and found[0].op_type == kind else None

    pairs = [(n, behind(behind(n, "Relu"), "Conv")) for n in graph.node if n.op_type == "Conv"]
    first, last = next(pair for pair in pairs if pair[1] is not None)
    for name, factor in (*((n, FACTOR) for n in first.input[1:]), (last.input[1], 1 / FACTOR)):
        values = numpy_helper.to_array(weights[name]) * np.float32(factor)
        weights[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
