"""Mean teacher (after SemiUHPE): the averaged network labels photographs, and what it is sure of is learnt.

The teacher sees each picture as it is; the student sees it turned, mirrored, recoloured and half covered, with the
teacher's answer turned along. Which answers count is decided anew each time: those with the least entropy. A head whose
pose the teacher is not sure of is neither wanted nor an error. Of each picture it is known that one head is in it, so
the rest is background even where the teacher takes it for a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headway.evaluate.head_labels import HeadLabels
from headway.models.head_pose.config import BOX, LOG_SIGMA, ROTATION, SCORE, TrainConfig
from headway.models.head_pose.crops import Sampler
from headway.models.head_pose.data import Image, Sample
from headway.models.head_pose.decode import Exported
from headway.models.head_pose.feed import Feed
from headway.models.head_pose.loss import Targets
from headway.models.head_pose.network import HeadPoseNet
from headway.stages.letterbox import Letterbox

VIEW = 256
"""Side of the square in which the teacher sees a picture: the size of the frames that it learns from."""

COVER_SHARE = (0.15, 0.5)
"""Of the sides of a head's box: what an occluder covers."""


@torch.no_grad()
def teach(teacher: HeadPoseNet, photos: Sequence[Image], kept: float, least_score: float) -> HeadLabels:
    """The teacher's best head in each picture, in that picture's pixels; visibility 1 where it is sure, 0 elsewhere.

    kept: share of the found heads that count, those of least entropy (log sigma, for a Laplace distribution). A picture
    in which no score reaches `least_score` has no label, and its best box is not sure.
    """
    device = next(teacher.parameters()).device
    view, look = Letterbox(VIEW, VIEW), Exported(teacher, VIEW, VIEW).to(device).eval()
    best = []
    for photo in photos:
        row = look(torch.from_numpy(view(photo)).to(device))[0, 0].cpu().numpy().astype(float)
        row[BOX] = view.boxes_to_source(row[BOX])[0]
        best.append(row)
    rows = np.array(best)
    entropy, found = rows[:, LOG_SIGMA][:, 0], rows[:, SCORE][:, 0] >= least_score
    threshold = np.quantile(entropy[found], kept) if found.any() else -np.inf
    return HeadLabels(
        images=tuple(Path(f"photo-{i}") for i in range(len(photos))),
        index=np.arange(len(photos)),
        boxes=rows[:, BOX],
        rotation=rows[:, ROTATION].reshape(-1, 3, 3),
        visibility=(found & (entropy <= threshold)).astype(float),
    )


def occluded(sample: Sample, rng: np.random.Generator) -> Sample:
    """Cut-occlusion: a part of every head is covered with a piece of the same picture; labels stay."""
    image, size = sample.image.copy(), sample.image.shape[0]
    for x0, y0, x1, y1 in sample.boxes:
        w, h = (int(max(2, s * rng.uniform(*COVER_SHARE))) for s in (x1 - x0, y1 - y0))
        x, y = (int(rng.uniform(low, max(low + 1, high))) for low, high in ((x0, x1 - w), (y0, y1 - h)))
        u, v = int(rng.integers(0, max(1, size - w))), int(rng.integers(0, max(1, size - h)))
        x, y = int(np.clip(x, 0, max(0, size - w))), int(np.clip(y, 0, max(0, size - h)))
        image[y : y + h, x : x + w] = sample.image[v : v + h, u : u + w]
    return Sample(image, sample.boxes, sample.rotation, sample.ignore)


class Covered:
    """A stream of which some pictures have a part of every head covered."""

    def __init__(self, sampler: Sampler, share: float) -> None:
        self._sampler, self._share = sampler, share

    def reseed(self, seed: int, rank: int = 0) -> None:
        """See Sampler.reseed."""
        self._sampler.reseed(seed, rank)

    def batch(self, count: int) -> list[Sample]:
        """The next `count` pictures."""
        rng = self._sampler.rng
        return [occluded(s, rng) if rng.random() < self._share else s for s in self._sampler.batch(count)]


class Lessons:
    """A stream of photographs with the labels that the teacher gives them, anew every `teach_every` steps.

    workers: processes that make the pictures ahead (see feed.py).
    """

    def __init__(self, photos: Sequence[Image], config: TrainConfig, rank: int = 0, workers: int = 0) -> None:
        self.size = config.frame_size
        self._photos, self._config, self._rank, self._workers = photos, config, rank, workers
        self._labels: HeadLabels | None = None
        self.reseed(config.seed)

    def reseed(self, seed: int) -> None:
        """Starts another stream, with new labels; those of the members of a team differ."""
        self._seed = seed
        self._rng = np.random.default_rng([seed, self.size, self._rank, len(self._photos)])
        self._taught = -self._config.teach_every

    @property
    def sure(self) -> int:
        """Pictures with a label, as of the last lesson."""
        return 0 if self._labels is None else int(self._labels.visibility.sum())

    def batch(self, step: int, teacher: HeadPoseNet) -> tuple[Tensor, Targets] | None:
        """The next batch of `teach_batch` pictures; None where the teacher is not sure of any."""
        c = self._config
        if step - self._taught >= c.teach_every:
            self._labels, self._taught = teach(teacher, self._photos, c.teach_kept, c.teach_score), step
            sampler = Sampler(self._photos, self._labels, self.size, self._rng, around_heads=False)
            self._feed = Feed(Covered(sampler, c.cover_share), c.teach_batch, self._workers, self._seed + step)
        return self._feed.next() if self.sure else None
