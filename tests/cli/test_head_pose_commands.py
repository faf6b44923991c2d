"""`headway evaluate head-pose`: the table on the terminal, the promised keys in the JSON, plain words for mistakes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from headway.cli.main import main

KEYS = {"dataset", "images", "heads", "ap", "ap50", "recall", "geodesic_deg", "mae_deg", "by_yaw", "model", "command"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((64, 80, 3), 90, np.uint8))
    label = {"id": 1, "image_id": 1, "bbox": [10, 12, 20, 24], "rotation": np.eye(3).ravel().tolist()}
    text = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [label]}
    (tmp_path / "annotations.json").write_text(json.dumps(text))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["headway", *arguments])
    try:
        return main() or 0
    except SystemExit as end:
        return int(end.code or 0)


def test_evaluate_prints_a_table_and_writes_the_promised_keys(folder, monkeypatch, capsys):
    target = folder / "out.json"
    assert run(monkeypatch, "evaluate", "head-pose", "--data", str(folder), "--json", str(target)) == 0
    report = json.loads(target.read_text())
    assert report.keys() >= KEYS
    assert report["geodesic_deg"].keys() == {"mean", "median"}
    assert report["mae_deg"].keys() == {"pitch", "yaw", "roll", "mean"}
    assert report["command"].startswith("headway evaluate head-pose")
    assert "1 heads" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_labels_is_named_and_the_exit_code_is_two(tmp_path, monkeypatch, capsys, name):
    assert run(monkeypatch, "evaluate", "head-pose", "--data", str(tmp_path / name)) == 2
    said = capsys.readouterr()
    assert tmp_path.name in (said.out + said.err).replace("\n", "")


def test_aflw2000_prints_the_table_that_papers_print(tmp_path, monkeypatch, capsys):
    """Pictures of the bundled bag stand in for faces: the table's rows and rules are looked at, not its numbers."""
    import scipy.io

    for row, yaw in enumerate((0.3, -0.5, 1.9)):
        cv2.imwrite(str(tmp_path / f"image{row:05d}.jpg"), np.full((450, 450, 3), 90 + row, np.uint8))
        points = np.tile([[100.0, 300.0], [120.0, 330.0], [0.0, 0.0]], (1, 34))
        content = {"Pose_Para": [[0.1, yaw, 0.0, 1, 2, 3, 0.001]], "pt3d_68": points}
        scipy.io.savemat(tmp_path / f"image{row:05d}.mat", content)
    target = tmp_path / "out.json"
    words = ("evaluate", "head-pose", "--data", str(tmp_path), "--format", "aflw2000", "--json", str(target))
    assert run(monkeypatch, *words) == 0
    said = " ".join(capsys.readouterr().out.split())  # a title is broken where its table is narrow
    assert "1 beyond 99° left out" in said
    for column in ("yaw", "pitch", "roll", "MAE"):
        assert column in said
    report = json.loads(target.read_text())
    assert report["published"]["euler_order"] == "xyz"
    assert report["published"]["heads"] == report["heads"] == 2
    assert report["ms_per_image"] > 0
    assert report.keys() >= KEYS


def test_an_unknown_format_ends_in_one_line(folder, monkeypatch, capsys):
    assert run(monkeypatch, "evaluate", "head-pose", "--data", str(folder), "--format", "aflw") == 2
    assert "--format 'aflw' is none of" in capsys.readouterr().err
