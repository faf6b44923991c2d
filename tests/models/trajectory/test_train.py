"""The training of the forecasts goes on from its own checkpoint alone."""

from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch")

from headway.errors import UsageError  # noqa: E402
from headway.models.checkpoint import write_checkpoint  # noqa: E402
from headway.models.trajectory.config import CameraConfig, TrainingConfig  # noqa: E402
from headway.models.trajectory.train import CHECKPOINT, train  # noqa: E402

pytestmark = pytest.mark.train


def test_a_run_does_not_go_on_without_another_scene(tmp_path):
    write_checkpoint(tmp_path / CHECKPOINT, {}, {**asdict(TrainingConfig()), "held_out": "eth"})
    with pytest.raises(UsageError, match=r"held_out eth \(now hotel\)"):
        train("hotel", TrainingConfig(), CameraConfig(), tmp_path)
