"""The accuracy gate on every task: a network that lost accuracy is refused with a table, and allowed only aloud."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
import cv2  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from headway.bench.frames import WHOLE, frames, pictures  # noqa: E402
from headway.cli.main import build  # noqa: E402
from headway.errors import UsageError  # noqa: E402
from headway.export import gate  # noqa: E402
from headway.export.gate import AccuracyLossError, run_gate, verdict  # noqa: E402
from headway.paths import sample_dir, weights_dir  # noqa: E402
from headway.runtime.manifest import file_entries, read_manifest, write_manifest  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402
from headway.stages.heads import HeadStage  # noqa: E402


def spoilt(name, folder, noise, kept=1.0):
    """A copy of an installed model of whose weights that share is kept, with noise of that share of their spread."""
    shutil.copytree(weights_dir() / name, folder)
    manifest = read_manifest(folder)
    path = folder / manifest.files["onnx"].path
    model, rng = onnx.load(str(path)), np.random.default_rng(0)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim >= 2:
            values = kept * values + noise * values.std() * rng.normal(size=values.shape)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    onnx.save(model, str(path))
    names = {k: f.path for k, f in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Frames of the bundled recording in the form of `headway render people`, labelled by the reference network itself:
    the reference is perfect on them, so that whatever a candidate loses is its own."""
    pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed (headway[eval])")
    if not (sample_dir() / "street-vehicle.mcap").is_file():
        pytest.skip("the bundled recording is not there")
    folder = tmp_path_factory.mktemp("labelled")
    stage = HeadStage(open_model("head-pose", "head-pose"))
    images, annotations = [], []
    for image in pictures(WHOLE)[0][::6]:
        name = f"{len(images):06d}.png"
        cv2.imwrite(str(folder / name), image)
        height, width = image.shape[:2]
        images.append({"id": len(images) + 1, "file_name": name, "height": height, "width": width})
        heads = stage(frames([image])[0])
        for box, rotation in zip(heads.boxes.astype(float), heads.rotation, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "rotation": rotation.ravel().tolist(),
                    "visibility": 1.0,
                }
            )
    assert len(annotations) > 10
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


def test_head_pose_is_held_to_map_and_degrees(labelled, tmp_path):
    rows, _ = run_gate("head-pose", weights_dir() / "head-pose", spoilt("head-pose", tmp_path / "m", 0.1), labelled)
    found = {r.metric: r for r in rows}
    assert set(found) == {"mAP", "recall", "geodesic mean"}
    assert found["mAP"].reference > 95
    assert found["geodesic mean"].reference < 0.01
    assert found["geodesic mean"].loss > gate.GEODESIC_DEG
    with pytest.raises(AccuracyLossError, match=r"noisy is refused: .*geodesic mean \+[\d.]+ deg \(limit 0.2\)"):
        verdict("noisy", rows, "labelled", allow_loss=False)


def test_a_network_that_finds_nothing_any_more_is_refused_by_the_table_and_not_blamed_on_the_data(
    shared_data, tmp_path
):
    shared_data("real_heads")
    blind = spoilt("head-pose-nano", tmp_path / "m", 0.0, kept=0.0)
    rows, _ = run_gate("head-pose", weights_dir() / "head-pose-nano", blind)
    assert {r.metric: r.candidate for r in rows}["recall"] == 0.0
    assert not any(r.passed for r in rows)
    with pytest.raises(AccuracyLossError, match=r"blind is refused: recall \+[\d.]+ points"):
        verdict("blind", rows, "real_heads", allow_loss=False)


def test_data_in_which_the_reference_finds_nothing_is_no_measure(shared_data, tmp_path):
    shared_data("real_heads")
    blind = spoilt("head-pose-nano", tmp_path / "m", 0.0, kept=0.0)
    with pytest.raises(UsageError, match="the reference finds nothing in"):
        run_gate("head-pose", blind, weights_dir() / "head-pose-nano")


def test_the_forecast_is_held_to_ade(shared_data, tmp_path):
    shared_data("eth_ucy")
    rows, used = run_gate("trajectory", weights_dir() / "trajectory", spoilt("trajectory", tmp_path / "m", 0.1))
    assert {r.metric for r in rows} == {"ADE", "minADE20"}
    with pytest.raises(AccuracyLossError, match=r"noisy is refused: ADE \+[\d.]+ % \(limit 1\).*on eth_ucy") as caught:
        verdict("noisy", rows, used, allow_loss=False)
    assert caught.value.rows == rows, "the table goes with the refusal"


@pytest.mark.parametrize("name", ["head-pose", "trajectory"])
def test_a_copy_of_the_reference_loses_nothing(name, request, shared_data, tmp_path):
    data = request.getfixturevalue("labelled") if name == "head-pose" else None
    shared_data("eth_ucy")
    rows, _ = run_gate(name, weights_dir() / name, weights_dir() / name, data)
    assert [r.loss for r in rows] == [0.0] * len(rows)
    assert verdict("same", rows, "data", allow_loss=False)["passed"] is True


def test_data_that_forecasts_are_not_measured_on_are_refused_and_not_recorded(tmp_path):
    with pytest.raises(UsageError, match=r"--data: .* hotel and zara1 of eth_ucy"):
        run_gate("trajectory", weights_dir() / "trajectory", weights_dir() / "trajectory", tmp_path)


def test_the_command_prints_the_table_of_a_refusal_and_writes_nothing(shared_data, tmp_path, monkeypatch):
    shared_data("donkeycar_tub")
    monkeypatch.setattr(gate, "RELATIVE", -1.0)  # nobody gains all of it
    arguments = ["export", "driving", "--to", "onnx", "--precision", "fp16", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build(), arguments)
    assert isinstance(result.exception, AccuracyLossError)
    assert "accuracy gate on donkeycar_tub" in result.output
    assert "REFUSED" in result.output
    assert list(tmp_path.iterdir()) == []


def test_allow_loss_writes_the_model_and_the_manifest_says_that_it_was_allowed(shared_data, tmp_path, monkeypatch):
    shared_data("donkeycar_tub")
    monkeypatch.setattr(gate, "RELATIVE", -1.0)
    arguments = ["export", "driving", "--to", "onnx", "--precision", "fp16", "--allow-loss"]
    result = CliRunner().invoke(build(), [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "ALLOWED" in result.output
    recorded = read_manifest(tmp_path / "out").evaluation["gate_fp16"]
    assert (recorded["passed"], recorded["allowed_loss"]) == (False, True)
    assert recorded["rows"][0]["metric"] == "steering error"


def test_labels_without_head_boxes_say_aloud_that_map_was_not_measured(shared_data, tmp_path):
    shared_data("real_heads")
    from headway.export.deliver import deliver

    delivery = deliver("head-pose", "onnx", "fp16", tmp_path / "out")
    assert [r.metric for r in delivery.gates["fp16"]] == ["recall", "geodesic mean"]
    assert read_manifest(tmp_path / "out").evaluation["gate_fp16"]["not_measured"] == ["mAP"]
    assert any("mAP was not measured" in note and "headway render people" in note for note in delivery.notes)
