"""Dual-head distillation: the teacher heads learn the teacher, mirrored frames too, and a mixture is a mixture."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from toy_drives import drive_of  # noqa: E402

from headway.models.driving.config import NetworkConfig, TrainConfig  # noqa: E402
from headway.models.driving.lesson import MIXES, Lesson, ablation, lesson_of  # noqa: E402
from headway.models.driving.network import DrivingNetwork, mixed  # noqa: E402
from headway.models.driving.train import fit  # noqa: E402

pytestmark = pytest.mark.train

SMALL = NetworkConfig(members=1, channels=(8, 8, 12, 12, 16), squeeze=8, hidden=24)


def test_a_mirrored_frame_wants_the_mirrored_answer():
    controls = torch.tensor([[0.4, 0.7, 0.0], [0.4, 0.7, 0.0]])
    probability = torch.softmax(torch.arange(11.0), 0).repeat(2, 1)
    lesson = Lesson(controls, probability)
    rows, mirrored = np.array([0, 1]), np.array([False, True])
    right = (
        torch.tensor([[0.4, 0.7, 0.0], [-0.4, 0.7, 0.0]]),
        torch.log(torch.stack([probability[0], probability[0].flip(0)])),
    )
    wrong = torch.tensor([[0.4, 0.7, 0.0], [0.4, 0.7, 0.0]]), torch.log(probability)
    entropy = -(probability[0] * torch.log(probability[0])).sum()
    assert lesson.loss(right, rows, mirrored) == pytest.approx(float(entropy), abs=1e-5)
    assert lesson.loss(wrong, rows, mirrored) > entropy + 0.1


def test_the_mixture_lies_between_its_parts():
    a = torch.tensor([[1.0, 0.0]]), torch.log(torch.full((1, 11), 1 / 11))
    b = torch.tensor([[0.0, 1.0]]), torch.tensor([[9.0] + [0.0] * 10])
    controls, logits = mixed(a, b, 0.25)
    assert controls.tolist() == [[0.75, 0.25]]
    p = torch.softmax(logits, -1)[0]
    assert float(p[0]) == pytest.approx(0.75 / 11 + 0.25 * float(torch.softmax(b[1], -1)[0, 0]), abs=1e-3)


def test_teacher_heads_learn_the_teacher_and_the_best_mixture_is_kept():
    from dataclasses import replace

    config = TrainConfig(epochs=5, batch=16, learning_rate=4e-3)
    drive, held = drive_of(96), drive_of(32, seed=1)
    teacher, _ = fit([drive], replace(SMALL, hidden=48), config, lambda *a: None)
    lesson = lesson_of(teacher, 0, drive)
    plain, _ = fit([drive], SMALL, config, lambda *a: None)
    taught, _ = fit([drive], replace(SMALL, teacher=True), config, lambda *a: None, [lesson])
    found = ablation(plain, taught, teacher, [held])
    assert set(found.rows) == {"plain", "teacher", *(f"taught, mix {share:g}" for share in MIXES)}
    assert found.mix in MIXES
    assert float(taught.members[0].mix) == pytest.approx(found.mix)
    best = found.rows[f"taught, mix {found.mix:g}"]["steering_mae"]
    assert best == min(found.rows[f"taught, mix {share:g}"]["steering_mae"] for share in MIXES)
    taught.eval()
    x = taught.normalised(torch.from_numpy(held.images[:8]))
    h, _ = taught.members[0].hidden(x)
    far = taught.members[0].teacher_heads(h)[0][:, 0] - lesson_of(teacher, 0, held.at(np.arange(8))).controls[:, 0]
    assert far.abs().mean() < 0.35


def test_a_network_without_teacher_or_brake_has_the_weights_of_before():
    old = NetworkConfig.of({"members": 1, "channels": [16, 24, 32, 48, 64]})
    names = set(DrivingNetwork(old).state_dict())
    assert not any("taught" in name or "mix" in name for name in names)
    assert DrivingNetwork(old).members[0].controls.out_features == 2
    assert DrivingNetwork(NetworkConfig(members=1)).members[0].controls.out_features == 3
