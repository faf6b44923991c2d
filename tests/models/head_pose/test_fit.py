"""The training loop: it stops where it is told, goes on where it stopped, and loses no step of the log."""

import math
import weakref
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from small_order import CONFIG, order  # noqa: E402

from headway.errors import UsageError  # noqa: E402
from headway.evaluate.head_formats import read_labels  # noqa: E402
from headway.models.head_pose.config import TrainConfig  # noqa: E402
from headway.models.head_pose.fit import Limit  # noqa: E402
from headway.models.head_pose.produce import prepare  # noqa: E402
from headway.models.head_pose.team import Team  # noqa: E402

pytestmark = pytest.mark.train


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


def test_near_heads_have_frames_of_their_own(folder):
    config = replace(CONFIG, crop_share=0.0, mixed_share=0.0, large_each=2, large_size=96, large_batch=1)
    run = prepare(replace(order(folder, 8), config=replace(config, large_from_px=40.0)), read_labels(folder), [])
    run.fit()
    assert run.pictures == 4 * 1 + 4 * CONFIG.frame_batch
    assert "large_loss" in (folder.parent / "work" / "log.csv").read_text()


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
