"""Batches follow from seed and step alone, and a mirrored frame takes its steering with it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from toy_drives import drive_of  # noqa: E402

from headway.models.driving.data import flip  # noqa: E402
from headway.models.driving.reference_feed import Feed, steps_an_epoch  # noqa: E402

pytestmark = pytest.mark.train


def expected(drive, batch: int, seed: int, mirror: bool, step: int):
    steps = steps_an_epoch(len(drive), batch)
    epoch, at = divmod(step, steps)
    rows = np.array_split(np.random.default_rng([seed, epoch]).permutation(len(drive)), steps)[at]
    images, steering = drive.images[rows], drive.steering[rows]
    if mirror:
        turned = np.random.default_rng([seed, epoch, at]).random(len(rows)) < 0.5
        images[turned], steering[turned] = flip(images[turned].copy(), steering[turned].copy())
    return images, steering


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_is_the_one_that_seed_and_step_name(mirror):
    drive = drive_of(11)
    feed = Feed(drive, 4, 7, mirror)
    assert feed.steps == 3
    for step in (0, 1, 2, 3, 8, 4):  # back into an epoch that is over, too
        images, steering = feed.batch(step)
        wanted = expected(drive, 4, 7, mirror, step)
        assert (images.numpy() == wanted[0]).all()
        assert (steering.numpy() == wanted[1]).all()


def test_an_epoch_takes_every_frame_once():
    drive = drive_of(11)
    feed = Feed(drive, 4, 0, False)
    seen = torch.cat([feed.batch(step)[1] for step in range(feed.steps)])
    assert sorted(seen.tolist()) == sorted(drive.steering.tolist())
