"""Every fault put into the bundled recording: found, reported, safe, recovered, and no NaN comes out."""

import json
from pathlib import Path

import pytest
from drives import write_drive
from typer.testing import CliRunner

from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics
from headway.cli.main import build
from headway.errors import BagError, UsageError
from headway.faults import inject, judge, live
from headway.faults.inject import FAULTS, NOTHING, STOP, Fault, Injector
from headway.faults.judge import DETECT_PERIODS, RECOVER_S, as_json, run_faults
from headway.faults.live import Record, Said, finite
from headway.node_config import HeadwayNodeConfig, load
from headway.paths import sample_dir

BAG = sample_dir() / "street-vehicle.mcap"


@pytest.fixture(scope="module")
def outcomes():
    found = run_faults(BAG, list(FAULTS), load(HeadwayNodeConfig(), "headway"))
    return {o.fault: o for o in found}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_was_really_put_in(outcomes, fault):
    assert outcomes[fault].changed == (FAULTS[fault].frames or outcomes[fault].changed)
    assert outcomes[fault].changed >= 1


@pytest.mark.parametrize("fault", [n for n, f in FAULTS.items() if f.safe != NOTHING])
def test_it_is_detected_within_three_periods_and_reported_by_name(outcomes, fault):
    assert outcomes[fault].periods is not None
    assert outcomes[fault].periods <= DETECT_PERIODS
    assert outcomes[fault].said


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reaction_is_safe(outcomes, fault):
    assert outcomes[fault].unsafe == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_recovered_within_one_second_after_it_ends(outcomes, fault):
    assert outcomes[fault].recovered_s is not None
    assert outcomes[fault].recovered_s <= RECOVER_S


@pytest.mark.parametrize("fault", FAULTS)
def test_no_nan_comes_out(outcomes, fault):
    assert outcomes[fault].finite


def test_the_same_fault_gives_the_same_outcome_twice(outcomes):
    again = run_faults(BAG, ["half-covered"], load(HeadwayNodeConfig(), "headway"))
    assert again == [outcomes["half-covered"]]


def test_a_reaction_that_breaks_a_promise_is_called_by_its_name():
    second = 10**9
    fault = Fault("made-up", "nothing says this", STOP)
    injector = Injector(fault, InputTopics("/image"), second, 4 * second)
    injector.first_ns, injector.last_ns, injector.count = second, 4 * second, 45
    record = Record([Said(k * second // 10, judge.messages.COMMAND, "", True, False, 1.0, k) for k in range(10, 60)])
    outcome = judge.judge(fault, injector, record, HeadwayNodeConfig())
    assert outcome.unsafe == "a command was valid"
    assert outcome.periods is None
    assert not outcome.kept
    slow = [Said(s.at_ns, s.kind, "", False, False, 1.0 + s.at_ns * 1e-10, s.stamp_ns) for s in record.said]
    assert judge.judge(fault, injector, Record(slow), HeadwayNodeConfig()).unsafe == "the commanded speed rose"


def test_messages_outside_the_window_stay_as_they_are():
    with BagReader(BAG) as reader:
        topics = judge.choose_topics(reader)
        whole = list(reader.messages([topics.image]))
        start, end = whole[10].stamp_ns, whole[20].stamp_ns
        changed = list(Injector(FAULTS["black"], topics, start, end).stream(whole))
    assert [a.data == b.data for a, b in zip(whole, changed, strict=True)] == [not 10 <= i < 20 for i in range(150)]


@pytest.mark.parametrize(("value", "expected"), [(1.0, True), (float("nan"), False), (float("inf"), False)])
def test_a_number_that_is_none_is_seen_wherever_it_is_nested(value, expected):
    assert finite({"a": [{"b": (1.0, "text", b"bytes", value)}]}) is expected


def command_line(*words):
    return CliRunner().invoke(build(), [str(w) for w in words])


def test_the_command_prints_the_table_and_writes_json(tmp_path):
    done = command_line("replay", BAG, "--out", tmp_path / "out", "--fault", "black", "--json", tmp_path / "f.json")
    assert done.exit_code == 0, done.output
    assert "1 of 1 faults kept all promises" in done.output
    content = json.loads((tmp_path / "f.json").read_text())
    assert content == json.loads((tmp_path / "out" / "faults.json").read_text())
    assert content["rows"][0]["fault"] == "black"
    assert content["rows"][0]["kept"] is True


def test_a_fault_that_nobody_knows_is_answered_with_those_that_are_known(tmp_path):
    done = command_line("replay", BAG, "--out", tmp_path, "--fault", "blak")
    assert isinstance(done.exception, UsageError)
    assert "known: all, camera-stops" in str(done.exception)


def test_a_bag_without_images_is_refused(tmp_path):
    with BagWriter(tmp_path / "imu.mcap") as bag:
        bag.write("/imu/data", "sensor_msgs/msg/Imu", {}, 1)
    with pytest.raises(BagError, match="no image topic"):
        run_faults(tmp_path / "imu.mcap", ["black"])


def test_a_bag_into_which_a_fault_cannot_be_put_is_refused_by_name(tmp_path):
    bag = write_drive(tmp_path / "short.mcap", frames=4, sensors=False)
    with pytest.raises(BagError, match=r"ends before 3 s: the fault 'black'"):
        run_faults(bag, ["black"])
    with pytest.raises(BagError, match="has no imu topic"):
        run_faults(bag, ["nan-imu"])


def test_an_outcome_that_kept_nothing_is_counted_as_such():
    outcome = judge.Outcome("black", 0, None, "", STOP, "", None, True)
    content = as_json([outcome], Path("a.mcap"), "headway replay")
    assert (content["tried"], content["kept"]) == (1, 0)
    assert judge.table([outcome])[0][-1] == "NO"


def test_the_slow_engine_is_slower_than_the_silence_that_is_allowed():
    assert 1e9 * HeadwayNodeConfig().input.timeout_s < live.ANSWER_NS * live.SLOWER
    assert inject.FAULTS["engine-slow"].engine == "slow"


@pytest.mark.parametrize(
    ("text", "speed", "unsafe"),
    [
        ("pedestrians unsure", 1.0, ""),
        ("braking for a person; speed unknown", 0.5, ""),
        ("", 0.5, "a command was given as if nobody were there"),
        ("pedestrians unsure", 1.5, "faster than allowed while pedestrians are unsure"),
    ],
)
def test_a_command_that_has_not_heard_that_people_are_unsure_is_not_safe(text, speed, unsafe):
    speeds = [speed * k / 40 for k in range(41)]
    commands = [Said(k, judge.messages.COMMAND, text, True, False, v, k) for k, v in enumerate(speeds)]
    assert judge._careless(commands, HeadwayNodeConfig()) == unsafe
