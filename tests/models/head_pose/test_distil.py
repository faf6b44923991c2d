"""Dual-head distillation: the second rotation learns the teacher, the mixture that is best is answered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.evaluate.head_labels import HeadLabels  # noqa: E402
from headway.models.head_pose.config import SIZES, TrainConfig  # noqa: E402
from headway.models.head_pose.decode import gram_schmidt  # noqa: E402
from headway.models.head_pose.distil import MIXES, choose_mix, load_network  # noqa: E402
from headway.models.head_pose.fit import Limit, Run  # noqa: E402
from headway.models.head_pose.network import HeadPoseNet, mixed  # noqa: E402
from headway.paths import weights_dir  # noqa: E402

pytestmark = pytest.mark.train

TAUGHT = replace(SIZES["nano"], taught=True)


def test_a_mixture_of_one_is_that_one_whatever_the_lengths():
    own, taught = torch.randn(2, 6, 3, 3), 7.0 * torch.randn(2, 6, 3, 3)

    def rotation(six):
        return gram_schmidt(six.movedim(1, -1))

    torch.testing.assert_close(rotation(mixed(own, taught, 0.0)), rotation(own), atol=1e-5, rtol=0)
    torch.testing.assert_close(rotation(mixed(own, taught, 1.0)), rotation(taught), atol=1e-5, rtol=0)
    torch.testing.assert_close(mixed(own, taught, 0.5), mixed(7.0 * own, taught, 0.5))


def test_the_share_with_the_least_error_is_set(painted_pictures):
    torch.manual_seed(0)
    network = HeadPoseNet(TAUGHT).eval()
    torch.nn.init.normal_(network.taught_out.weight, std=0.3)
    samples = painted_pictures(8, 96)
    labels = HeadLabels(
        tuple(Path(f"{i}.png") for i in range(8)),
        np.repeat(np.arange(8), [len(s.boxes) for s in samples]),
        np.concatenate([s.boxes for s in samples]),
        np.concatenate([s.rotation for s in samples]),
        np.ones(sum(len(s.boxes) for s in samples)),
    )
    errors = choose_mix(network, [s.image for s in samples], labels, 64)
    assert list(errors) == [f"{m:g}" for m in MIXES]
    assert errors[f"{float(network.mix):g}"] == min(errors.values())


def test_the_second_rotation_comes_nearer_to_the_teacher_than_it_was(tmp_path, painted_pictures):
    class Painted:
        size = 64
        labels = HeadLabels((), np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 3, 3)), np.zeros(0))

        def __init__(self):
            self.samples = painted_pictures(8, 64)

        def batch(self, count):
            return self.samples[:count]

    teacher = load_network(weights_dir() / "head-pose")
    config = TrainConfig(crop_size=64, crop_batch=8, crop_share=1.0, warmup_steps=5, teach_each=0, large_each=0)
    run = Run(config, Limit(steps=25), tmp_path, Painted(), Painted(), shape=TAUGHT, teacher=teacher)

    def apart() -> float:
        """Of the second rotation's direction from the teacher's, over all cells."""
        images = torch.from_numpy(np.stack([s.image for s in run.crops.samples])).permute(0, 3, 1, 2).float()
        network = run.network.eval()
        with torch.no_grad():
            network.mix.fill_(1.0)
            mine, said = (m[1][:, 5:11].movedim(1, -1) for m in (network(images), teacher(images)))
        return float((gram_schmidt(mine) - gram_schmidt(said)).square().sum((-1, -2)).mean())

    before = apart()
    run.fit()
    assert apart() < 0.8 * before
