"""Open-loop evaluation: the split keeps parts apart, and the report measures the stage that ships."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from headway.errors import UsageError
from headway.evaluate import tub
from headway.evaluate.driving import block_interval, evaluate, open_loop
from headway.runtime.model import open_model
from headway.types import DriveState, Steering


@pytest.mark.parametrize("count", [1000, 997, 415, 235])
def test_fit_held_out_and_test_frames_are_never_closer_than_the_gap(count):
    parts = tub.split_blocks(count)
    assert np.abs(parts["train"][:, None] - parts["test"]).min() > tub.GAP
    held_by_all = []
    for fold in range(5):
        fit, held = tub.fold_blocks(count, fold, 5)
        assert np.abs(fit[:, None] - held).min() > tub.GAP
        assert np.abs(fit[:, None] - parts["test"]).min() > tub.GAP
        assert set(fit) <= set(parts["train"])
        held_by_all += held.tolist()
    assert len(set(held_by_all)) == len(held_by_all)
    assert not set(held_by_all) & set(parts["test"])


def test_the_tubs_right_becomes_our_left(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    rows = [{"cam/image_array": f"{i}.jpg", "user/angle": a, "user/throttle": 0.5} for i, a in enumerate((1.0, -0.25))]
    (tmp_path / "catalog_0.catalog").write_text("\n".join(json.dumps(r) for r in rows))
    for i in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.jpg"), np.full((60, 80, 3), 40, np.uint8))
    drive = tub.read_tub(tub.find_tub(tmp_path))
    assert drive.steering.tolist() == [-1.0, 0.25]
    assert drive.images.shape == (2, 120, 160, 3)


def test_a_folder_without_a_tub_and_a_lost_image_are_named(tmp_path):
    with pytest.raises(UsageError, match="no donkeycar tub"):
        tub.find_tub(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "catalog_0.catalog").write_text(
        json.dumps({"cam/image_array": "9.jpg", "user/angle": 0, "user/throttle": 0})
    )
    with pytest.raises(UsageError, match=r"9\.jpg cannot be read"):
        tub.read_tub(tmp_path)


def test_a_tub_too_short_for_a_test_block_is_named(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    row = json.dumps({"cam/image_array": "0.jpg", "user/angle": 0.1, "user/throttle": 0.5})
    (tmp_path / "catalog_0.catalog").write_text("\n".join([row] * 50))
    cv2.imwrite(str(tmp_path / "images" / "0.jpg"), np.full((120, 160, 3), 40, np.uint8))
    with pytest.raises(UsageError, match="has 50 frames: no test block"):
        evaluate(open_model("driving", "driving"), tmp_path)


def test_errors_accuracy_and_coverage_are_those_worked_out_by_hand():
    frames = tub.Drive(np.zeros((4, 1, 1, 3), np.uint8), np.array([0.0, 0.5, -0.5, 1.0]), np.zeros(4))
    answers = [
        Steering(s, 0.5, (s - 0.2, s + 0.2), c, DriveState.DRIVE)
        for s, c in ((0.1, 0.9), (0.5, 0.8), (0.0, 0.3), (0.7, 0.4))
    ]
    report = open_loop(answers, frames, np.array([0.2, 0.5, -0.5, 0.0]), 0.0, small_error=0.15)
    assert report["steering_mae"]["headway"] == pytest.approx((0.1 + 0.0 + 0.5 + 0.3) / 4)
    assert report["steering_mae"]["headway-regression"] == pytest.approx((0.2 + 1.0) / 4)
    assert report["steering_mae"]["mean-steering"] == pytest.approx(0.5)
    assert report["confidence"]["coverage"] == 0.5
    assert report["confidence"]["auroc"] == 1.0
    assert report["confidence"]["share_small"] == 0.5
    assert report["states"]["drive"] == 4


def test_the_interval_over_blocks_holds_the_mean_and_is_repeatable():
    values = np.random.default_rng(1).uniform(0, 1, 90)
    low, high = block_interval(values, [30, 30, 30])
    assert low <= values.mean() <= high
    assert block_interval(values, [30, 30, 30]) == [low, high]


def test_the_shipped_model_beats_mean_steering_on_held_out_frames_and_doubts_what_is_no_track(shared_data):
    model = open_model("driving", "driving")
    report = evaluate(model, shared_data("donkeycar_tub"))
    mae = report["steering_mae"]
    assert mae["headway"] < 0.75 * mae["mean-steering"]
    assert all(row["confidence"] < 0.2 and row["state"] == "stop" for row in report["unfamiliar"].values())
    shipped = model.manifest.evaluation
    assert mae["headway"] == pytest.approx(shipped["steering_mae"]["headway"], abs=1e-4)
    assert report["confidence"]["coverage"] == pytest.approx(shipped["confidence"]["coverage"], abs=0.01)


def test_the_command_writes_the_fixed_keys(shared_data, tmp_path):
    import typer

    from headway.cli import driving

    app = typer.Typer()
    app.command()(driving.evaluate)
    out = tmp_path / "report.json"
    result = CliRunner().invoke(app, ["--data", str(shared_data("donkeycar_tub")), "--json", str(out)])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert report["world"] == "tub"
    assert {"ece", "auroc", "coverage"} <= set(report["confidence"])
    assert {"routes", "command"} <= set(report)
