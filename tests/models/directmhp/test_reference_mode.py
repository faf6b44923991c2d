"""Reference mode as a user runs it: import a checkpoint, evaluate it on labelled images, replay a bag through it."""

import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from headway.cli.main import main  # noqa: E402
from headway.errors import ModelError  # noqa: E402
from headway.geometry import geodesic_deg, rotation_from_euler  # noqa: E402
from headway.models.directmhp.importer import load_network  # noqa: E402
from headway.paths import sample_dir  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402
from headway.stages.heads import HeadConfig, HeadStage  # noqa: E402
from headway.types import Frame  # noqa: E402
from tests.models.directmhp.oracle import Oracle, assert_same_candidates, square_input  # noqa: E402
from tests.models.directmhp.test_network import seeded  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 128


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["headway", *map(str, words)])
    try:
        return main() or 0
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Seeded weights whose scores are spread over 0..1, so that thresholds have something to cut."""
    tensors = dict(seeded("s").state_dict())
    generator = torch.Generator().manual_seed(3)
    for level in range(4):
        for column, mean in ((4, 1.0), (5, 3.0)):
            key = f"model.33.m.{level}"
            tensors[f"{key}.bias"][column::9] = mean
            shape = tensors[f"{key}.weight"][column::9].shape
            tensors[f"{key}.weight"][column::9] = 0.3 * torch.randn(shape, generator=generator)
    path = tmp_path_factory.mktemp("released") / "agora_s.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def model(checkpoint, tmp_path_factory):
    from headway.models.directmhp.importer import import_checkpoint

    folder = tmp_path_factory.mktemp("installed") / "directmhp-s"
    import_checkpoint(checkpoint, "s", SIZE, picture(), folder)
    return folder


def picture(seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    noise = np.random.default_rng(seed).integers(0, 40, (SIZE, SIZE, 3))
    return (np.stack([(x * 2) % 200, (y * 3) % 200, (x + y) % 200], -1) + noise).astype(np.uint8)


def published(rows: np.ndarray, score: float, overlap: float) -> list[tuple]:
    """The published post-processing, one row at a time: threshold, box corners, greedy NMS, angles in degrees."""
    kept: list[tuple] = []
    for x, y, w, h, obj, cls, p, yaw, r in rows:
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        if obj * cls < score:
            continue
        if all(one_iou(box, other[0]) <= overlap for other in kept):
            kept.append((box, obj * cls, ((p - 0.5) * 180, (yaw - 0.5) * 360, (r - 0.5) * 180)))
    return kept


def one_iou(a: tuple, b: tuple) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inner = max(w, 0) * max(h, 0)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


@pytest.mark.parametrize(("score", "overlap"), [(0.7, 0.45), (0.001, 0.65)])
def test_the_stage_gives_the_published_boxes_scores_and_angles(checkpoint, model, score, overlap) -> None:
    stage = HeadStage(open_model(str(model), "head-pose"), HeadConfig(minimum_px=0.0))
    frame = Frame(stamp_ns=1, image=picture(7))
    rows = stage.candidates(frame).astype(float)
    heads = stage.decode(stage.candidates(frame), frame, score, overlap)
    with torch.no_grad():
        image = torch.from_numpy(square_input(picture(7), SIZE).copy())
        assert_same_candidates(rows, Oracle(load_network(checkpoint, "s").state_dict()).candidates(image))
    wanted = published(rows, score, overlap)
    assert 3 <= len(wanted) < len(rows), "thresholds must cut something, or the check is empty"
    assert len(heads) == len(wanted)
    np.testing.assert_allclose(heads.boxes, np.array([w[0] for w in wanted]).clip(0, SIZE), atol=1e-3)
    np.testing.assert_allclose(heads.scores, [w[1] for w in wanted], atol=1e-6)
    angles = np.array([w[2] for w in wanted]).T
    assert geodesic_deg(heads.rotation, rotation_from_euler(*angles)).max() < 1e-3


def test_import_evaluate_and_replay_run_from_the_command_line(checkpoint, tmp_path, monkeypatch, capsys) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    installed = tmp_path / "directmhp-s"
    words = ("import", "directmhp", checkpoint, "--variant", "s", "--size", SIZE, "--out", installed)
    assert run(monkeypatch, *words, "--image", tmp_path / "photo.png") == 0
    assert "12,375,084 parameters" in capsys.readouterr().out
    assert sorted(p.name for p in installed.iterdir()) == [
        "directmhp-s.onnx",
        "directmhp-s.safetensors",
        "manifest.json",
    ]

    data = tmp_path / "data"
    data.mkdir()
    cv2.imwrite(str(data / "0.png"), picture(2))
    label = {"id": 1, "image_id": 1, "bbox": [10, 12, 40, 44], "rotation": np.eye(3).ravel().tolist()}
    images = [{"id": 1, "file_name": "0.png"}]
    (data / "annotations.json").write_text(json.dumps({"images": images, "annotations": [label]}))
    target = tmp_path / "numbers.json"
    words = ("evaluate", "head-pose", "--data", data, "--model", installed, "--json", target)
    assert run(monkeypatch, *words) == 0
    report = json.loads(target.read_text())
    assert report["model"] == "directmhp-s"
    assert report["score_threshold"] == 0.7
    assert report["boxes"] > 0

    params = tmp_path / "params.yaml"
    params.write_text(f"headway:\n  ros__parameters:\n    models:\n      head_pose: {installed}\n")
    out = tmp_path / "replayed"
    words = ("replay", sample_dir() / "street-walker.mcap", "--out", out, "--params", params)
    assert run(monkeypatch, *words, "--limit", 5, "--no-video") == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["models"]["head_pose"]["out"] == 5
    assert summary["models"]["head_pose"]["hash"] == report["model_hash"]


def test_an_export_that_fails_leaves_nothing_behind(checkpoint, tmp_path, monkeypatch) -> None:
    from headway.models.directmhp import importer

    def fail(folder, *rest, **more):
        (folder / "directmhp-s.safetensors").write_bytes(b"half")
        raise ModelError("the exporter gave up")

    monkeypatch.setattr(importer, "package_model", fail)
    with pytest.raises(ModelError, match="gave up"):
        importer.import_checkpoint(checkpoint, "s", SIZE, picture(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
