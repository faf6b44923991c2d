"""Whether a probability of contact was true is counted on people whose next seconds are known, and its fit finds what
made the data."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from headway.evaluate.alert_tuning import follow
from headway.evaluate.alerts import CONFLICT_M
from headway.evaluate.contact_calibration import ContactOutcomes, outcomes, reliable
from headway.evaluate.contact_tuning import Evidence, evidence, fit, left_out, published_outcomes
from headway.evaluate.egocentric import Wearing, dense, walk
from headway.evaluate.pedestrians import Recording
from headway.evaluate.walk_run import Stages
from headway.evaluate.walk_scores import EVERY_S
from headway.runtime.model import open_model
from headway.stages.contact_belief import CONTACT, ContactBelief
from headway.stages.heads_up import HeadsUpTrack
from headway.stages.risk import RiskConfig

distances = arrays(
    float, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.sampled_from([0.4, 3.0, np.nan])
)


def crowd() -> Recording:
    """Person 0 walks along x; one comes head on, one crosses, one is overtaken and stays behind."""
    t = np.arange(30)[:, None] * 0.4
    paths = [
        np.hstack([1.2 * t, 0 * t]),
        np.hstack([16 - 1.1 * t, 0.3 + 0 * t]),
        np.hstack([8 + 0 * t, 6 - 1.0 * t]),
        np.hstack([3 + 0.6 * t, 0.6 + 0 * t]),
    ]
    return Recording("made_test", np.arange(4), np.stack(paths, axis=1))


@pytest.fixture(scope="module", params=[False, True], ids=["no odometry", "odometry"])
def seen(request):
    recording, how = crowd(), Wearing(noise_m=0.1, reach_m=20.0, odometry=request.param)
    return walk(recording, dense(recording, how.rate), 0, how, np.random.default_rng(3))


@given(distances, st.integers(0, 8))
def test_outcomes_are_those_of_looking_at_every_frame_in_turn(distance, ahead) -> None:
    came, known = outcomes(distance, 1.0, float(ahead))
    for frame, person in np.ndindex(distance.shape):
        later = distance[frame : frame + ahead + 1, person]
        assert came[frame, person] == (later < CONFLICT_M).any()
        assert known[frame, person] == (len(later) == ahead + 1 and np.isfinite(later).all())


def test_only_moments_count_whose_next_seconds_were_recorded_and_of_which_something_was_said(seen) -> None:
    _, known = outcomes(seen.distance, seen.rate, RiskConfig().horizon_s)
    probability = np.full(seen.distance.shape, 0.3)
    probability[:, 2] = np.nan
    found = ContactOutcomes()
    found.add(seen, probability)
    moments = np.arange(0, len(known), round(EVERY_S * seen.rate))
    assert found.summary()["moments"] == known[moments][:, [0, 1]].sum() > 0
    assert ContactOutcomes().summary() is None


def test_people_out_of_view_are_judged_apart() -> None:
    rows = np.array([[0.9, 1.0, 1.0], [0.8, 1.0, 1.0], [0.1, 0.0, 0.0], [0.2, 1.0, 0.0], [0.3, 0.0, 0.0]])
    found = ContactOutcomes([rows[:2], rows[2:]]).summary()
    assert (found["moments"], found["came"]) == (5, pytest.approx(0.6))
    assert found["brier"] == pytest.approx((0.1**2 + 0.2**2 + 0.1**2 + 0.8**2 + 0.3**2) / 5)
    assert (found["out_of_view"]["moments"], found["out_of_view"]["came"]) == (3, pytest.approx(1 / 3))
    assert found["out_of_view"]["said"] == pytest.approx(0.2)
    assert ContactOutcomes([rows[:2]]).summary()["out_of_view"] is None


def test_what_is_said_truly_has_no_error_and_what_is_said_too_surely_has_all_of_it() -> None:
    came = np.arange(1000) % 4 == 0
    assert reliable(np.full(1000, 0.25), came)["ece"] == pytest.approx(0.0)
    found = reliable(np.full(1000, 0.95), came)
    assert found["ece"] == pytest.approx(0.70)
    assert found["bins"] == [{"count": 1000, "said": pytest.approx(0.95), "came": 0.25}]
    assert reliable(np.full(3, 0.5), np.zeros(3, bool))["auroc"] is None


def test_the_fit_sees_of_a_walk_what_the_risk_stage_says_of_it(seen) -> None:
    """Two ways to one probability: the stage's, frame by frame, and the evidence that is kept for the fit."""
    model = open_model("trajectory", "trajectory")
    stages, every = Stages(model, 0.9), round(EVERY_S * seen.rate)
    came, known = outcomes(seen.distance, seen.rate, RiskConfig().horizon_s)
    said = []
    for frame in range(len(seen.seen)):
        found = stages.step(seen, frame).probability
        if frame % every == 0:
            said += [(p, bool(came[frame, c])) for c, p in found.items() if known[frame, c]]
    kept = evidence(follow(seen, model))
    model.close()
    assert 0 < (kept.unseen_s > 0).sum() < len(kept)
    told = sorted(zip(kept.said(CONTACT).tolist(), kept.came.tolist(), strict=True))
    assert np.array(told) == pytest.approx(np.array(sorted(said)), abs=1e-4)


def test_the_fit_finds_the_numbers_that_made_the_data() -> None:
    random, n = np.random.default_rng(0), 200_000
    made = ContactBelief(-0.5, 0.8, -0.4, -0.3, -0.6, 2.0, -2.0)
    share, within, unseen = random.random(n), random.random(n) < 0.2, random.random(n) * (random.random(n) < 0.4)
    nobody = Evidence(share, within, unseen, 2 * random.random(n), random.random(n) < 0.5, np.zeros(n, bool))
    parts = [replace(nobody, came=random.random(n) < nobody.said(made)) for _ in range(2)]
    assert astuple(fit(parts)) == pytest.approx(astuple(made), abs=0.1)


def test_each_scene_is_judged_by_numbers_of_the_others() -> None:
    """In one scene everybody comes, in the others nobody: what is said of each is what the others taught."""
    n = 100
    random = np.random.default_rng(0)
    told = (random.random(n), random.random(n) < 0.5, random.random(n), random.random(n), random.random(n) < 0.5)
    quiet = Evidence(*told, came=np.arange(n) % 10 == 0)
    crowded = replace(quiet, came=np.arange(n) % 10 != 0)
    said = {name: p.mean() for name, _, p in left_out({"a": quiet, "b": quiet, "c": crowded})}
    assert said["c"] == pytest.approx(0.1, abs=0.01)
    assert said["a"] == pytest.approx(0.5, abs=0.01)


def test_the_published_rule_is_counted_on_those_whom_it_knows(seen) -> None:
    alert, came = published_outcomes(seen)
    people = [HeadsUpTrack(seen.rate) for _ in seen.ids]
    truth, known = outcomes(seen.distance, seen.rate, RiskConfig().horizon_s)
    wanted = []
    for frame, column in np.ndindex(seen.seen.shape):
        place = seen.measured[frame, column] if seen.seen[frame, column] else None
        cries = people[column].see(frame / seen.rate, place)
        if frame % round(EVERY_S * seen.rate) == 0 and known[frame, column] and people[column].points:
            wanted.append((cries, truth[frame, column]))
    assert list(zip(alert.tolist(), came.tolist(), strict=True)) == wanted
    assert {(True, True), (False, False)} <= set(wanted)
