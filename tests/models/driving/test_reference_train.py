"""The reference network is trained as published, on given frames, can go on, and drives from its folder."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from toy_drives import drive_of  # noqa: E402

from headway.errors import ModelError, UsageError  # noqa: E402
from headway.evaluate.reference_drivers import reference_drivers  # noqa: E402
from headway.models.driving.material import Material, load_frames, save_frames  # noqa: E402
from headway.models.driving.reference import published_optimizer  # noqa: E402
from headway.models.driving.reference_feed import Feed  # noqa: E402
from headway.models.driving.reference_train import (  # noqa: E402
    ReferenceConfig,
    Training,
    label_gain,
    published_input,
    settle,
    write_folder,
)
from headway.runtime.model import open_model  # noqa: E402

pytestmark = pytest.mark.train


def test_the_input_is_rgb_in_0_to_1_at_160_pixels():
    image = torch.zeros(1, 120, 160, 3, dtype=torch.uint8)
    image[..., 2] = 255  # red in BGR
    x = published_input(image)
    assert x.shape == (1, 3, 160, 160)
    assert x[0, 0].min() == 1.0
    assert x[0, 1:].max() == 0.0


def test_batch_statistics_are_those_of_the_frames_with_the_weights_as_they_are(tmp_path):
    training = Training(drive_of(8), ReferenceConfig(batch=4), tmp_path)
    norm = next(m for m in training.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    momentum = norm.momentum
    settle(training)
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    assert len(seen) == 2
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-4, atol=1e-5)
    assert norm.momentum == momentum
    assert not training.network.training


def test_the_gain_fills_the_bins():
    steering = np.linspace(-0.4, 0.4, 2001)
    assert label_gain(steering) == pytest.approx(2.5, rel=0.02)


@pytest.mark.slow
def test_a_run_goes_on_as_if_it_had_not_stopped_and_its_folder_drives(tmp_path):
    drive = drive_of(12)
    whole = Training(drive, ReferenceConfig(batch=4, epochs=1), tmp_path / "whole")
    whole.fit()
    assert whole.step == 3
    first = Training(drive, ReferenceConfig(batch=4, epochs=1), tmp_path / "parts")
    first.network.train()
    first._one_step(Feed(drive, 4, 0, False))
    first.step = 1
    first.save()
    second = Training(drive, ReferenceConfig(batch=4, epochs=1), tmp_path / "parts")
    assert second.resume()
    assert second.step == 1
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)

    second.fit()
    assert second.step == 3
    assert [entry["from_step"] for entry in second.trained_on] == [1]

    manifest = write_folder(whole, tmp_path / "caril", "test", {"data": "toy"}, "none")
    assert manifest.config["parameters_keras"] == 24_162_444
    assert manifest.training["epochs"] == 1.0
    assert manifest.training["trained_on"] == [{"from_step": 0, "device": f"CPU, torch {torch.__version__}"}]
    assert manifest.training["log"][-1]["step"] == 3
    model = open_model(str(tmp_path / "caril"), "driving")
    drivers = reference_drivers(model)
    plain, confidence = drivers["regression"].steering(drive.images[0])
    assert -1.0 <= plain <= 1.0
    assert 1 / 11 <= confidence <= 1.0
    # The corrector draws: two fresh starts draw the same.
    caril = drivers["caril"]
    caril.reset()
    once = [caril.steering(image)[0] for image in drive.images[:3]]
    caril.reset()
    assert once == [caril.steering(image)[0] for image in drive.images[:3]]


def test_a_run_does_not_go_on_with_other_frames(tmp_path):
    Training(drive_of(4), ReferenceConfig(batch=4), tmp_path).save()
    with pytest.raises(UsageError, match=r"frames 4 \(now 6\)"):
        Training(drive_of(6), ReferenceConfig(batch=4), tmp_path).resume()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_is_asked_for_only_while_there_are_steps_left(tmp_path):
    drive = drive_of(4)
    config = ReferenceConfig(batch=4, epochs=1, device="cuda")
    with pytest.raises(UsageError, match="no CUDA device"):
        Training(drive, config, tmp_path).fit()
    done = Training(drive, config, tmp_path)
    done.step = 1
    done.save()
    again = Training(drive, config, tmp_path)
    assert again.resume()
    again.fit()
    assert not again.network.training
    assert again.step == 1


def test_a_checkpoint_of_a_gpu_goes_on_on_the_cpu_with_the_cpus_kernel(tmp_path):
    drive = drive_of(4)
    gpu = Training(drive, ReferenceConfig(batch=2, epochs=2), tmp_path)
    gpu.optimizer, gpu.schedule = published_optimizer(gpu.network, fused=True)
    gpu.network.train()
    gpu._one_step(Feed(drive, 2, 0, False))
    gpu.step = 1
    gpu.trained_on = [{"from_step": 0, "device": "some GPU"}]
    gpu.save()
    cpu = Training(drive, ReferenceConfig(batch=2, epochs=1), tmp_path)
    assert cpu.resume()
    assert not cpu.optimizer.param_groups[0]["fused"]
    first, own = (next(iter(t.optimizer.state.values())) for t in (gpu, cpu))
    assert torch.equal(first["exp_avg"], own["exp_avg"])
    assert float(own["step"]) == 1.0
    assert cpu.optimizer.param_groups[0]["lr"] == gpu.optimizer.param_groups[0]["lr"]
    cpu.fit()
    assert cpu.step == 2
    assert [entry["from_step"] for entry in cpu.trained_on] == [0, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_learns_and_its_checkpoint_is_exported_on_the_cpu(tmp_path):
    drive = drive_of(12)
    training = Training(drive, ReferenceConfig(batch=4, epochs=20, device="cuda"), tmp_path)
    training.fit()
    assert training.step == 60
    assert [row["step"] for row in training.log] == [50, 60]
    assert training.log[-1]["loss"] < training.log[0]["loss"]
    assert "TF32" in training.trained_on[0]["device"]
    assert next(training.network.parameters()).device.type == "cpu"
    assert torch.get_float32_matmul_precision() == "highest"
    cpu = Training(drive, ReferenceConfig(batch=4, epochs=20, device="cpu"), tmp_path)
    assert cpu.resume()
    cpu.fit()
    settle(cpu)
    assert torch.isfinite(cpu.network(published_input(torch.from_numpy(drive.images)))[0]).all()


def test_another_network_is_no_reference(tmp_path):
    with pytest.raises(ModelError, match="no reference network"):
        reference_drivers(open_model("driving", "driving"))


def test_frames_are_kept_for_the_reference_and_other_files_are_refused(tmp_path):
    fold, held = drive_of(6), drive_of(2, seed=1)
    path = save_frames(Material("toy", [fold], [held], {"data": "toy"}, "none"), tmp_path)
    drive, facts = load_frames(path)
    assert len(drive) == 8
    assert (drive.steering == np.concatenate([fold.steering, held.steering])).all()
    assert facts == {"data": "toy", "licence": "none"}
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no training frames"):
        load_frames(tmp_path / "other.npz")
