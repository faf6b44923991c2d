import json

import numpy as np
import pytest

from headway.errors import ModelError
from headway.evaluate.coverage import GROUPS, LEVELS, Scores, coverage, hits, leave_out_tables, table, weighted_quantile
from headway.stages.calibration import (
    BY_SIZE,
    CONDITIONS,
    RECORDED,
    RELATIVE,
    SPREAD_BY_SIZE,
    Calibration,
)


def made(moments: int, people: int, seed: int, scale: float = 1.0, common: float = 0.0) -> Scores:
    """Exponential scores of `people` in each of `moments`; `common`: share that all people of a moment have in
    common. Everybody is somebody new."""
    random = np.random.default_rng(seed)
    own = random.exponential(size=(moments, people))
    score = scale * ((1 - common) * own + common * random.exponential(size=(moments, 1)))
    number = np.repeat(np.arange(moments), people)
    return Scores(score.ravel(), np.arange(moments * people), number, random.normal(size=(moments * people, 2)))


def calibration(rows: np.ndarray) -> Calibration:
    return Calibration(np.ones(12), LEVELS, np.array(GROUPS, float), dict.fromkeys(CONDITIONS, rows))


@pytest.mark.parametrize("people", [1, 2, 8])
@pytest.mark.parametrize("common", [0.0, 0.6])
@pytest.mark.parametrize("nominal", [0.7, 0.9])
def test_both_radii_hold_at_their_level_on_people_not_calibrated_on(people, common, nominal) -> None:
    fitted = calibration(table(made(3000, people, 0, common=common)))
    inside, weights, together = hits(made(3000, people, 1, common=common), fitted, nominal)
    assert (inside * weights).sum() / weights.sum() == pytest.approx(nominal, abs=0.025)
    assert together.mean() == pytest.approx(nominal, abs=0.025)


def test_more_people_at_once_need_a_wider_radius_unless_they_err_together() -> None:
    alone, bound = (table(made(2000, 8, 0, common=c)) for c in (0.0, 0.999))
    level = int(np.argmin(np.abs(LEVELS - 0.9)))
    assert alone[GROUPS.index(8), level] > 1.5 * alone[0, level]
    assert bound[GROUPS.index(8), level] == pytest.approx(bound[0, level], rel=0.1)
    assert (np.diff(alone, axis=0) >= 0).all()
    assert (np.diff(alone, axis=1) >= 0).all()


def test_a_group_size_never_seen_is_taken_as_independent_people() -> None:
    few, many = table(made(4000, 2, 0)), table(made(4000, 8, 0))
    level = int(np.argmin(np.abs(LEVELS - 0.9)))
    for size in (4, 8):
        assert few[GROUPS.index(size), level] == pytest.approx(many[GROUPS.index(size), level], rel=0.1)


def test_a_person_seen_often_has_one_vote() -> None:
    often = Scores(np.array([9.0] * 99 + [1.0]), np.array([0] * 99 + [1]), np.arange(100), np.zeros((100, 2)))
    assert often.weights().sum() == pytest.approx(2)
    fitted = calibration(np.full((len(GROUPS), len(LEVELS)), 5.0))
    assert coverage({"made": often}, {"made": fitted}, 0.9)["measured"] == pytest.approx(0.5)


def test_people_and_moments_of_joined_scores_are_kept_apart() -> None:
    parts = [made(moments, people, 0) for moments, people in ((2, 3), (5, 1), (1, 4), (3, 2))]
    joined = Scores.joined(parts)
    assert len(np.unique(joined.track)) == sum(len(np.unique(p.track)) for p in parts)
    assert joined.crowd().tolist() == np.concatenate([p.crowd() for p in parts]).tolist()


def test_everybody_must_stay_inside_for_a_moment_to_count() -> None:
    scores = Scores(np.array([1.0, 9.0, 1.0, 1.0]), np.arange(4), np.array([0, 0, 1, 1]), np.zeros((4, 2)))
    report = coverage({"made": scores}, {"made": calibration(np.full((len(GROUPS), len(LEVELS)), 5.0))}, 0.9)
    assert report["measured"] == pytest.approx(0.75)
    assert report["together"]["measured"] == pytest.approx(0.5)


def test_a_scene_is_judged_by_radii_from_the_other_ones() -> None:
    scores = {"easy": made(400, 1, 0), "hard": made(400, 1, 1, scale=10.0)}
    tables = leave_out_tables(scores)
    fitted = {s: calibration(tables[s]) for s in scores}
    found = coverage(scores, fitted, 0.9, RECORDED)["by_scene"]
    assert found["easy"] > 0.99
    assert found["hard"] < 0.4


def test_joined_people_and_moments_are_kept_apart() -> None:
    both = Scores.joined([made(3, 2, 0), made(3, 2, 1)])
    assert len(np.unique(both.track)) == 12
    assert len(np.unique(both.moment)) == 6
    assert (both.crowd() == 2).all()


def test_the_quantile_leaves_room_for_the_next_one() -> None:
    values = np.arange(1.0, 20.0)
    assert weighted_quantile(values, np.ones(19), 0.9) == 18.0
    assert weighted_quantile(values, np.ones(19), 0.99) == 19.0
    # Of ten the next one is the tenth: 85 % of ten are nine, of nine they would be eight.
    assert weighted_quantile(values[:9], np.ones(9), 0.85) == 9.0


def test_a_group_is_somebody_and_those_nearest_to_them_and_every_moment_has_one_vote() -> None:
    place = np.array([[0.0, 0], [1, 0], [10, 0], [5, 5], [0, 0], [0, 1]])
    moment = np.array([0, 0, 0, 1, 2, 2])
    values, weights = Scores(np.array([1.0, 2, 3, 9, 4, 5]), np.arange(6), moment, place).grouped(2)
    assert values.tolist() == [2.0, 2.0, 3.0, 5.0, 5.0]  # whoever is alone at a moment is in no group of two
    np.testing.assert_allclose(weights, [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2])


def written(folder, **change) -> str:
    rows = [[1.0, 2.0], [1.5, 3.0]]
    content = {"floor_m": [0.1] * 12, "levels": [0.5, 0.9], "people": [1, 4]}
    content |= {"scores": dict.fromkeys(CONDITIONS, rows)} | change
    path = folder / "calibration.json"
    path.write_text(json.dumps(content))
    return path


def test_between_two_group_sizes_the_quantile_lies_between(tmp_path) -> None:
    c = Calibration.parse(written(tmp_path))
    assert c.quantile(0.9) == 2.0
    assert 2.0 < c.quantile(0.9, 2) < 3.0
    assert c.quantile(0.9, 4) == c.quantile(0.9, 30) == 3.0
    assert c.quantile(0.7, 1) == pytest.approx(1.5)


@pytest.mark.parametrize(
    "change", [{"scores": {}}, {"people": [1]}, {"floor_m": "wide"}, {"levels": [0.5, None]}, {"floor_m": []}]
)
def test_a_malformed_calibration_is_refused_with_its_path(tmp_path, change) -> None:
    with pytest.raises(ModelError, match=r"calibration\.json is no calibration"):
        Calibration.parse(written(tmp_path, **change))


def test_a_calibration_from_before_ranges_by_head_size_is_refused_with_what_to_do(tmp_path) -> None:
    rows = [[1.0, 2.0], [1.5, 3.0]]
    old = {name: rows for name in CONDITIONS if name != BY_SIZE[RELATIVE]}
    with pytest.raises(ModelError, match=r"no scores for 'relative_by_size'.*--calibrate"):
        Calibration.parse(written(tmp_path, scores=old))


def test_ranges_by_head_size_trust_the_modes_less(tmp_path) -> None:
    c, random = Calibration.parse(written(tmp_path)), np.random.default_rng(0)
    modes, probability = random.normal(size=(3, 4, 12, 2)), np.full((3, 4), 0.25)
    doubt = random.uniform(0.1, 1.0, (3, 12))
    none = np.zeros(3, bool)
    np.testing.assert_array_equal(c.scale(modes, probability, doubt, none), c.scale(modes, probability, doubt))
    one = c.scale(modes, probability, doubt, np.array([False, True, False]))
    np.testing.assert_array_equal(one[[0, 2]], c.scale(modes, probability, doubt)[[0, 2]])
    away = c.scale(modes, probability)[1] - c.floor_m
    wanted = np.sqrt((c.floor_m + SPREAD_BY_SIZE * away) ** 2 + doubt[1])
    np.testing.assert_allclose(one[1], wanted)
