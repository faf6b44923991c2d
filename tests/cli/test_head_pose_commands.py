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
