"""Every network leaves the workbench the same way: allow-list, fixed shapes, parity with torch on real pictures, and
TensorRT builds it. The references have random weights here: their graphs are what is tested."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("onnx")
import torch  # noqa: E402

from headway.bench.frames import pictures  # noqa: E402
from headway.errors import MissingDependencyError, ModelError  # noqa: E402
from headway.export.deliver import deliver  # noqa: E402
from headway.export.package import export_onnx  # noqa: E402
from headway.paths import weights_dir  # noqa: E402
from headway.runtime.manifest import TensorSpec, read_manifest  # noqa: E402
from headway.runtime.tensorrt_build import build_engine, find_library  # noqa: E402
from headway.stages.letterbox import ImageInput  # noqa: E402


def directmhp():
    from headway.models.directmhp.config import TOP_K, VALUES, VARIANTS
    from headway.models.directmhp.importer import COLUMNS
    from headway.models.directmhp.network import DirectMHP, Exported

    spec = TensorSpec((1, 3, 192, 256), "float32", "NCHW", "RGB", scale=1 / 255)
    network = DirectMHP(VARIANTS["s"])
    for layer in network.model[33].m:  # untrained, every candidate has the same score: there would be no ranking
        torch.nn.init.normal_(layer.weight, std=1.0)
    return Exported(network), spec, {"candidates": TensorSpec((1, TOP_K, VALUES), columns=COLUMNS)}


def caril():
    from headway.models.driving.reference import SIZE, CarilNetwork

    spec = TensorSpec((1, 3, SIZE, SIZE), "float32", "NCHW", "RGB", scale=1 / 255)
    return CarilNetwork(), spec, {"steering": TensorSpec((1, 1)), "bin_logits": TensorSpec((1, 11))}


@pytest.mark.parametrize("reference", [directmhp, caril])
def test_a_published_network_exports_with_parity_on_a_real_picture_and_tensorrt_builds_it(reference, tmp_path):
    torch.manual_seed(0)
    network, spec, outputs = reference()
    feeds = {"image": np.array(ImageInput(spec)(pictures(1)[0][0]))}
    assert feeds["image"].std() > 0.1, "a picture, not a blank"
    worst = export_onnx(network.eval(), feeds, outputs, tmp_path / "m.onnx")
    assert set(worst) == set(outputs)
    assert max(worst.values()) < 1e-2
    try:
        library = find_library(("tensorrt_rtx",))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert set(build_engine(library, (tmp_path / "m.onnx").read_bytes()).counts) == {"FLOAT"}


def test_the_worst_difference_to_torch_is_measured_on_real_frames_and_recorded(tmp_path, shared_data):
    shared_data("donkeycar_tub")
    delivery = deliver("driving", "onnx", "fp32", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert set(delivery.torch_parity) == set(manifest.outputs)
    assert max(delivery.torch_parity.values()) < 1e-3
    assert manifest.evaluation["parity_torch_onnxruntime"] == delivery.torch_parity
    assert manifest.evaluation["parity_torch_onnxruntime_on"] == "donkeycar_tub"


def test_an_operator_without_a_place_on_the_list_stops_the_export(tmp_path):
    class Positions(torch.nn.Module):
        def forward(self, x):
            return torch.nonzero(x > 0)  # a shape that depends on the data

    with pytest.raises(ModelError, match=r"NonZero|fixed shape"):
        export_onnx(Positions(), {"x": np.ones((1, 3), np.float32)}, ["y"], tmp_path / "m.onnx")


def test_every_shipped_manifest_says_how_far_its_graph_is_from_torch():
    for path in sorted(weights_dir().glob("*/manifest.json")):
        worst = json.loads(path.read_text())["evaluation"]["parity_torch_onnxruntime"]
        assert worst, path
        assert max(worst.values()) < 0.1, path
