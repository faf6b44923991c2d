"""The first thing a network must show: that it can learn fifty pictures by heart, boxes and rotations."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.evaluate.head_labels import HeadLabels  # noqa: E402
from headway.evaluate.head_pose import report_of  # noqa: E402
from headway.geometry import rotation_from_6d  # noqa: E402
from headway.models.head_pose.config import BOX, LOG_SIGMA, ROTATION, SCORE, SIZES, TrainConfig  # noqa: E402
from headway.models.head_pose.decode import Exported  # noqa: E402
from headway.models.head_pose.fit import Limit, Run  # noqa: E402
from headway.stages.nms import suppress  # noqa: E402
from headway.types import Heads  # noqa: E402

SIZE, PICTURES, STEPS = 96, 50, 160


class Fixed:
    """The same pictures for ever, in random order."""

    size = SIZE
    labels = HeadLabels((), np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 3, 3)), np.zeros(0))

    def __init__(self, samples):
        self.samples, self.rng = samples, np.random.default_rng(0)

    def batch(self, count):
        return [self.samples[i] for i in self.rng.permutation(len(self.samples))[:count]]


def read(network, image) -> Heads:
    with torch.no_grad():
        rows = Exported(network, SIZE, SIZE).eval()(torch.from_numpy(image[None]))[0].numpy()
    rows = rows[rows[:, SCORE][:, 0] > 0.01]
    rows = rows[suppress(rows[:, BOX], 0.45)]
    nine = rows[:, ROTATION].reshape(-1, 3, 3).astype(float)
    rotation = rotation_from_6d(np.concatenate([nine[..., 0], nine[..., 1]], -1))
    sigma = np.degrees(np.exp(rows[:, LOG_SIGMA][:, 0].astype(float)))
    return Heads(rows[:, BOX], rows[:, SCORE][:, 0], rotation, sigma, sigma * 0)


@pytest.mark.train
@pytest.mark.slow
def test_the_network_learns_fifty_pictures_by_heart(tmp_path, painted_pictures):
    torch.set_num_threads(1)
    samples = painted_pictures(PICTURES, SIZE)
    config = TrainConfig(
        crop_batch=25, crop_share=1.0, learning_rate=4e-3, warmup_steps=20, ema=0.9, raw_pose_share=0.3
    )
    run = Run(config, Limit(steps=STEPS), tmp_path, Fixed(samples), Fixed(samples), shape=SIZES["nano"])
    run.fit()
    labels = HeadLabels(
        tuple(Path(f"{i}.png") for i in range(PICTURES)),
        np.repeat(np.arange(PICTURES), [len(s.boxes) for s in samples]),
        np.concatenate([s.boxes for s in samples]),
        np.concatenate([s.rotation for s in samples]),
        np.ones(sum(len(s.boxes) for s in samples)),
    )
    report = report_of(labels, [read(run.average.network, s.image) for s in samples], 0.35)
    assert report["ap50"] > 0.95
    assert report["recall"] > 0.95
    assert report["geodesic_deg"]["mean"] < 5.0
