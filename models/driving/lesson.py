"""Dual-head distillation (DHKD, DHO): one backbone, one pair of heads learns the expert, the other a larger teacher.

The teacher is the same architecture several times as wide, trained on the same fold, so that a student's held-out
frames are unseen by its teacher too. Its answers to the clean frames are kept: the student's teacher heads must give
them for the changed frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headway.evaluate.tub import Drive
from headway.models.driving.network import DrivingNetwork, Member, mixed
from headway.stages.drive import bin_of

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
TEACHER_SCALE = 2
"""How many times as wide the teacher is."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of the frames of one fold: controls (N, C), bin probabilities (N, 11)."""

    controls: Tensor
    probability: Tensor

    def loss(self, said: tuple[Tensor, Tensor], rows: np.ndarray, mirrored: np.ndarray) -> Tensor:
        """How far the teacher heads (controls, logits) are from the teacher on these rows: Huber on the controls,
        cross-entropy of the bins. In mirrored frames the teacher steers the other way, and its bins change places."""
        controls, logits = said
        wanted, p = self.controls[rows].clone(), self.probability[rows].clone()
        turned = torch.from_numpy(mirrored)
        wanted[turned, 0] = -wanted[turned, 0]
        p[turned] = p[turned].flip(1)
        return 4.0 * F.huber_loss(controls, wanted, delta=0.2) + F.cross_entropy(logits, p)


@torch.no_grad()
def lesson_of(teacher: DrivingNetwork, member: int, drive: Drive) -> Lesson:
    """The answers of one member of the teacher to all frames of `drive`."""
    teacher.eval()
    controls, probability = [], []
    for chunk in np.array_split(drive.images, max(len(drive) // 64, 1)):
        said, logits, _ = teacher.members[member](teacher.normalised(torch.from_numpy(np.ascontiguousarray(chunk))))
        controls.append(said)
        probability.append(torch.softmax(logits, -1))
    return Lesson(torch.cat(controls), torch.cat(probability))


@dataclass(frozen=True)
class Ablation:
    """Held-out steering error and negative log likelihood of the right bin (nats), by name, and the mixture chosen."""

    rows: dict[str, dict[str, float]]
    mix: float


@torch.no_grad()
def ablation(plain: DrivingNetwork, taught: DrivingNetwork, teacher: DrivingNetwork, held: Sequence[Drive]) -> Ablation:
    """Each member on what it has not seen: the plain network, the teacher, and the taught network at every mixture.

    The mixture with the least error is set in `taught`.
    """
    rows = {"plain": _scores([_heads(plain, m, d) for m, d in enumerate(held)], held)}
    rows["teacher"] = _scores([_heads(teacher, m, d) for m, d in enumerate(held)], held)
    own = [_heads(taught, m, d) for m, d in enumerate(held)]
    other = [_heads(taught, m, d, True) for m, d in enumerate(held)]
    for share in MIXES:
        both = [mixed(a, b, share) for a, b in zip(own, other, strict=True)]
        rows[f"taught, mix {share:g}"] = _scores(both, held)
    best = min(MIXES, key=lambda share: rows[f"taught, mix {share:g}"]["steering_mae"])
    for member in taught.members:
        member.mix.fill_(best)  # type: ignore[operator]  # a buffer; torch types members as Module
    return Ablation(rows, best)


def _heads(network: DrivingNetwork, index: int, drive: Drive, taught: bool = False) -> tuple[Tensor, Tensor]:
    member: Member = network.eval().members[index]  # type: ignore[assignment]
    parts = []
    for chunk in np.array_split(drive.images, max(len(drive) // 64, 1)):
        h, _ = member.hidden(network.normalised(torch.from_numpy(np.ascontiguousarray(chunk))))
        parts.append(member.teacher_heads(h) if taught else member.expert_heads(h))
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def _scores(answers: Sequence[tuple[Tensor, Tensor]], held: Sequence[Drive]) -> dict[str, float]:
    steering = np.concatenate([d.steering for d in held])
    controls, logits = (torch.cat([a[i] for a in answers]).double().numpy() for i in range(2))
    likelihood = torch.log_softmax(torch.from_numpy(logits), -1).numpy()
    return {
        "steering_mae": float(np.abs(controls[:, 0] - steering).mean()),
        "bin_nll": float(-likelihood[np.arange(len(steering)), bin_of(steering)].mean()),
    }
