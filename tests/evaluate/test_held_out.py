"""Held-out drives: the expert is pushed as in training, and what the network said is judged in every state."""

from __future__ import annotations

import numpy as np

from headway.evaluate.closed_loop import coverage_interval
from headway.evaluate.fleet import Fleet, held_out_runs
from headway.evaluate.held_out import band_name, by_offset
from headway.types import Steering
from headway.worlds.pushes import CHANCE, LARGEST, STEPS, Pushes
from headway.worlds.roadworld import Roadworld


class Straight:
    """Says 0.1 to the left whatever it sees, give or take 0.2."""

    def reset(self):
        pass

    def __call__(self, image, seen):
        return Steering(0.1, 0.5, (-0.1, 0.3), 0.7)


def test_pushes_last_their_steps_stay_within_their_limit_and_come_as_often_as_said():
    pushes, steps = Pushes(np.random.default_rng(0)), []
    for _ in range(20_000):
        pushes.begin_step()
        steps.append(pushes.steering())
    pushed = np.array(steps) != 0.0
    assert np.abs(steps).max() <= LARGEST
    assert abs(pushed.mean() - STEPS * CHANCE / (1 + (STEPS - 1) * CHANCE)) < 0.02


def test_the_network_is_judged_in_states_that_the_expert_was_pushed_into():
    (run,) = held_out_runs(Fleet(Roadworld(), {"straight": Straight()}), "straight", ["straight"], 1)
    assert run.completed
    assert np.abs(run.lateral).max() > 0.2
    assert (run.confidence == 0.7).all()
    # The expert steers between -0.1 and 0.3 where and only where the interval covers.
    assert (run.covered == (run.error <= 0.2 + 1e-9)).all()
    assert 0.0 < run.covered.mean() <= 1.0


def test_the_interval_of_the_coverage_is_over_drives_not_frames():
    half, all_of_it = np.repeat([True, False], 50), np.ones(100, bool)
    low, high = coverage_interval([half, all_of_it])
    assert (low, high) == (0.5, 1.0)
    few, many = coverage_interval([half, all_of_it] * 5), coverage_interval([half, all_of_it] * 50)
    assert few[0] < many[0] < 0.75 < many[1] < few[1]
    assert coverage_interval([half]) == (0.5, 0.5)


def test_coverage_is_told_for_every_distance_from_the_lane():
    runs = held_out_runs(Fleet(Roadworld(), {"straight": Straight()}), "straight", ["straight", "one-turn"], 2)
    rows = by_offset(runs)
    frames = sum(row["frames"] for row in rows)
    assert frames == sum(len(run.covered) for run in runs)
    overall = np.concatenate([run.covered for run in runs]).mean()
    assert np.isclose(sum(row["coverage"] * row["frames"] for row in rows) / frames, overall)
    near, far = rows[0], rows[-1]
    assert near["drives"] == 4
    offset, error = (np.concatenate([getattr(run, name) for run in runs]) for name in ("lateral", "error"))
    assert near["frames"] == (np.abs(offset) < 0.25).sum()
    assert np.isclose(far["steering_mae"], error[np.abs(offset) >= far["from_m"]].mean())
    assert [band_name(rows[0]), band_name({"from_m": 1.5, "to_m": None})] == ["0 to 0.25 m", "1.5 m and more"]
