"""The driving network, its training data and its calibration."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from toy_drives import drive_of

from headway.evaluate.tub import Drive, split_blocks
from headway.models.driving import calibrate as c
from headway.models.driving.config import NetworkConfig, TrainConfig
from headway.models.driving.data import augment, flip, training_frames
from headway.models.driving.network import DrivingNetwork
from headway.models.driving.train import fit, predict, soft_bin_labels
from headway.runtime.manifest import read_manifest
from headway.runtime.model import model_folder
from headway.stages.drive import BIN_CENTRES, bin_of, fuse

pytestmark = pytest.mark.train


def test_the_default_network_keeps_within_two_million_parameters():
    network = DrivingNetwork(NetworkConfig())
    assert sum(p.numel() for p in network.parameters()) <= 2_000_000


def test_the_manifest_counts_the_parameters_that_the_network_has():
    manifest = read_manifest(model_folder("driving"))
    network = DrivingNetwork(NetworkConfig.of(manifest.training["network"]))
    assert manifest.parameters == sum(p.numel() for p in network.parameters())


def test_it_learns_a_toy_road_and_the_same_seed_gives_the_same_network():
    config = NetworkConfig(members=1, channels=(8, 8, 12, 12, 16), squeeze=8, hidden=24)
    train = TrainConfig(epochs=6, batch=16, learning_rate=4e-3)
    drive, held = drive_of(128), drive_of(40, seed=1)
    first, log = fit([drive], config, train, lambda *a: None)
    second, _ = fit([drive], config, train, lambda *a: None)
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    controls, logits, novelty = predict(first, held.images)
    again = predict(second, held.images)
    assert (controls == again[0]).all()
    assert (logits == again[1]).all()
    assert np.abs(controls[:, 0] - held.steering).mean() < 0.6 * np.abs(held.steering).mean()
    black = predict(first, np.zeros((2, 120, 160, 3), np.uint8))[2]
    assert black.min() > 2 * novelty.max()


def test_soft_labels_peak_in_the_right_bin_and_mirror():
    steering = torch.linspace(-0.95, 0.95, 39)
    labels = soft_bin_labels(steering, 0.6)
    assert torch.allclose(labels.sum(1), torch.ones(39))
    assert (labels.argmax(1).numpy() == bin_of(steering.numpy())).all()
    assert torch.allclose(soft_bin_labels(-steering, 0.6), labels.flip(1), atol=1e-6)


def test_a_mirrored_image_takes_the_mirrored_bin():
    drive = drive_of(50)
    images, steering = flip(drive.images, drive.steering)
    assert (images[:, :, ::-1] == drive.images).all()
    assert (bin_of(steering) == 10 - bin_of(drive.steering)).all()


def test_augmentation_is_seeded_and_leaves_its_input_alone():
    drive = drive_of(8)
    before = drive.images.copy()
    a, b = (augment(drive, np.random.default_rng(4), TrainConfig())[0] for _ in range(2))
    assert (a.images == b.images).all()
    assert (drive.images == before).all()
    assert set(np.abs(a.steering).round(6)) == set(np.abs(drive.steering).round(6))


def test_smoothing_lets_no_label_of_another_part_in():
    drive = drive_of(400)
    rows = split_blocks(400)["train"]
    other = np.setdiff1d(np.arange(400), rows)
    steering = drive.steering.copy()
    steering[other] = 1.0
    changed = Drive(drive.images, steering, drive.throttle)
    kept = training_frames(drive, rows, 3.0).steering
    assert (training_frames(changed, rows, 3.0).steering == kept).all()
    assert np.std(kept) < np.std(drive.steering[rows])


def test_the_conformal_quantile_covers_exchangeable_scores():
    rng = np.random.default_rng(0)
    covered = [rng.exponential() <= c.conformal_quantile(rng.exponential(size=99), 0.9) for _ in range(4000)]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.015)


def test_the_conformal_quantile_leaves_room_for_the_next_one():
    scores = np.arange(9.0, 0.0, -1.0)
    assert c.conformal_quantile(scores, 0.5) == 5.0
    assert c.conformal_quantile(scores, 0.85) == 9.0  # ten times 0.85, rounded up; of nine it would be the eighth
    assert c.conformal_quantile(scores, 0.99) == 9.0


def test_temperature_recovers_an_overconfident_classifier():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (6000, 11))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = np.array([rng.choice(11, p=row) for row in p])
    assert c.temperature_of(logits * 3.0, BIN_CENTRES[right]) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("doubt", [0.0, 3.0, 12.0])
def test_the_doubt_in_bends_is_recovered_and_hard_steering_is_covered_as_often_as_straight(doubt):
    rng = np.random.default_rng(0)
    steering, spread = rng.uniform(-1, 1, 40_000), rng.uniform(0.02, 0.1, 40_000)
    error = np.abs(rng.laplace(0, 0.3 * spread * (1 + doubt * np.abs(steering))))
    found, _ = c.doubts_of(error, spread, steering)
    assert found == pytest.approx(doubt, rel=0.1, abs=0.25)
    scores = error / (spread * (1 + found * np.abs(steering)))
    covered, hard = scores <= c.conformal_quantile(scores, 0.9), np.abs(steering) > 0.7
    assert covered[hard].mean() == pytest.approx(0.9, abs=0.02)
    assert covered[~hard].mean() == pytest.approx(0.9, abs=0.02)


def test_doubts_of_bends_and_of_slowness_are_told_apart():
    rng = np.random.default_rng(0)
    steering, spread, slow = rng.uniform(-1, 1, 20_000), rng.uniform(0.02, 0.1, 20_000), rng.uniform(0, 1, 20_000)
    error = np.abs(rng.laplace(0, 0.3 * spread * (1 + (4.0 + 30.0 * slow) * np.abs(steering))))
    bend, more = c.doubts_of(error, spread, steering, slow)
    assert bend == pytest.approx(4.0, abs=1.0)
    assert more == pytest.approx(30.0, abs=4.0)


def test_slow_frames_are_covered_as_often_as_fast_ones():
    rng = np.random.default_rng(1)
    said = rng.uniform(-0.8, 0.8, 6000)
    speed = rng.uniform(0, 8, 6000)
    away = np.abs(BIN_CENTRES - said[:, None])
    logits, throttle = -30.0 * away, np.ones(6000)
    error = rng.laplace(0, 0.01 * (1 + (2.0 + 20.0 * (1 - speed / 8)) * np.abs(said)))
    found = c.calibrate(np.stack([said, throttle], 1), logits, np.ones(6000), said + error, speed, 8.0)
    belief = fuse(said, logits, found.temperature, found.regression_sigma, found.bend_doubt)
    half = found.conformal_scale * belief.spread * found.slow_factor(belief.steering, throttle, speed)
    covered = np.abs(belief.steering - said - error) <= half
    assert found.slow_doubt > 2.0 * found.bend_doubt
    assert found.regression_sigma == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.handover_width == pytest.approx(c.HANDOVER_MARGIN * found.conformal_scale * belief.spread.max())
    spread = half / found.conformal_scale
    confidence = 1 / (1 + np.exp(found.confidence_slope * np.log(spread) - found.confidence_intercept))
    small = np.abs(belief.steering - said - error) <= c.SMALL_ERROR
    for frames in (speed < 2, speed > 6):
        assert covered[frames].mean() == pytest.approx(0.9, abs=0.03)
        assert confidence[frames].mean() == pytest.approx(small[frames].mean(), abs=0.03)


def test_logistic_recovers_its_own_parameters():
    rng = np.random.default_rng(0)
    x = rng.normal(-1.5, 0.7, 20_000)
    correct = rng.uniform(size=20_000) < 1 / (1 + np.exp(-(-2.0 - 2.5 * x)))
    intercept, slope = c.logistic(x, correct)
    assert intercept == pytest.approx(-2.0, abs=0.15)
    assert slope == pytest.approx(2.5, abs=0.15)
