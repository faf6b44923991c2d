"""Head-pose evaluation: AP is COCO's, errors are of the heads that were found, the missed ones are counted."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from headway.errors import UsageError
from headway.evaluate.fsanet import peer_report
from headway.evaluate.head_ap import RECALL_WEIGHT, precision_curve
from headway.evaluate.head_formats import read_labels
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_pose import (
    average_precision,
    best_threshold,
    coco_form,
    euler_mae,
    evaluate,
    evaluate_folder,
    report_of,
)
from headway.geometry import euler_from_rotation, geodesic_deg, ray_basis, rotation_from_euler, viewing_ray
from headway.runtime.manifest import FileEntry, Manifest, TensorSpec
from headway.runtime.model import Model
from headway.types import Camera, Heads


def made_up(seed: int, images: int = 12) -> tuple[HeadLabels, list[Heads]]:
    """Labels, and predictions that miss some, shift some and invent some."""
    rng = np.random.default_rng(seed)
    index, boxes, predictions = [], [], []
    for image in range(images):
        corner, size = rng.uniform(0, 300, (6, 2)), rng.uniform(10, 90, (6, 2))
        here = np.c_[corner, corner + size]
        index += [image] * 6
        boxes.append(here)
        guess = np.r_[here[:5] + rng.normal(0, 4, (5, 4)), np.c_[corner[:2], corner[:2] + 30] + 150]
        guess[:, 2:] = np.maximum(guess[:, 2:], guess[:, :2] + 2)
        score = np.sort(rng.uniform(0.02, 1, len(guess)).astype(np.float32))[::-1]
        turn = rotation_from_euler(*rng.uniform(-60, 60, (3, len(guess))))
        predictions.append(Heads(guess.astype(np.float32), score, turn, np.full(len(guess), 20.0), score.astype(float)))
    rotation = rotation_from_euler(*rng.uniform(-80, 80, (3, len(index))))
    paths = tuple(Path(f"{i}.jpg") for i in range(images))
    seen = rng.choice([0.1, 1.0], len(index), p=[0.2, 0.8])
    return HeadLabels(paths, np.array(index), np.concatenate(boxes), rotation, seen), predictions


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ap_is_that_of_pycocotools(seed: int) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels, predictions = made_up(seed)
    truth, answers = coco_form(labels, predictions)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        oracle = COCOeval(known, known.loadRes(answers), "bbox")
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    assert 0.05 < oracle.stats[1] < 0.95
    np.testing.assert_allclose(average_precision(labels, predictions), oracle.stats[:2], atol=1e-6)


def test_of_the_curve_a_hit_on_a_hidden_head_counts_neither_way() -> None:
    """Three boxes, best first: on a hidden head, on one that is wanted, on nothing."""
    boxes = np.array([[0.0, 0, 20, 20], [50, 0, 70, 20], [90, 0, 110, 20]])
    labels = HeadLabels(
        (Path("0.jpg"),), np.zeros(2, int), boxes[:2], np.tile(np.eye(3), (2, 1, 1)), np.array([0.1, 1])
    )
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    heads = Heads(
        boxes.astype(np.float32), scores, np.tile(np.eye(3), (3, 1, 1)), np.full(3, 20.0), scores.astype(float)
    )
    score, recall, precision = precision_curve(labels, [heads])
    np.testing.assert_allclose(score, scores[1:])
    assert (recall.tolist(), precision.tolist()) == ([1.0, 1.0], [1.0, 0.5])


def test_the_best_threshold_has_the_highest_f_beta_of_all() -> None:
    labels, predictions = made_up(4)
    seen = HeadLabels(labels.images, labels.index, labels.boxes, labels.rotation, np.ones(len(labels)))
    weight = RECALL_WEIGHT**2

    def f_beta(threshold: float) -> float:
        report = report_of(seen, predictions, threshold)
        return (1 + weight) * (report["heads"] - report["missed"]) / (report["boxes"] + weight * report["heads"])

    found = f_beta(best_threshold(seen, predictions))
    assert found >= max(f_beta(t) for t in np.arange(0.05, 0.95, 0.01)) - 0.01
    assert found > f_beta(0.5)


def one_head(rotation: np.ndarray, box: tuple[float, ...] = (10, 10, 50, 60), score: float = 0.9) -> Heads:
    return Heads(np.array([box], np.float32), np.array([score]), rotation[None], np.array([12.0]), np.array([0.0]))


def labels_of(rotation: np.ndarray, whole_head: bool = True) -> HeadLabels:
    paths = tuple(Path(f"{i}.jpg") for i in range(len(rotation)))
    boxes = np.tile([[10.0, 10.0, 50.0, 60.0]], (len(rotation), 1))
    return HeadLabels(paths, np.arange(len(rotation)), boxes, rotation, np.ones(len(rotation)), whole_head)


OWN = {"box": (0, 4), "score": (4, 5), "rotation": (5, 14), "log_sigma": (14, 15)}
PUBLISHED = {"centre": (0, 2), "size": (2, 4), "objectness": (4, 5), "class": (5, 6), "euler": (6, 9)}


@pytest.mark.parametrize("columns", [OWN, PUBLISHED], ids=["relative to the ray", "in camera axes"])
def test_labels_relative_to_the_ray_are_compared_with_answers_relative_to_the_ray(
    tmp_path, monkeypatch, columns
) -> None:
    """Somebody in the corner of the picture looks into the lens, and both kinds of network say so."""
    camera = Camera(320, 240, 200.0, 200.0, 160.0, 120.0)
    basis = ray_basis(viewing_ray(np.array([290.0, 210.0]), camera))
    pitch, yaw, roll = (float(a) for a in euler_from_rotation(basis))
    own = [270, 190, 310, 230, 0.9, *np.eye(3).ravel(), -2.0]
    published = [290, 210, 40, 40, 0.95, 0.95, pitch / 180 + 0.5, yaw / 360 + 0.5, roll / 180 + 0.5]
    rows = np.array([[own if columns is OWN else published]], np.float32)
    inputs = {"image": TensorSpec((1, 240, 320, 3), "uint8", "NHWC", "BGR")}
    outputs = {"candidates": TensorSpec(rows.shape, columns=columns)}
    manifest = Manifest("canned", "head-pose", {"onnx": FileEntry("x", "0")}, inputs, outputs, 0)
    engine = SimpleNamespace(name="canned", infer=lambda feeds: {"candidates": rows}, close=lambda: None)
    monkeypatch.setattr("headway.evaluate.head_pose.open_model", lambda name, task: Model(manifest, engine, tmp_path))
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((240, 320, 3), np.uint8))
    labels = replace(labels_of(np.eye(3)[None]), images=(tmp_path / "0.png",), cameras=(camera,))
    found = evaluate(replace(labels, boxes=np.array([[270.0, 190.0, 310.0, 230.0]])))
    assert geodesic_deg(basis, np.eye(3)) > 30.0
    for heads in (found.predictions[0], found.published[0]):
        assert geodesic_deg(heads.rotation[0], np.eye(3)) < 1e-3


def test_missed_heads_are_counted_and_do_not_enter_the_error() -> None:
    truth = rotation_from_euler(np.zeros(4), np.array([0.0, 20.0, 100.0, 179.0]), np.zeros(4))
    guess = rotation_from_euler(np.zeros(2), np.array([10.0, 40.0]), np.zeros(2))
    predictions = [one_head(guess[0]), one_head(guess[1]), one_head(guess[0], (200, 200, 240, 260)), Heads.empty()]
    report = report_of(labels_of(truth), predictions, 0.35)
    assert report["heads"] == 4
    assert report["missed"] == 2
    assert report["recall"] == 0.5
    assert report["geodesic_deg"]["mean"] == pytest.approx(15.0)
    assert [b["heads"] for b in report["by_yaw"]] == [2, 0, 0, 1, 0, 1]
    assert [b["recall"] for b in report["by_yaw"]] == [1.0, None, None, 0.0, None, 0.0]
    assert report["sigma"]["within_1"] == 0.5


def test_a_second_box_on_a_head_finds_nothing_new_and_lowers_the_precision() -> None:
    truth = np.eye(3)[None]
    twice = Heads(
        np.array([[10, 10, 50, 60], [11, 11, 51, 61]], np.float32),
        np.array([0.9, 0.8]),
        np.stack([np.eye(3)] * 2),
        np.full(2, 9.0),
        np.zeros(2),
    )
    report = report_of(labels_of(truth), [twice], 0.35)
    assert (report["boxes"], report["missed"], report["recall"]) == (2, 0, 1.0)


def test_a_face_inside_two_boxes_is_not_found() -> None:
    truth = np.stack([np.eye(3)] * 2)
    twice = Heads(
        np.array([[0, 0, 60, 70], [20, 20, 90, 90]], np.float32),
        np.array([0.9, 0.8]),
        truth,
        np.full(2, 9.0),
        np.zeros(2),
    )
    report = report_of(labels_of(truth, whole_head=False), [twice, one_head(np.eye(3))], 0.35)
    assert (report["missed"], report["ap"], report["geodesic_deg"]["mean"]) == (1, None, 0.0)


def test_yaw_errors_wrap_round() -> None:
    a, b = rotation_from_euler(0.0, 179.0, 0.0)[None], rotation_from_euler(0.0, -179.0, 0.0)[None]
    assert euler_mae(a, b)["yaw"] == pytest.approx(2.0)


def test_no_label_and_no_prediction_give_empty_numbers_not_nan() -> None:
    labels = HeadLabels((Path("a.jpg"),), np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 3, 3)), np.zeros(0))
    report = report_of(labels, [Heads.empty()], 0.35)
    assert (report["heads"], report["recall"], report["geodesic_deg"]["mean"]) == (0, None, None)
    json.dumps(report, allow_nan=False)


def rendered(folder: Path, **change: object) -> Path:
    """A folder with one image and one label, `change` put into the label."""
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.png"), np.full((64, 80, 3), 90, np.uint8))
    label = {"id": 1, "image_id": 7, "bbox": [10, 12, 20, 24], "rotation": np.eye(3).ravel().tolist(), **change}
    images = [{"id": 7, "file_name": "0.png", "width": 80, "height": 64}]
    label = {k: v for k, v in label.items() if v is not None}
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": [label]}))
    return folder


def test_a_rendered_folder_and_a_folder_of_such_folders_are_read(tmp_path: Path) -> None:
    rendered(tmp_path / "000", visibility=0.4)
    rendered(tmp_path / "001", bbox=[1, 2, 3, 4])
    labels = read_labels(tmp_path)
    assert [p.parent.name for p in labels.images] == ["000", "001"]
    np.testing.assert_array_equal(labels.boxes, [[10, 12, 30, 36], [1, 2, 4, 6]])
    np.testing.assert_array_equal(labels.index, [0, 1])
    np.testing.assert_array_equal(labels.visibility, [0.4, 1.0])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rotation": None}, "'rotation' is missing"),
        ({"rotation": [1, 2, 3]}, "annotation 0"),
        ({"rotation": [2, 0, 0, 0, 2, 0, 0, 0, 2]}, "not a rotation matrix"),
        ({"rotation": [-1, 0, 0, 0, 1, 0, 0, 0, 1]}, "not a rotation matrix"),
        ({"bbox": [1, 2, 0, 4]}, "no area"),
        ({"bbox": [1, 2, float("nan"), 4]}, "bbox .* holds NaN"),
        ({"image_id": 8}, "image 8 is missing"),
    ],
)
def test_wrong_labels_are_refused_by_file_and_field(tmp_path: Path, change: dict[str, object], named: str) -> None:
    folder = rendered(tmp_path / "x", **change)
    with pytest.raises(UsageError, match=f"annotations.json.*{named}"):
        read_labels(folder)


def test_an_image_name_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder = rendered(tmp_path / "x")
    text = (folder / "annotations.json").read_text().replace("0.png", "../0.png")
    (folder / "annotations.json").write_text(text)
    with pytest.raises(UsageError, match="leads out"):
        read_labels(folder)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    folder = rendered(tmp_path / "x")
    (folder / "0.png").unlink()
    with pytest.raises(UsageError, match=r"0\.png"):
        evaluate_folder(folder)


def test_the_shipped_model_reads_the_real_faces_and_fsanet_stands_beside_it(shared_data) -> None:
    folder = shared_data("real_heads")
    report = evaluate_folder(folder)
    assert (report["images"], report["heads"], report["ap"]) == (4, 18, None)
    # A floor far below the model card: it fails where the shipped weights, the decode or the axes are broken.
    assert report["recall"] >= 0.4
    assert report["geodesic_deg"]["median"] < 30
    peer = peer_report(read_labels(folder), folder.parent.parent / "peers")
    if peer is not None:
        assert peer["mae_deg"]["yaw"] < 4.5
        assert peer["mae_deg"]["roll"] < 4.0
