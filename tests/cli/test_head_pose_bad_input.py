"""Odd and bad input to the head-pose evaluation: odd pictures are answered, wrong files end in one clear line that
names file and field, and nothing is half written."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from headway.bags import BagReader
from headway.cli.main import main
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_pose import read_image, report_of
from headway.geometry import rotation_from_euler
from headway.images import COMPRESSED, decode_image
from headway.paths import sample_dir, weights_dir
from headway.runtime.manifest import sha256
from headway.types import Heads


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A frame of the bundled bag with people in it, (H, W, 3) uint8."""
    with BagReader(sample_dir() / "street-walker.mcap") as bag:
        messages = list(bag.messages(bag.of_type(COMPRESSED)))
    return np.array(decode_image(messages[60].decode()))


def labelled(folder: Path, image: np.ndarray | bytes, name: str = "0.png", **change) -> Path:
    """A rendered folder with one picture and one label; `change` goes into the label, None removes a field."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        (folder / name).write_bytes(image)
    else:
        assert cv2.imwrite(str(folder / name), image)
    label = {"id": 1, "image_id": 1, "bbox": [0, 0, 1, 1], "rotation": np.eye(3).ravel().tolist(), **change}
    label = {k: v for k, v in label.items() if v is not None}
    height, width = (480, 640) if isinstance(image, bytes) else image.shape[:2]
    content = {"images": [{"id": 1, "file_name": name, "width": width, "height": height}], "annotations": [label]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the evaluation of a folder; returns exit code, what was said, and the JSON (None where there is none)."""

    def call(folder: Path, *more: str) -> tuple[int, str, dict | None]:
        target = tmp_path / "numbers.json"
        words = ["evaluate", "head-pose", "--data", str(folder), "--json", str(target), *more]
        monkeypatch.setattr("sys.argv", ["headway", *words])
        try:
            code = main() or 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        text = " ".join((said.out + said.err).split())
        assert "Traceback" not in text
        return code, text, json.loads(target.read_text()) if target.is_file() else None

    return call


# ---- pictures


def test_a_grey_image_is_answered_like_its_colour_copy(run, tmp_path, picture) -> None:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    one = run(labelled(tmp_path / "a", grey))[2]
    two = run(labelled(tmp_path / "b", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)))[2]
    assert one is not None
    assert one["boxes"] == two["boxes"] > 0


def test_an_image_with_alpha_is_answered_like_one_without(run, tmp_path, picture) -> None:
    alpha = np.dstack([picture, np.full(picture.shape[:2], 200, np.uint8)])
    one, two = run(labelled(tmp_path / "a", alpha))[2], run(labelled(tmp_path / "b", picture))[2]
    assert one["boxes"] == two["boxes"] > 0


def test_a_16_bit_image_is_scaled_to_8_bits(tmp_path, picture) -> None:
    labelled(tmp_path / "a", picture.astype(np.uint16) * 257)
    np.testing.assert_allclose(read_image(tmp_path / "a" / "0.png").astype(int), picture.astype(int), atol=1)


def test_an_empty_image_file_is_named_and_nothing_is_written(run, tmp_path) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", b""))
    assert (code, numbers) == (2, None)
    assert "0.png is missing or no image" in said


def test_a_file_that_is_no_image_is_named_and_nothing_is_written(run, tmp_path) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", b"not a picture at all"))
    assert (code, numbers) == (2, None)
    assert "0.png is missing or no image" in said


def test_a_cut_off_image_is_named_and_not_read_as_half_grey(run, tmp_path, picture) -> None:
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    code, said, numbers = run(labelled(tmp_path / "a", data[: len(data) // 2], "0.jpg"))
    assert (code, numbers) == (2, None)
    assert "0.jpg" in said
    assert "truncated" in said


@pytest.mark.parametrize("size", [(3, 4000), (4000, 3), (1, 2500)])
def test_extreme_aspect_ratios_are_answered(run, tmp_path, size) -> None:
    code, _, numbers = run(labelled(tmp_path / "a", np.full((*size, 3), 90, np.uint8)))
    assert code == 0
    assert numbers["images"] == 1


def test_an_image_of_one_pixel_is_answered(run, tmp_path) -> None:
    code, _, numbers = run(labelled(tmp_path / "a", np.full((1, 1, 3), 90, np.uint8)))
    assert code == 0
    assert numbers["missed"] + round(numbers["recall"]) == 1


def test_a_picture_of_another_size_than_its_labels_say_is_refused_not_scored(run, tmp_path, picture) -> None:
    folder = labelled(tmp_path / "a", picture)
    half = cv2.resize(picture, None, fx=0.5, fy=0.5)
    cv2.imwrite(str(folder / "0.png"), half)
    code, said, numbers = run(folder)
    assert (code, numbers) == (2, None)
    wanted, found = (f"{p.shape[1]}x{p.shape[0]}" for p in (picture, half))
    assert f"0.png is {found}, its labels are for {wanted}: scale either to the other" in said


# ---- numbers of heads


def test_no_heads_in_labels_and_picture_give_numbers_without_nan_and_a_report(run, tmp_path) -> None:
    folder = labelled(tmp_path / "a", np.full((480, 640, 3), 90, np.uint8))
    raw = json.loads((folder / "annotations.json").read_text())
    (folder / "annotations.json").write_text(json.dumps({**raw, "annotations": []}))
    code, _, numbers = run(folder, "--html", str(tmp_path / "report.html"))
    assert code == 0
    assert (numbers["heads"], numbers["recall"], numbers["geodesic_deg"]["mean"]) == (0, None, None)
    assert "NaN" not in json.dumps(numbers)
    assert "</html>" in (tmp_path / "report.html").read_text()


def test_labels_without_any_image_are_refused(run, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "annotations.json").write_text('{"images": [], "annotations": []}')
    code, said, numbers = run(tmp_path / "a")
    assert (code, numbers) == (2, None)
    assert "its labels name no image" in said


def test_300_heads_are_all_matched_and_counted() -> None:
    grid = np.array([(20 * (k % 20), 25 * (k // 20)) for k in range(300)], float)
    boxes = np.concatenate([grid, grid + np.array([16, 20])], axis=1)
    rotation = rotation_from_euler(np.zeros(300), np.linspace(-179, 179, 300), np.zeros(300))
    labels = HeadLabels((Path("crowd.jpg"),), np.zeros(300, int), boxes, rotation, np.ones(300))
    order = np.random.default_rng(0).permutation(300)
    answer = Heads(
        (boxes[order] + 0.5).astype(np.float32),
        np.linspace(0.99, 0.5, 300),
        rotation[order],
        np.full(300, 5.0),
        np.zeros(300),
    )
    report = report_of(labels, [answer], 0.4)
    assert (report["heads"], report["boxes"], report["missed"]) == (300, 300, 0)
    assert report["geodesic_deg"]["mean"] < 1e-6
    assert report["ap50"] > 0.33  # COCO counts the best 100 boxes of an image


# ---- label files


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rotation": None}, "annotation 0: field 'rotation' is missing, and so is 'euler_angles'"),
        ({"bbox": None}, "annotation 0: field 'bbox' is missing"),
        ({"image_id": None}, "annotation 0: field 'image_id' is missing"),
    ],
)
def test_a_missing_field_is_named_with_its_file(run, tmp_path, picture, change, named) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", picture, **change))
    assert (code, numbers) == (2, None)
    assert "annotations.json" in said
    assert named in said


def test_angles_out_of_range_are_named_with_their_file(run, tmp_path, picture) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", picture, rotation=None, euler_angles=[0, 400, 0]))
    assert (code, numbers) == (2, None)
    assert "annotations.json: annotation 0: euler_angles has yaw 400, outside ±180 degrees" in said


def test_a_box_outside_the_image_is_named_with_its_file(run, tmp_path, picture) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", picture, bbox=[700, 10, 30, 30]))
    assert (code, numbers) == (2, None)
    assert "annotations.json: annotation 0: bbox [700, 10, 30, 30] lies outside its image of 640x480" in said


def test_duplicated_ids_are_named_with_their_file(run, tmp_path, picture) -> None:
    folder = labelled(tmp_path / "a", picture)
    raw = json.loads((folder / "annotations.json").read_text())
    raw["annotations"] *= 2
    (folder / "annotations.json").write_text(json.dumps(raw))
    code, said, numbers = run(folder)
    assert (code, numbers) == (2, None)
    assert "annotations.json: two annotations share one id (1)" in said


def test_labels_that_are_cut_off_are_named(run, tmp_path, picture) -> None:
    folder = labelled(tmp_path / "a", picture)
    text = (folder / "annotations.json").read_text()
    (folder / "annotations.json").write_text(text[: len(text) // 2])
    code, said, numbers = run(folder)
    assert (code, numbers) == (2, None)
    assert "annotations.json cannot be read" in said


# ---- models


def copied(folder: Path) -> Path:
    """The shipped model in a folder of its own."""
    shutil.copytree(weights_dir() / "head-pose", folder)
    return folder


def test_nan_weights_are_refused_by_name_before_anything_is_written(run, tmp_path, picture) -> None:
    onnx = pytest.importorskip("onnx")
    model = copied(tmp_path / "broken")
    graph = onnx.load(model / "head-pose.onnx")
    weights = [t for t in graph.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) == 4]
    raw = onnx.numpy_helper.to_array(weights[-1]).copy()
    raw[:] = np.nan
    weights[-1].CopyFrom(onnx.numpy_helper.from_array(raw, weights[-1].name))
    onnx.save(graph, model / "head-pose.onnx")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["files"]["onnx"]["sha256"] = sha256(model / "head-pose.onnx")
    (model / "manifest.json").write_text(json.dumps(manifest))
    code, said, numbers = run(labelled(tmp_path / "a", picture), "--model", str(model))
    assert (code, numbers) == (1, None)
    assert "NaN or infinity in output 'candidates'" in said


def test_a_file_that_is_not_the_manifests_is_refused_by_name(run, tmp_path, picture) -> None:
    model = copied(tmp_path / "swapped")
    with (model / "head-pose.onnx").open("ab") as file:
        file.write(b"x")
    code, said, numbers = run(labelled(tmp_path / "a", picture), "--model", str(model))
    assert (code, numbers) == (1, None)
    assert "head-pose.onnx is not the file its manifest names" in said


def test_a_model_of_another_task_is_refused_by_name(run, tmp_path, picture) -> None:
    code, said, numbers = run(labelled(tmp_path / "a", picture), "--model", "trajectory")
    assert (code, numbers) == (1, None)
    assert "'trajectory' is for task 'trajectory', not 'head-pose'" in said


def test_a_checkpoint_of_another_network_is_refused_by_tensor_and_no_folder_is_made(
    tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("torch")
    other = weights_dir() / "head-pose" / "head-pose.safetensors"
    words = ["import", "directmhp", str(other), "--variant", "s", "--size", "128", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["headway", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert end.value.code == 1
    assert "head-pose.safetensors is no checkpoint of directmhp-s: tensor 'model." in said
    assert not (tmp_path / "out").exists()


def test_a_target_that_cannot_be_written_is_said_before_the_work_starts(run, tmp_path, picture) -> None:
    folder = labelled(tmp_path / "a", picture)
    code, said, written = run(folder, "--html", str(tmp_path / "a" / "0.png" / "report.html"))
    assert (code, written) == (2, None)
    assert "report.html cannot be written" in said
