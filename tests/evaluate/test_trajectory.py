import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.evaluate.pedestrians import SCENES, Recording, moments, position_noise, read_recording, read_split
from headway.evaluate.predictors import constant_velocity, line_fit
from headway.evaluate.trajectory import Windows, baseline_errors, groups, metrics

WINDOWS = {"eth": 364, "hotel": 1197, "univ": 24334, "zara1": 2356, "zara2": 5910}


def test_constant_velocity_on_eth_ucy_is_the_published_number(shared_data) -> None:
    shared_data("eth_ucy")
    means = []
    for scene in SCENES:
        errors = baseline_errors(scene)["constant-velocity"]
        assert len(errors) == WINDOWS[scene]
        found = metrics(errors, np.ones((len(errors), 1)))
        means.append((found["ade"], found["fde"]))
    np.testing.assert_allclose(np.mean(means, axis=0), [0.534, 1.148], atol=0.005)


def test_a_held_out_scene_is_in_none_of_its_training_files(shared_data) -> None:
    shared_data("eth_ucy")
    own = {"eth": {"biwi_eth"}, "hotel": {"biwi_hotel"}, "univ": {"students001", "students003"}}
    own |= {"zara1": {"crowds_zara01"}, "zara2": {"crowds_zara02"}}
    for scene in SCENES:
        assert {r.name for r in read_split(scene, "test")} == own[scene]
        for split in ("train", "val"):
            names = {r.name.rsplit("_", 1)[0] for r in read_split(scene, split)}
            assert len(names) == 8 - len(own[scene])
            assert not names & own[scene]


def test_perfectly_straight_people_are_predicted_without_error() -> None:
    t = np.arange(20)[None, :, None]
    whole = np.array([[[1.0, 2.0]], [[-3.0, 0.0]]]) + np.array([[[0.3, -0.2]], [[0.0, 0.5]]]) * t
    for predictor in (constant_velocity, line_fit):
        np.testing.assert_allclose(predictor(whole[:, :8], 12), whole[:, 8:], atol=1e-9)


def test_metrics_take_the_most_likely_mode_and_the_best_one() -> None:
    errors = np.stack([np.full((2, 12), 1.0), np.full((2, 12), 0.5), np.full((2, 12), 3.0)], axis=1)
    probability = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2]])
    found = metrics(errors, probability)
    assert found == {"ade": 2.0, "fde": 2.0, "min_ade20": 0.5, "min_fde20": 0.5}


@given(st.integers(1, 90), st.integers(0, 1000))
def test_in_a_crowd_everybody_is_answered_once_with_their_neighbours(people: int, seed: int) -> None:
    now = np.random.default_rng(seed).normal(0, 5, (people, 2))
    answered: list[int] = []
    for members, count in groups(now, 32):
        assert len(members) <= 32
        assert len(set(members)) == len(members)
        answered += list(members[:count])
    assert sorted(answered) == list(range(people))


def test_moments_list_everybody_there_and_score_only_the_complete() -> None:
    positions = np.zeros((30, 3, 2)) + np.arange(30)[:, None, None]
    positions[15:, 1] = np.nan
    positions[:20, 2] = np.nan
    found = moments(Recording("made", np.array([4, 5, 6]), positions))
    assert sum(m.scored.sum() for m in found) == 30 - 20 + 1
    at_ten = next(m for m in found if m.frame == 10)
    assert at_ten.ids.tolist() == [4, 5]
    assert at_ten.scored.tolist() == [True, False]


def test_a_score_is_the_largest_error_over_the_path_in_units_of_its_scale() -> None:
    errors = np.array([[[1.0, 4.0], [9.0, 9.0]], [[5.0, 5.0], [1.0, 1.0]]])
    windows = Windows(
        errors, np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1.0, 2.0], [0.5, 4.0]]), *np.zeros((2, 2), int),
        np.zeros((2, 2)),
    )  # fmt: skip
    assert windows.scores().score.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_the_noise_of_positions_is_told_from_walking(noise: float) -> None:
    random = np.random.default_rng(0)
    steps = random.normal(0, 0.5, (40, 1, 2)) + 0.05 * np.sin(np.arange(8) / 3)[None, :, None]
    past = steps.cumsum(axis=1) + noise * random.normal(size=(40, 8, 2))
    assert position_noise(past, np.ones((40, 8), bool)) == pytest.approx(noise, rel=0.1, abs=0.004)
    assert position_noise(past, np.zeros((40, 8), bool)) == 0.01


def test_a_file_that_is_no_recording_is_refused(tmp_path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("1 2 3\n")
    with pytest.raises(UsageError, match="3 columns"):
        read_recording(path)
    with pytest.raises(UsageError, match="eth, hotel"):
        read_split("mars", "test")
