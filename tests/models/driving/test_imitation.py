"""Imitation data: seeds apart from evaluation, expert labels whoever steers."""

from __future__ import annotations

import numpy as np
import pytest

from headway.evaluate.closed_loop import FIRST_SEED
from headway.evaluate.tub import Drive
from headway.models.driving.imitation import balanced, braking, record
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
