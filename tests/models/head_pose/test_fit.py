"""The training loop: it stops where it is told, goes on where it stopped, and one command writes a model that loads."""

import math
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from headway.cli.main import main  # noqa: E402
from headway.errors import UsageError  # noqa: E402
from headway.evaluate.head_formats import read_labels  # noqa: E402
from headway.models.head_pose.config import TrainConfig  # noqa: E402
from headway.models.head_pose.fit import Limit  # noqa: E402
from headway.models.head_pose.produce import Order, begin, prepare, produce  # noqa: E402
from headway.models.head_pose.team import Team  # noqa: E402
from headway.runtime.manifest import read_manifest, write_manifest  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402
from headway.stages.heads import HeadConfig, HeadStage  # noqa: E402
from headway.types import Frame  # noqa: E402

pytestmark = pytest.mark.train

CONFIG = TrainConfig(
    crop_size=64, crop_batch=4, frame_size=64, frame_batch=2, photo_share=0.0, teach_each=0, large_each=0
)


def order(folder: Path, steps: int) -> Order:
    parent = folder.parent
    return Order(
        folder, parent / "val", parent / "out", parent / "work", Limit(steps=steps), CONFIG, 64, 96, "test", size="nano"
    )


def test_a_run_goes_on_where_it_stopped(folder, monkeypatch):
    monkeypatch.setattr("headway.models.head_pose.fit.LOG_EVERY_S", math.inf)
    labels = read_labels(folder)
    first = prepare(order(folder, 4), labels, [])
    first.fit()
    second = prepare(order(folder, 7), labels, [])
    assert second.resume()
    assert second.step == 4
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)
    second.fit()
    assert second.step == 7
    lines = (folder.parent / "work" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "4", "7"]


def test_a_run_does_not_go_on_with_another_seed_or_network(folder):
    labels = read_labels(folder)
    prepare(order(folder, 1), labels, []).fit()
    other = replace(order(folder, 2), config=replace(CONFIG, seed=5))
    with pytest.raises(UsageError, match=r"seed 0 \(now 5\)"):
        prepare(other, labels, []).resume()
    with pytest.raises(UsageError, match=r"network\.neck 64 \(now 96\)"):
        prepare(replace(order(folder, 2), size="small"), labels, []).resume()


def test_a_helper_keeps_nothing_of_the_steps_behind_it(folder, monkeypatch):
    run, seen, alive = prepare(order(folder, 6), read_labels(folder), []), [], []
    run.team, step = Team(rank=1), run._one_step

    def watched(progress):
        said = step(progress)
        seen.extend(weakref.ref(value) for value in said.values())
        alive.append(sum(reference() is not None for reference in seen) / len(said))
        return said

    monkeypatch.setattr(run, "_one_step", watched)
    run.fit()
    assert max(alive) <= 2


def test_convolutions_in_bfloat16_give_nearly_the_same_loss_and_gradient(folder):
    labels, losses, gradients = read_labels(folder), [], []
    for bfloat16 in (False, True):
        run = prepare(order(folder, 1), labels, [])
        run.bfloat16 = bfloat16
        run.fit(lambda _, terms: losses.append(terms["crop_loss"]))
        gradients.append(torch.cat([p.grad.flatten() for p in run.network.parameters() if p.grad is not None]))
        assert all(p.dtype == torch.float32 for p in run.network.parameters())
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.9


def test_progress_is_the_nearer_of_the_two_limits():
    assert Limit(minutes=10, steps=100).progress(60.0, 50) == 0.5
    assert Limit(minutes=1).progress(90.0, 0) == 1.0
    assert Limit(steps=10).progress(1e9, 1) == 0.1


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


def test_near_heads_have_frames_of_their_own(folder):
    config = replace(CONFIG, crop_share=0.0, mixed_share=0.0, large_each=2, large_size=96, large_batch=1)
    run = prepare(replace(order(folder, 8), config=replace(config, large_from_px=40.0)), read_labels(folder), [])
    run.fit()
    assert run.pictures == 4 * 1 + 4 * CONFIG.frame_batch
    assert "large_loss" in (folder.parent / "work" / "log.csv").read_text()


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


def test_the_log_holds_each_step_of_one_run_once(folder, monkeypatch):
    monkeypatch.setattr("headway.models.head_pose.fit.LOG_EVERY_S", 0.0)
    labels, checkpoint = read_labels(folder), folder.parent / "work" / "checkpoint.pt"

    def steps() -> list[str]:
        return [line.split(",")[0] for line in checkpoint.with_name("log.csv").read_text().splitlines()]

    prepare(order(folder, 2), labels, []).fit()
    stopped = checkpoint.read_bytes()
    run = prepare(order(folder, 4), labels, [])
    run.resume()
    run.fit()
    checkpoint.write_bytes(stopped)  # as if killed before the next checkpoint
    run = prepare(order(folder, 3), labels, [])
    run.resume()
    run.fit()
    assert steps() == ["step", "1", "2", "3"]
    checkpoint.unlink()  # given up
    prepare(order(folder, 1), labels, []).fit()
    assert steps() == ["step", "1"]


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


def test_weights_of_another_network_are_refused_by_name(folder, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"layer.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(UsageError, match=r"other\.safetensors holds another network"):
        prepare(order(folder, 1), read_labels(folder), []).start_from(path)


def test_processes_that_make_the_pictures_train_as_well_as_none(folder):
    run = prepare(order(folder, 4), read_labels(folder), [])
    run.workers = 2
    run.fit()
    assert run.step == 4
    assert all(torch.isfinite(p).all() for p in run.network.parameters())


def test_a_gpu_run_without_a_gpu_is_refused_while_it_has_steps_to_do_and_exported_when_it_has_none(folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    wanted = replace(order(folder, 2), device="cuda")
    with pytest.raises(UsageError, match="no CUDA device"):
        produce(wanted)
    begin(order(folder, 2), read_labels(folder), Team()).fit()
    produce(wanted)
    assert read_manifest(wanted.out).training["device"] == "cuda"


def test_larger_batches_and_other_rates_are_what_is_asked_for():
    config = TrainConfig().enlarged(16).rated(0.5)
    assert (config.crop_batch, config.frame_batch, config.large_batch) == (768, 128, 64)
    assert config.kernel_learning_rate == pytest.approx(0.02)
    assert config.teach_batch == 32


def test_a_gradient_that_is_not_finite_moves_no_weight_to_nowhere(folder):
    run = prepare(order(folder, 3), read_labels(folder), [])
    loss, calls = run.losses[64], []

    def broken(*arguments):
        total, terms = loss(*arguments)
        calls.append(total)
        return (total * torch.inf if len(calls) == 2 else total), terms

    run.losses[64] = broken
    run.fit()
    assert len(calls) == 3
    assert all(torch.isfinite(value).all() for value in run.average.network.state_dict().values())


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
