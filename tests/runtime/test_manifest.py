import json
from dataclasses import replace

import pytest

from headway.errors import ModelError
from headway.runtime.manifest import (
    Manifest,
    TensorSpec,
    file_entries,
    read_manifest,
    verified_path,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"network")
    spec = TensorSpec((1, 300, 15), columns={"box": (0, 4), "score": (4, 5)})
    manifest = Manifest(
        name="m",
        task="head-pose",
        files=file_entries(tmp_path, {"onnx": "m.onnx"}),
        inputs={"image": TensorSpec((1, 8, 8, 3), "uint8", "NHWC", "BGR")},
        outputs={"candidates": spec},
        parameters=7,
    )
    write_manifest(tmp_path, manifest)
    return tmp_path


def test_what_is_written_is_read_back(folder):
    manifest = read_manifest(folder)
    assert manifest.outputs["candidates"].column("box") == slice(0, 4)
    assert manifest.inputs["image"] == TensorSpec((1, 8, 8, 3), "uint8", "NHWC", "BGR")
    assert verified_path(folder, manifest, "onnx").read_bytes() == b"network"


def test_a_changed_file_is_refused_by_name(folder):
    (folder / "m.onnx").write_bytes(b"netw0rk")
    with pytest.raises(ModelError, match=r"m\.onnx is not the file its manifest names"):
        verified_path(folder, read_manifest(folder), "onnx")


def test_a_missing_file_is_refused_by_name(folder):
    (folder / "m.onnx").unlink()
    with pytest.raises(ModelError, match=r"m\.onnx is missing"):
        verified_path(folder, read_manifest(folder), "onnx")


@pytest.mark.parametrize("name", ["../m.onnx", "/etc/passwd", "a/b.onnx", "..", "."])
def test_a_path_cannot_leave_its_folder(folder, name):
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"]["onnx"]["path"] = name
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="bare name"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "name", ["x" * 256, "\u00e9" * 128, "\ud800.onnx"], ids=["long", "long in bytes", "half a pair"]
)
def test_a_name_that_no_file_can_have_is_refused(folder, name):
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"]["log"] = {"path": name, "sha256": "0"}
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=r"255 is the most|surrogates"):
        read_manifest(folder)


def test_links_that_lead_in_a_circle_are_refused_by_name(folder):
    (folder / "m.onnx").unlink()
    (folder / "m.onnx").symlink_to(folder / "m.onnx")
    with pytest.raises(ModelError, match=r"m\.onnx"):
        verified_path(folder, read_manifest(folder), "onnx")


def test_a_folder_without_manifest_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"manifest\.json is missing"):
        read_manifest(tmp_path)


def test_a_link_out_of_the_folder_is_refused_whatever_it_holds(folder, tmp_path_factory):
    (outside := tmp_path_factory.mktemp("outside") / "m.onnx").write_bytes(b"network")
    (folder / "m.onnx").unlink()
    (folder / "m.onnx").symlink_to(outside)
    with pytest.raises(ModelError, match="link out of its model folder"):
        verified_path(folder, read_manifest(folder), "onnx")


def test_a_folder_that_is_itself_reached_by_a_link_is_a_model_folder(folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("linked") / "model"
    link.symlink_to(folder)
    assert verified_path(link, read_manifest(link), "onnx").is_file()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dtype", "object"),
        ("dtype", ["f4"]),
        ("shape", [1 << 20, 1 << 20]),
        ("shape", [-1, 8]),
        ("shape", 7),
        ("shape", [float("inf")]),
        ("scale", float("nan")),
        ("scale", "1"),
        ("layout", 3),
        ("columns", {"box": [4, 0]}),
        ("columns", {"box": [0, 0]}),
        ("columns", {"box": [13, 16]}),
        ("columns", {"box": [0]}),
    ],
)
def test_a_tensor_that_could_not_be_is_refused_before_memory_is_taken(folder, field, value):
    raw = json.loads((folder / "manifest.json").read_text())
    raw["inputs"]["image"][field] = value
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="not a manifest"):
        read_manifest(folder)


def test_a_file_of_any_size_or_depth_is_refused_in_one_line(folder):
    for text in ("[" * 100_000, "9" * 10_000, " " * (5 << 20), "\ud800", '{"schema": 1', "[]", "null", ""):
        (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(ModelError, match="manifest"):
            read_manifest(folder)


@pytest.mark.parametrize("name", ["../m", "/tmp/m", "a/b", "..", "", "m\0", "m" * 300])
def test_a_name_after_which_files_are_called_cannot_leave_its_folder_either(folder, name):
    raw = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(raw | {"name": name}))
    with pytest.raises(ModelError, match=r"name '.*(bare name|255 is the most)"):
        read_manifest(folder)


def test_a_measurement_that_is_no_number_leaves_good_json(folder):
    manifest = replace(read_manifest(folder), evaluation={"gate_fp16": {"rows": [{"loss": float("nan")}]}})
    text = write_manifest(folder, manifest).read_text()
    assert "NaN" not in text
    assert read_manifest(folder).evaluation["gate_fp16"]["rows"] == [{"loss": None}]
