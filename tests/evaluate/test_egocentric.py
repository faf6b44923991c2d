from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evaluate import egocentric_run
from headway.evaluate.alerts import AlertCount, closed, judge, meetings
from headway.evaluate.cases import Cases
from headway.evaluate.egocentric import (
    Columns,
    Walk,
    Wearing,
    dense,
    head_wander,
    rows_of,
    runs,
    visible,
    walk,
    walking_yaw,
    wearers,
)
from headway.evaluate.pedestrians import Recording
from headway.runtime.model import model_folder
from headway.stages.tracks import TrackConfig, TrackStage

RATE = 15.0


def crossing() -> Recording:
    """Person 1 walks along x, person 2 comes head on, person 3 walks far behind; 20 steps of 0.4 s."""
    t = np.arange(20)[:, None] * 0.4
    paths = [np.hstack([1.2 * t, 0 * t]), np.hstack([14 - 1.2 * t, 0.2 + 0 * t]), np.hstack([1.2 * t - 6, 0.5 + 0 * t])]
    return Recording("made", np.array([1, 2, 3]), np.stack(paths, axis=1))


def test_between_recorded_points_people_go_on_smoothly_and_through_them() -> None:
    recording = crossing()
    positions = dense(recording, RATE)
    np.testing.assert_allclose(positions[::6], recording.positions, atol=1e-9)
    assert np.abs(np.diff(positions, axis=0)).max() == pytest.approx(1.2 / RATE, abs=1e-6)


def test_the_wearer_sees_who_is_ahead_and_not_who_follows() -> None:
    recording = crossing()
    steady = Wearing(noise_m=0.05, head_sigma_deg=0.0, reach_m=20.0)
    found = walk(recording, dense(recording, RATE), 0, steady, np.random.default_rng(0))
    assert found.ids.tolist() == [2, 3]
    before_contact = found.distance[:, 0] > 1.0
    assert found.seen[before_contact & (np.arange(len(found.seen)) < 60), 0].all()
    assert not found.seen[:, 1].any()
    np.testing.assert_allclose(found.yaw, 0, atol=1e-6)
    error = (found.measured - found.relative)[found.seen]
    assert error.std() == pytest.approx(0.05, rel=0.2)
    assert np.isnan(found.measured[~found.seen]).all()


def test_the_camera_looks_along_its_yaw_and_stands_upright() -> None:
    nobody, yaw = np.zeros((3, 0, 2)), np.array([0.3, 2.0, -2.5])
    made = Walk("made", RATE, 0.03, np.zeros(0, int), nobody, np.zeros((3, 0), bool), nobody, yaw)
    for frame, angle in enumerate(yaw):
        right, down, ahead = np.asarray(made.view(frame).orientation).T
        np.testing.assert_allclose(ahead, [np.cos(angle), np.sin(angle), 0.0], atol=1e-12)
        np.testing.assert_allclose(down, [0.0, 0.0, -1.0], atol=1e-12)
        np.testing.assert_allclose(right, np.cross(down, ahead), atol=1e-12)


def test_somebody_behind_a_nearer_person_is_hidden() -> None:
    relative = np.array([[[3.0, 0.0], [6.0, 0.1], [6.0, 2.0], [0.1, 3.0], [np.nan, np.nan], [13.0, 5.0]]])
    seen = visible(relative, np.zeros(1), Wearing())
    assert seen[0].tolist() == [True, False, True, False, False, False]


def test_the_head_wanders_as_far_as_stated() -> None:
    angle = head_wander(60_000, Wearing(head_sigma_deg=18.0), np.random.default_rng(0))
    assert np.degrees(angle.std()) == pytest.approx(18.0, rel=0.1)


def test_somebody_who_stands_goes_on_looking_the_same_way() -> None:
    own = np.vstack([np.column_stack([np.full(30, 7.0), np.arange(30) * 0.1]), np.tile([7.0, 2.9], (30, 1))])
    np.testing.assert_allclose(walking_yaw(own, RATE), np.pi / 2, atol=1e-6)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_exactly_the_true_stretches(mask: list[bool]) -> None:
    again = np.zeros(len(mask), bool)
    found = list(runs(np.array(mask, bool)))
    for first, last in found:
        assert not again[first : last + 1].any()
        again[first : last + 1] = True
    assert again.tolist() == mask
    assert all(b[0] - a[1] > 1 for a, b in pairwise(found))


def test_wearers_are_spread_over_those_who_stay_long_enough() -> None:
    positions = np.zeros((40, 10, 2))
    positions[5:, :4] = np.nan
    recording = Recording("made", np.arange(10), positions)
    assert wearers(recording, 3) == [4, 6, 9]
    assert wearers(recording, 99) == [4, 5, 6, 7, 8, 9]


def approach(contact_s: float = 4.0, seconds: float = 8.0, closest: float = 0.3) -> np.ndarray:
    """(F, 1) distances of somebody who comes within reach at `contact_s` and leaves again."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.maximum(closest, 1.0 + 1.2 * np.abs(t - contact_s - 1) - 1.2)[:, None]


def counted(distance: np.ndarray, raised: np.ndarray, seen: np.ndarray | None = None) -> AlertCount:
    entry = AlertCount()
    entry.add(len(distance) / RATE, *judge(distance, np.ones_like(raised) if seen is None else seen, raised, RATE))
    return entry


def test_a_warning_before_contact_counts_with_its_lead() -> None:
    distance = approach()
    raised = np.zeros(distance.shape, bool)
    raised[30:70] = True
    found = counted(distance, raised)
    assert (found.conflicts, found.warned, found.in_time, found.alerts, found.true_alerts) == (1, 1, 1, 1, 1)
    assert found.leads_s[0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("warnings", "lead"),
    [
        ([(-10, 3)], 10),
        ([(-80, -40)], 80),  # it stood during the last 3 s, 45 frames
        ([(-80, -50)], None),  # over before
        ([(0, 5)], None),  # begins with the contact: no warning
        ([(3, 8)], None),
        ([(-40, -35), (-15, 2)], 15),  # two warnings: the last one counts
        ([(-20, -16), (0, 5)], 20),
    ],
)
def test_a_warning_begins_before_contact_and_stands_in_the_last_three_seconds(warnings, lead) -> None:
    distance = approach(contact_s=8.0, seconds=14.0)
    contact = int(np.argmax(distance[:, 0] < 1.0))
    raised = np.zeros(distance.shape, bool)
    for first, last in warnings:
        raised[contact + first : contact + last + 1] = True
    (conflict,), _ = judge(distance, np.ones_like(raised), raised, RATE)
    assert conflict.contact == contact
    assert conflict.lead_s == (None if lead is None else pytest.approx(lead / RATE))


def test_an_alert_that_begins_within_reach_is_not_judged() -> None:
    distance = approach()
    contact, raised = int(np.argmax(distance[:, 0] < 1.0)), np.zeros(distance.shape, bool)
    raised[contact + 2 : contact + 10] = True
    assert judge(distance, np.ones_like(raised), raised, RATE)[1] == []
    raised[contact - 1] = raised[contact : contact + 2] = True
    assert len(judge(distance, np.ones_like(raised), raised, RATE)[1]) == 1


@pytest.mark.parametrize(("there", "met"), [(14, 0), (15, 1)])
def test_whoever_comes_within_reach_in_their_first_second_is_no_meeting(there: int, met: int) -> None:
    distance = approach()[:, 0]
    distance[: int(np.argmax(distance < 1.0)) - there] = np.nan
    assert len(meetings(distance, RATE)) == met


def test_silence_misses_and_an_alert_without_conflict_is_false() -> None:
    distance = approach()
    assert counted(distance, np.zeros(distance.shape, bool)).summary()["recall"] == 0
    far = approach(closest=2.0)
    raised = np.zeros(far.shape, bool)
    raised[20:30] = True
    found = counted(far, raised)
    assert (found.conflicts, found.alerts, found.true_alerts) == (0, 1, 0)
    assert found.summary()["false_per_hour"] == pytest.approx(3600 / 8)


def test_an_alert_whose_truth_is_never_known_is_not_judged() -> None:
    far = approach(closest=2.0)
    raised = np.zeros(far.shape, bool)
    raised[-20:] = True
    assert counted(far, raised).alerts == 0
    left = approach(closest=2.0)
    left[60:] = np.nan
    raised[:] = False
    raised[40:50] = True
    assert counted(left, raised).alerts == 0


def test_a_conflict_with_somebody_who_was_hardly_seen_is_not_held_against_anybody() -> None:
    distance = approach()
    seen = np.zeros(distance.shape, bool)
    seen[50:] = True
    assert counted(distance, np.zeros(distance.shape, bool), seen).conflicts == 0


def test_companions_who_stay_near_are_one_meeting() -> None:
    t = np.arange(300) / RATE
    distance = np.where(t < 3, 3.0, 0.95 + 0.1 * np.sin(6 * t))
    assert len(meetings(distance, RATE)) == 1


def test_short_breaks_do_not_split_an_alert() -> None:
    assert closed(np.array([1, 1, 0, 1, 0, 0, 0, 0, 1], bool), 3) == [(0, 3), (8, 8)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_walk_is_the_same_whoever_else_walks_and_however_many_processes_run(
    shared_data, monkeypatch, jobs: int
) -> None:
    shared_data("eth_ucy")
    monkeypatch.setattr(egocentric_run, "SCENES", ("zara1",))
    folder = {"zara1": str(model_folder("trajectory") / "leave-one-out" / "zara1")}
    cases: dict[str, Cases] = {}
    found = egocentric_run.egocentric(folder, levels=("0.1",), per_scene=2, jobs=jobs, cases=cases)
    (piece,) = egocentric_run._pieces("zara1", folder["zara1"], Wearing(noise_m=0.1), 2, 0.9, 0)
    alone = [egocentric_run._run(replace(piece, people=(p,))) for p in reversed(piece.people)]
    assert found["noise"]["0.1"]["scenes"]["zara1"]["wearers"] == 2
    assert found["noise"]["0.1"]["scenes"]["zara1"]["windows"] == sum(len(w.errors.inside) for w in alone)
    together = egocentric_run.Walked()
    for w in alone:
        together.add(w)
    expected = {m: c.summary() for m, c in together.counts.items()}
    for model, alerts in found["alerts"].items():
        assert {k: v for k, v in alerts.items() if k != "lead_s"} == {
            k: v for k, v in expected[model].items() if k != "lead_s"
        }
    assert [c.who for c in cases["0.1"].forecasts] == [c.who for c in together.cases.forecasts]


def test_everybody_wears_the_camera_in_turn_unless_fewer_are_asked_for(shared_data) -> None:
    shared_data("eth_ucy")
    for scene in ("eth", "univ"):
        listed = list(egocentric_run._pieces(scene, "", Wearing(), 0, 0.9, 0))
        people = [(p.recording, person) for p in listed for person in p.people]
        assert len(set(people)) == len(people) > 150
        few = list(egocentric_run._pieces(scene, "", Wearing(), 5, 0.9, 0))
        assert sum(len(p.people) for p in few) == 5


def test_of_false_alarms_every_time_that_one_was_told_is_counted() -> None:
    far = np.hstack([approach(closest=2.0), approach()])
    raised, told = np.zeros(far.shape, bool), np.zeros(far.shape, bool)
    raised[20:60] = True
    told[[20, 50], 0] = told[20, 1] = told[70, 0] = True
    entry = counted(far, raised)
    assert "told_false_per_hour" not in entry.summary()
    entry.tell(told, judge(far, np.ones_like(raised), raised, RATE)[1])
    assert entry.summary()["told_false_per_hour"] == pytest.approx(2 * 3600 / 8)
    assert (entry.summary()["false_alarms"], entry.true_alerts) == (1, 1)


def test_an_alert_that_comes_and_goes_has_more_rises_than_alerts() -> None:
    raised = np.zeros((90, 2), bool)
    raised[10:40, 0] = True
    raised[[10, 13, 16, 60], 1] = True
    entry = AlertCount()
    entry.flicker(raised, RATE)
    assert (entry.rises, entry.stretches) == (5, 3)
    assert entry.summary()["rises_per_alert"] == pytest.approx(5 / 3)


def test_who_came_into_sight_late_is_counted_apart() -> None:
    distance = approach(contact_s=4.0)
    contact = int(np.argmax(distance[:, 0] < 1.0))
    for seconds, apart in ((1.6, 0), (2.2, 1)):
        seen = np.zeros(distance.shape, bool)
        seen[contact - round(seconds * RATE) :] = True
        raised = np.zeros(distance.shape, bool)
        raised[contact - round(1.6 * RATE) :] = True
        entry = counted(distance, raised, seen)
        assert (entry.conflicts, entry.in_time, entry.in_sight, entry.in_sight_in_time) == (1, 1, apart, apart)


def test_somebody_who_is_reported_before_anybody_sees_them_again_is_unknown_until_then() -> None:
    """One person is reported at most. The nearer one goes; while the track lasts the other is not reported, and is out
    of sight just when it ends."""
    frames = 18
    place = np.tile(np.array([[3.0, 0.0], [6.0, 1.0]]), (frames, 1, 1))
    seen = np.ones((frames, 2), bool)
    seen[2:, 0] = False
    seen[11:15, 1] = False
    made = Walk(
        "made", RATE, 0.03, np.array([7, 8]), place, seen, np.where(seen[..., None], place, np.nan), np.zeros(18)
    )
    tracks, columns = TrackStage(TrackConfig(max_people=1)), Columns()
    found = [columns(tracks.follow(made.view(f), made.sightings(f))) for f in range(frames)]
    assert found[0] == [0]
    assert [Columns.UNKNOWN] in found
    assert found[-1] == [1]
    assert rows_of([Columns.UNKNOWN, 1, 1]) == {1: 1}
