"""Imitation data: seeds apart from evaluation, expert labels whoever steers."""

from __future__ import annotations

import numpy as np
import pytest

from headway.evaluate.closed_loop import FIRST_SEED
from headway.evaluate.held_out import pushed_run
from headway.evaluate.tub import Drive
from headway.models.driving.imitation import KEEP_EVERY, balanced, braking, record, witnessed
from headway.types import Steering
from headway.worlds.roadworld import TRAINING_SEEDS, Roadworld


def test_evaluation_seeds_are_refused_for_training():
    assert FIRST_SEED >= TRAINING_SEEDS
    with pytest.raises(ValueError, match="belongs to evaluation"):
        record(Roadworld(), FIRST_SEED)


def test_an_episode_repeats_and_a_learner_that_drifts_is_corrected_by_the_labels():
    world = Roadworld()
    own = record(world, 5)
    assert (record(world, 5).drive.images == own.drive.images).all()
    drifting = record(world, 5, learner=lambda image: 0.25)
    count = min(len(own.drive), len(drifting.drive), 20)
    # Whoever pushes to the left, the expert's labels pull to the right.
    assert drifting.drive.steering[5:count].mean() < own.drive.steering[5:count].mean() - 0.02


def test_balancing_thins_straight_frames_only():
    steering = np.concatenate([np.zeros(1000), np.full(100, 0.4)]).astype(np.float32)
    drive = Drive(np.zeros((1100, 1, 1, 3), np.uint8), steering, steering)
    kept = balanced(drive, np.random.default_rng(0)).steering
    assert (kept == np.float32(0.4)).sum() == 100
    assert 400 < (kept == 0).sum() < 600


def test_the_brake_label_is_the_share_of_the_strongest_deceleration():
    assert braking(5.0, 5.2) == 0.0
    assert braking(5.2, 5.0) == 0.0  # a matter of the throttle
    assert braking(6.5, 5.0) == pytest.approx(0.5)
    assert braking(9.0, 2.0) == 1.0


def test_calibration_drives_are_those_of_the_evaluation_on_other_seeds():
    world = Roadworld()
    drive = witnessed(world, ["straight"], range(5000, 5001))
    run = pushed_run(world, Still(), "straight", 5000)
    assert len(drive) == len(run.error[::KEEP_EVERY])
    np.testing.assert_allclose(np.abs(drive.steering), run.error[::KEEP_EVERY], atol=1e-6)  # who says 0 errs by it all
    assert (drive.images[0] == world.reset("straight", 5000).image).all()
    with pytest.raises(ValueError, match="belongs to evaluation"):
        witnessed(world, ["straight"], range(FIRST_SEED, FIRST_SEED + 1))


class Still:
    """Says 0 whatever it sees."""

    def reset(self):
        pass

    def __call__(self, image, seen):
        return Steering(0.0, 0.5, (-0.1, 0.1), 0.5)
