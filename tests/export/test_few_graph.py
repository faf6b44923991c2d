"""The graph for few people answers most frames on a CPU: `headway export` holds it against the whole one."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
from onnx import numpy_helper  # noqa: E402

from headway.errors import ModelError  # noqa: E402
from headway.export import deliver as delivering  # noqa: E402
from headway.export.deliver import deliver  # noqa: E402
from headway.paths import weights_dir  # noqa: E402
from headway.runtime.few import FEW  # noqa: E402
from headway.runtime.manifest import file_entries, read_manifest, write_manifest  # noqa: E402


@pytest.fixture
def forged(tmp_path):
    """Returns a function: changes the graph for few people of `trajectory`, all hashes right; gives the folder."""

    def forge(change):
        folder = tmp_path / "trajectory"
        shutil.copytree(weights_dir() / "trajectory", folder)
        manifest = read_manifest(folder)
        path = folder / manifest.files[FEW].path
        model = onnx.load(str(path))
        change(model)
        path.write_bytes(model.SerializeToString())
        names = {key: entry.path for key, entry in manifest.files.items()}
        write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
        return folder

    return forge


def scaled(by):
    def change(model):
        tensor = next(t for t in model.graph.initializer if t.name == "paths.weight")
        tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * by).astype(np.float32), tensor.name))

    return change


def unknown_operator(model):
    model.graph.node[-1].op_type = "NonZero"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            scaled(1.01),
            r"trajectory-16\.onnx is refused: 'modes' is .* from what trajectory\.onnx says on .*limit 0\.001",
        ),
        (scaled(np.nan), r"trajectory-16\.onnx is refused: '\w+' is inf from what"),
        (unknown_operator, r"trajectory-16\.onnx cannot be exported: operator NonZero"),
    ],
)
def test_a_graph_for_few_people_that_is_not_the_whole_one_is_refused_in_one_line(forged, tmp_path, change, line):
    with pytest.raises(ModelError, match=line) as caught:
        deliver(str(forged(change)), "onnx", "fp32", tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_how_far_it_is_from_the_whole_one_is_recorded_and_the_gate_runs_it_where_the_device_does(tmp_path, monkeypatch):
    judged = []

    def gate(task, reference, candidate, data, engine):
        judged.append({key for key in read_manifest(candidate).files if key.startswith("onnx")})
        assert FEW not in read_manifest(reference).files
        return [], "nothing"

    monkeypatch.setattr(delivering, "run_gate", gate)
    delivery = deliver("trajectory", "onnx", "fp16", tmp_path / "out", engines=["onnxruntime"])
    evaluation = read_manifest(tmp_path / "out").evaluation
    assert evaluation["parity_few"] == delivery.few_parity
    assert set(delivery.few_parity) == set(read_manifest(tmp_path / "out").outputs)
    assert max(delivery.few_parity.values()) < 1e-4
    assert judged == [{"onnx", "onnx_fp16"}, {"onnx", FEW}]
