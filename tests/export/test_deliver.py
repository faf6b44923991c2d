import json
import shutil

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
from onnx import numpy_helper  # noqa: E402

from headway.errors import MissingDependencyError, ModelError, UsageError  # noqa: E402
from headway.export.deliver import deliver  # noqa: E402
from headway.export.gate import AccuracyLossError, Row, run_gate, verdict  # noqa: E402
from headway.paths import weights_dir  # noqa: E402
from headway.runtime.manifest import file_entries, read_manifest, sign_manifest, verified_path, write_manifest  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """driving in half precision, gate and all, exported once for the tests below."""
    from headway.paths import data_dir

    if data_dir() is None or not (data_dir() / "donkeycar_tub").is_dir():
        pytest.skip("no data: donkeycar_tub is needed for the accuracy gate (set HEADWAY_DATA)")
    out = tmp_path_factory.mktemp("export") / "driving"
    return deliver("driving", "onnx", "fp16", out)


def test_the_folder_that_is_written_is_a_model_folder_with_every_hash_right(exported):
    manifest = read_manifest(exported.folder)
    assert {"onnx", "onnx_fp16", "weights"} <= set(manifest.files)
    for key in manifest.files:
        verified_path(exported.folder, manifest, key)
    assert (
        open_model(str(exported.folder), "driving").manifest.config == read_manifest(weights_dir() / "driving").config
    )


def test_the_gate_is_measured_on_real_frames_and_recorded(exported):
    gate = read_manifest(exported.folder).evaluation["gate_fp16"]
    assert gate["data"] == "donkeycar_tub"
    assert gate["passed"] is True
    assert gate["allowed_loss"] is False
    row = gate["rows"][0]
    assert row["metric"] == "steering error"
    assert row["reference"] == pytest.approx(row["candidate"], rel=0.01)
    assert row["reference"] != row["candidate"], "the two precisions really are two"


def test_the_difference_on_real_frames_is_recorded_for_every_output(exported):
    manifest = read_manifest(exported.folder)
    worst = manifest.evaluation["parity_fp16"]["worst"]
    assert set(worst) == set(manifest.outputs)
    assert 0 < worst["controls"] < 0.02


def test_a_network_that_steers_worse_is_refused_with_the_numbers(tmp_path, shared_data):
    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    manifest = read_manifest(folder)
    model = onnx.load(str(folder / "driving.onnx"))
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4:
            noise = rng.normal(size=values.shape) * values.std()
            tensor.CopyFrom(numpy_helper.from_array((values + noise).astype(np.float32), tensor.name))
    onnx.save(model, str(folder / "driving.onnx"))
    names = {k: f.path for k, f in manifest.files.items()}
    write_manifest(folder, manifest.__class__(**{**vars(manifest), "files": file_entries(folder, names)}))
    rows, data = run_gate("driving", weights_dir() / "driving", folder, shared_data("donkeycar_tub"))
    with pytest.raises(AccuracyLossError, match=r"noisy is refused: steering error \+.* % \(limit 1\).*--allow-loss"):
        verdict("noisy", rows, data, allow_loss=False)
    assert verdict("noisy", rows, data, allow_loss=True)["allowed_loss"] is True


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (Row("mAP", 70.0, 69.6, 0.4, 0.5, "points"), True),
        (Row("mAP", 70.0, 69.4, 0.6, 0.5, "points"), False),
        (Row("geodesic mean", 20.0, 19.0, -1.0, 0.2, "deg"), True),
        (Row("ADE", 0.0, 0.1, float("nan"), 1.0, "%"), False),
    ],
)
def test_the_limits_are_those_of_the_handbook_and_nan_never_passes(row, passed):
    assert row.passed is passed


def test_without_data_nothing_is_exported_unless_the_loss_is_allowed_aloud(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"donkeycar_tub.*--allow-loss"):
        deliver("driving", "onnx", "fp16", tmp_path / "out")
    assert list(tmp_path.iterdir()) == [], "nothing half-finished is left"
    delivery = deliver("driving", "onnx", "fp16", tmp_path / "out", allow_loss=True)
    gate = read_manifest(tmp_path / "out").evaluation["gate_fp16"]
    assert gate["measured"] is False
    assert gate["allowed_loss"] is True
    assert delivery.notes


def test_a_model_with_a_wrong_hash_is_not_exported(tmp_path):
    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"]["onnx"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="is not the file"):
        deliver(str(folder), "onnx", "fp32", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_under_a_trusted_key_what_its_maker_signed_is_exported_and_nothing_else(tmp_path, monkeypatch, shared_data):
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    shared_data("donkeycar_tub")
    key, s = Ed25519PrivateKey.generate(), serialization
    private, public = tmp_path / "maker.pem", tmp_path / "maker.pub"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    shutil.copytree(weights_dir() / "driving", tmp_path / "driving")
    monkeypatch.setenv("HEADWAY_TRUSTED_KEY", str(public))
    with pytest.raises(ModelError, match="must have signed this model"):
        deliver(str(tmp_path / "driving"), "onnx", "fp16", tmp_path / "out")
    sign_manifest(tmp_path / "driving", private)
    delivery = deliver(str(tmp_path / "driving"), "onnx", "fp16", tmp_path / "out")
    assert any("--sign" in note for note in delivery.notes)
    with pytest.raises(ModelError, match="must have signed this model"):
        open_model(str(tmp_path / "out"), "driving")
    sign_manifest(tmp_path / "out", private)
    open_model(str(tmp_path / "out"), "driving").close()


def test_an_engine_that_is_named_has_to_pass_the_gate_too(tmp_path, shared_data):
    pytest.importorskip("openvino")
    shared_data("donkeycar_tub")
    delivery = deliver("driving", "onnx", "fp32", tmp_path / "out", engines=["openvino"])
    gate = read_manifest(tmp_path / "out").evaluation["gate_openvino"]
    assert gate["passed"] is True
    assert [r.metric for r in delivery.gates["openvino"]] == ["steering error"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        deliver("driving", "onnx", "fp32", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_an_engine_built_ahead_of_time_lies_in_the_folder_with_its_hash(tmp_path):
    from headway.runtime.cache import unpack
    from headway.runtime.tensorrt import engine_key
    from headway.runtime.tensorrt_build import find_library

    try:
        library = find_library(("tensorrt_rtx",))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    delivery = deliver("trajectory", "tensorrt", "fp32", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    path = verified_path(tmp_path / "out", manifest, "tensorrt_fp32")
    graph = verified_path(tmp_path / "out", manifest, "onnx").read_bytes()
    assert len(unpack(path.read_bytes(), engine_key(graph, "fp32", library))) > 100_000
    assert set(delivery.layers) == {"FLOAT"}


def test_where_tensorrt_is_absent_that_is_said_before_anything_is_measured(tmp_path, monkeypatch):
    def absent(names):
        raise MissingDependencyError(f"{names[0]} is not to be had")

    monkeypatch.setattr("headway.export.deliver.find_library", absent)
    said = []
    with pytest.raises(MissingDependencyError, match="tensorrt_rtx is not to be had"):
        deliver("driving", "tensorrt", "fp32", tmp_path / "out", say=said.append)
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_does_not_exist_is_no_loss_to_be_allowed(tmp_path):
    with pytest.raises(UsageError, match=r"engine 'abacus' is none of onnxruntime"):
        deliver("driving", "onnx", "fp32", tmp_path / "out", engines=["abacus"], allow_loss=True)
    assert list(tmp_path.iterdir()) == []
