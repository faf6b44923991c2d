import numpy as np
import pytest

from headway.errors import EngineError
from headway.runtime.manifest import read_manifest
from headway.runtime.model import installed_models, model_folder, open_model

pytest.importorskip("openvino", reason="OpenVINO is not installed (headway[openvino])")
from headway.runtime.openvino import OpenVinoEngine


@pytest.mark.parametrize("name", installed_models())
def test_the_answers_are_those_of_onnx_runtime(name):
    manifest = read_manifest(model_folder(name))
    rng = np.random.default_rng(0)
    feeds = {
        k: (rng.integers(0, 255, s.shape) if s.dtype == "uint8" else rng.random(s.shape)).astype(s.dtype)
        for k, s in manifest.inputs.items()
    }
    expected = open_model(name, manifest.task).infer(feeds)
    found = open_model(name, manifest.task, "openvino").infer(feeds)
    for key, spec in manifest.outputs.items():
        if "score" in spec.columns:  # a ranking: rows that tie may change places
            score = spec.column("score")
            assert np.allclose(np.sort(found[key][..., score]), np.sort(expected[key][..., score]), atol=1e-4)
        else:
            assert np.allclose(found[key], expected[key], rtol=1e-3, atol=1e-3), key


def test_a_file_that_is_no_network_ends_in_one_line(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineError, match=r"OpenVINO .* refuses .*m\.onnx") as caught:
        OpenVinoEngine(tmp_path / "m.onnx")
    assert len(str(caught.value).splitlines()) == 1
