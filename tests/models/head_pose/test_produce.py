"""One command trains, writes a model that loads, and says what it learned from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from small_order import order  # noqa: E402

from headway.cli.main import main  # noqa: E402
from headway.errors import UsageError  # noqa: E402
from headway.evaluate.head_formats import read_labels  # noqa: E402
from headway.models.head_pose.produce import begin, prepare, produce  # noqa: E402
from headway.models.head_pose.team import Team  # noqa: E402
from headway.runtime.manifest import read_manifest, write_manifest  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402
from headway.stages.heads import HeadConfig, HeadStage  # noqa: E402
from headway.types import Frame  # noqa: E402

pytestmark = pytest.mark.train


def test_one_command_writes_a_model_that_loads_by_hash_and_answers(folder, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(folder.parent / "nowhere"))
    evaluation = produce(order(folder, 3))
    out = folder.parent / "out"
    model = open_model(str(out), "head-pose")
    heads = HeadStage(model, HeadConfig(score_threshold=0.01))(
        Frame(stamp_ns=1, image=np.asarray(cv2.imread(str(folder / "0.png")), np.uint8))
    )
    assert np.isfinite(heads.rotation).all()
    assert evaluation["rendered"]["heads"] == len(read_labels(folder.parent / "val"))
    card = (out / "README.md").read_text()
    assert "test" in card
    assert f"{model.manifest.parameters:,} parameters" in card
    assert set(model.manifest.files) == {"weights", "onnx", "log", "card"}
    assert model.manifest.training["steps"] == 3
    # ONNX Runtime against torch: boxes in pixels, the rest near 1.
    assert evaluation["parity_torch_onnxruntime"]["candidates"] < 0.02


def test_two_processes_train_one_network_and_one_of_them_writes(folder, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(folder.parent / "nowhere"))
    together = replace(order(folder, 3), jobs=2)
    produce(together)
    manifest = read_manifest(together.out)
    assert manifest.training["steps"] == 3
    assert manifest.training["jobs"] == 2
    # Three steps of crops or frames, of two processes each.
    assert manifest.training["pictures"] in {2 * (4 * crops + 2 * (3 - crops)) for crops in range(4)}
    assert not list(together.work.glob("team-*"))


def test_an_unreadable_training_image_is_named_and_nothing_is_written(folder):
    (folder / "3.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"3\.png"):
        produce(order(folder, 3))
    assert not (folder.parent / "out").exists()


def test_what_the_end_of_a_training_needs_is_asked_for_before_it(folder):
    with pytest.raises(UsageError, match="nowhere is no folder"):
        produce(replace(order(folder, 3), validation=folder / "nowhere"))
    with pytest.raises(FileExistsError):
        produce(replace(order(folder, 3), out=folder / "annotations.json"))
    assert [p.name for p in (folder.parent / "work").iterdir()] == ["cache"]


def test_what_judges_must_not_be_what_was_learned(folder):
    for data in (folder, folder.parent):  # the very folder, or one that holds both
        with pytest.raises(UsageError, match=r"6 pictures of .*data are in .* too"):
            produce(replace(order(folder, 1), data=data, validation=folder))
    assert not (folder.parent / "work").exists()


def test_a_run_does_not_go_on_from_the_checkpoint_of_one_with_another_beginning(folder):
    """The manifest would name a network that it never began with, and --keep would draw the weights towards that."""
    produce(replace(order(folder, 1), out=folder.parent / "first"))
    later = replace(order(folder, 2), work=folder.parent / "later")
    produce(later)
    with pytest.raises(UsageError, match=r"init None \(now \w"):
        produce(replace(later, init=folder.parent / "first"))
    with pytest.raises(UsageError, match=r"teacher None \(now \w"):
        produce(replace(later, teacher=folder.parent / "first"))


def test_licence_and_card_name_what_the_run_learned_from_and_no_more(folder, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(folder.parent / "nowhere"))
    plain = order(folder, 1)
    produce(plain)
    manifest, card = read_manifest(plain.out), (plain.out / "README.md").read_text()
    assert "openpeople" not in manifest.data_licence + card
    assert "It has seen rendered people only" in card
    write_manifest(plain.out, replace(manifest, data_licence="that of a friend"))
    produce(replace(plain, out=folder.parent / "more", work=folder.parent / "later", init=plain.out))
    assert read_manifest(folder.parent / "more").data_licence.endswith("; before that, that of a friend")


def test_a_run_can_start_from_the_weights_of_another(folder):
    first = replace(order(folder, 2), out=folder.parent / "first")
    produce(first)
    labels, later = read_labels(folder), replace(order(folder, 3), work=folder.parent / "later", init=first.out)
    run = prepare(later, labels, [])
    run.start_from(first.out / "head-pose-nano.safetensors")
    stored = load_file(first.out / "head-pose-nano.safetensors")
    assert all(torch.equal(value, stored[name]) for name, value in run.network.state_dict().items())
    produce(later)
    assert "began with the weights of an earlier one" in read_manifest(later.out).training["history"]


def test_what_is_written_can_keep_a_share_of_the_weights_that_the_run_began_with(folder):
    first = replace(order(folder, 2), out=folder.parent / "first")
    produce(first)
    later = replace(order(folder, 3), work=folder.parent / "later", init=first.out)
    weights = []
    for keep in (0.0, 0.25):  # the second call finds the run at its end
        produce(replace(later, keep=keep))
        assert read_manifest(later.out).training["kept"] == keep
        weights.append(load_file(later.out / "head-pose-nano.safetensors"))
    assert "25% of what the run began with" in (later.out / "README.md").read_text()
    before = load_file(first.out / "head-pose-nano.safetensors")
    for name, value in weights[1].items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * weights[0][name])
    assert any(not torch.equal(weights[0][n], before[n]) for n in before)


def test_a_network_with_a_teacher_says_what_the_teacher_was_worth(folder):
    first = replace(order(folder, 2), out=folder.parent / "first")
    produce(first)
    produce(replace(order(folder, 3), work=folder.parent / "later", teacher=first.out))
    out = folder.parent / "out"
    facts = read_manifest(out).training["distillation"]
    assert facts["teacher"] == "head-pose-nano"
    assert facts["crop_error_deg"][f"{facts['share']:g}"] == min(facts["crop_error_deg"].values())
    assert "Dual-head distillation" in (out / "README.md").read_text()


def test_a_gpu_run_without_a_gpu_is_refused_while_it_has_steps_to_do_and_exported_when_it_has_none(folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    wanted = replace(order(folder, 2), device="cuda")
    with pytest.raises(UsageError, match="no CUDA device"):
        produce(wanted)
    begin(order(folder, 2), read_labels(folder), Team()).fit()
    produce(wanted)
    assert read_manifest(wanted.out).training["device"] == "cuda"


def test_weights_can_be_kept_only_where_the_run_began_with_some(folder, monkeypatch, capsys):
    out = folder.parent / "out"
    words = ["train", "head-pose", "--data", str(folder), "--val", str(folder), "--out", str(out), "--keep", "0.5"]
    monkeypatch.setattr("sys.argv", ["headway", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "--keep 0.5: there is no --init" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize("words", [["head-pose", "--data", "d", "--val", "v"], ["driving", "--network", "caril"]])
def test_no_minutes_are_refused_and_not_taken_for_a_run_without_end(monkeypatch, capsys, words):
    monkeypatch.setattr("sys.argv", ["headway", "train", *words, "--out", "out", "--minutes", "0"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "--minutes" in said
    assert "0.01" in said
