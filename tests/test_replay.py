"""Replay: every image answered or its absence explained, the same bytes twice, the files that were promised."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from drives import START, STEP, jpeg, picture, write_drive

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics
from headway.convert.material import IMAGE_TOPIC
from headway.convert.tub import convert_tub
from headway.convert.video import convert_video
from headway.errors import BagError, UsageError
from headway.messages import stamp
from headway.replay import LATE, TOPICS, replay, run_replay
from headway.sensors import stamp_of


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drive") / "drive.mcap")


@pytest.fixture(scope="module")
def replayed(drive, tmp_path_factory):
    out = tmp_path_factory.mktemp("replayed")
    return out, run_replay(drive, out, command="headway replay drive.mcap")


def outputs(path, msgtype):
    with BagReader(path) as bag:
        return [m.decode() for m in bag.messages([TOPICS[msgtype]])]


def command_line(*words):
    return subprocess.run(
        [sys.executable, "-m", "headway.cli.main", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_every_image_is_answered_on_every_topic_with_its_own_stamp(replayed):
    out, _ = replayed
    for msgtype in TOPICS:
        found = outputs(out / "output.mcap", msgtype)
        assert [stamp_of(m) for m in found] == [START + i * STEP for i in range(12)]
        if msgtype != messages.TWIST:
            assert all(m.valid for m in found), [m.reason for m in found]
            assert {m.header.frame_id for m in found} == {"camera_optical_frame"}


def test_the_sensors_beside_the_camera_are_used(replayed):
    out, _ = replayed
    forecasts = outputs(out / "output.mcap", messages.FORECASTS)
    # The IMU turns by about 3 degrees a frame: each forecast carries the orientation at its own stamp.
    turns = [m.camera_orientation.z for m in forecasts]
    assert len(set(turns)) == len(turns)
    assert not any("no IMU" in m.reason or "camera_info" in m.reason for m in forecasts)


def test_two_replays_write_the_same_bytes(replayed, drive, tmp_path):
    out, _ = replayed
    run_replay(drive, tmp_path, video=False)
    assert (tmp_path / "output.mcap").read_bytes() == (out / "output.mcap").read_bytes()


def test_durations_and_ages_stay_out_of_the_bag_and_go_to_the_summary(replayed):
    out, content = replayed
    for message in outputs(out / "output.mcap", messages.COMMAND):
        assert message.trace.stages
        assert not message.trace.stage_ms.any()
        assert message.trace.age_ms == 0
    assert all(task["latency_ms"]["p99"] >= task["latency_ms"]["p50"] > 0 for task in content["models"].values())


def test_the_promised_files_are_written(replayed):
    out, content = replayed
    summary = json.loads((out / "summary.json").read_text())
    assert summary == content
    assert {"frames", "models", "machine", "command"} <= set(summary)
    assert summary["frames"] == {"in": 12, "answered": 12, "dropped": 0, "by_reason": {}}
    assert set(summary["models"]) == {"head_pose", "trajectory", "driving"}
    assert all(len(task["hash"]) == 64 and task["out"] == 12 for task in summary["models"].values())
    video = cv2.VideoCapture(str(out / "annotated.mp4"))
    sizes = []
    while (read := video.read())[0]:
        sizes.append(read[1].shape)
    assert len(sizes) == 12
    assert sizes[0][1] >= 640
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6
    assert page.count("<svg") >= 4
    assert "http://" not in page.replace("http://www.w3.org", "")


def broken(index, fields):
    if index == 4:
        fields["data"] = fields["data"][:200]
    if index == 6:
        fields["data"] = jpeg(picture(6, 160, 120))
    if index == 9:
        fields["header"] = {"stamp": messages.stamp(START + 7 * STEP), "frame_id": "camera_optical_frame"}
    return fields


def test_frames_that_cannot_be_answered_are_published_as_not_valid_and_counted(tmp_path):
    content = run_replay(write_drive(tmp_path / "broken.mcap", change=broken), tmp_path / "out")
    reasons = content["frames"]["by_reason"]
    assert content["frames"]["in"] == 12
    # 4: cut off; 6 and 7: the size changes and changes back; 9: an old stamp, not answered at all.
    assert sum(reasons.values()) == content["frames"]["dropped"] == 4
    assert content["frames"]["answered"] == 8
    assert reasons[LATE] == 1
    assert any("truncated" in r for r in reasons)
    assert sum("image size changed" in r for r in reasons) == 2
    heads = outputs(tmp_path / "out" / "output.mcap", messages.HEADS)
    assert [m.valid for m in heads] == [i not in (4, 6, 7) for i in range(12) if i != 9]
    commands = outputs(tmp_path / "out" / "output.mcap", messages.COMMAND)
    assert [m.valid for m in commands] == [m.valid for m in heads]
    stamps = [stamp_of(m) for m in heads]
    assert stamps == sorted(set(stamps))
    assert sum(m.trace.dropped for m in heads) == 1


@pytest.mark.parametrize("again", ["its clock goes back", "its pictures get another size"])
def test_a_camera_that_starts_anew_is_not_judged_by_what_it_sent_before(tmp_path, again):
    def anew(index, fields):
        if 2 <= index < 6:
            fields["data"] = jpeg(np.zeros((240, 320, 3), np.uint8))
        elif index >= 6 and "clock" in again:
            fields["header"] = {**fields["header"], "stamp": stamp(START - 100_000_000_000 + index * STEP)}
        elif index >= 6:
            fields["data"] = jpeg(picture(index, 160, 120))
        return fields

    replay(write_drive(tmp_path / "drive.mcap", change=anew), tmp_path / "out.mcap")
    heads = outputs(tmp_path / "out.mcap", messages.HEADS)
    assert heads[5].reason == "SENSOR_INVALID: black"
    first = 6 if "clock" in again else 7  # the picture of the new size itself is refused
    assert [m.valid for m in heads[first:]] == [True] * (12 - first), [m.reason for m in heads]


def test_without_sensors_the_answers_say_what_they_lack(tmp_path):
    bag = write_drive(tmp_path / "bare.mcap", frames=4, sensors=False)
    replay(bag, tmp_path / "out.mcap")
    assert all(m.valid for m in outputs(tmp_path / "out.mcap", messages.HEADS))
    assert all("no camera_info received" in m.reason for m in outputs(tmp_path / "out.mcap", messages.RISK))
    assert all(m.unsure for m in outputs(tmp_path / "out.mcap", messages.RISK))


def test_stamps_of_zero_are_tracked_by_time_of_recording_and_none_is_invented(tmp_path):
    def unstamped(index, fields):
        fields["header"]["stamp"] = {}
        return fields

    bag = write_drive(tmp_path / "zero.mcap", frames=4, change=unstamped)
    content = run_replay(bag, tmp_path / "out", video=False)
    assert content["frames"]["answered"] == 4
    assert any("stamp 0" in note for note in content["notes"])
    assert [stamp_of(m) for m in outputs(tmp_path / "out" / "output.mcap", messages.HEADS)] == [0] * 4


def test_a_bag_without_an_image_topic_lists_its_topics(tmp_path):
    from headway.bags import BagWriter

    with BagWriter(tmp_path / "imu.mcap") as bag:
        bag.write("/imu/data", "sensor_msgs/msg/Imu", {}, START)
    with pytest.raises(BagError, match=r"no image topic .*; it has /imu/data"):
        replay(tmp_path / "imu.mcap", tmp_path / "out.mcap")
    with pytest.raises(BagError, match=r"no topic /front; it has"):
        replay(tmp_path / "imu.mcap", tmp_path / "out.mcap", wanted=InputTopics(image="/front"))


def test_a_truncated_bag_is_replayed_up_to_the_damage_and_ends_with_code_3(tmp_path):
    data = write_drive(tmp_path / "whole.mcap", frames=40).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) // 2])
    with BagReader(tmp_path / "cut.mcap") as bag:
        left = sum(1 for _ in bag.messages([IMAGE_TOPIC]))
    assert 0 < left < 40
    done = command_line("replay", tmp_path / "cut.mcap", "--out", tmp_path / "out", "--no-video")
    assert done.returncode == 3, done.stderr
    assert "cut.mcap ends early" in done.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"]["in"] == left
    assert "ends early" in summary["loss"]


def test_the_command_line_says_in_one_line_what_is_wrong(tmp_path):
    done = command_line("replay", tmp_path / "nothing.mcap", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: bag {tmp_path / 'nothing.mcap'} does not exist"


def test_the_bag_that_is_read_is_never_replaced(tmp_path):
    bag = write_drive(tmp_path / "output.mcap", frames=2)
    before = bag.read_bytes()
    with pytest.raises(UsageError, match="name another folder"):
        run_replay(bag, tmp_path)
    assert bag.read_bytes() == before


def test_results_are_never_written_into_the_bag_that_is_read(tmp_path):
    write_drive(tmp_path / "part.mcap", frames=2)
    with pytest.raises(UsageError, match="name another folder"):
        run_replay(tmp_path, tmp_path)


def test_results_of_an_earlier_run_do_not_stand_beside_new_ones(tmp_path):
    bag, out = write_drive(tmp_path / "drive.mcap", frames=2), tmp_path / "out"
    run_replay(bag, out)
    before = sorted(file.name for file in out.iterdir())
    with pytest.raises(BagError, match="does not exist"):
        run_replay(tmp_path / "mistyped.mcap", out)
    assert sorted(file.name for file in out.iterdir()) == before
    run_replay(bag, out, video=False)
    assert sorted(file.name for file in out.iterdir()) == ["output.mcap", "report.html", "summary.json"]
    with pytest.raises(BagError, match="no topic /nose"):
        run_replay(bag, out, wanted=InputTopics(image="/nose"))
    assert list(out.iterdir()) == []


def test_a_folder_whose_name_opencv_cannot_take_is_refused_before_the_work(tmp_path):
    bag, out = write_drive(tmp_path / "drive.mcap", frames=2), tmp_path / "l\udcf6t"
    with pytest.raises(UsageError, match="OpenCV cannot take"):
        run_replay(bag, out)
    assert list(out.iterdir()) == []
    assert run_replay(bag, out, video=False)["frames"]["in"] == 2


def test_a_run_without_one_answered_frame_ends_with_code_3_and_says_what_to_do(tmp_path):
    with BagWriter(tmp_path / "raw.mcap") as bag:
        for i in (1, 2):
            fields = {"header": {"stamp": stamp(i)}, "encoding": "bayer_rggb8", "width": 4, "height": 4, "step": 4}
            bag.write("/image_raw", "sensor_msgs/msg/Image", {**fields, "data": bytes(16)}, i)
    done = command_line("replay", tmp_path / "raw.mcap", "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    assert "2 frames in, 0 answered, 2 not" in done.stdout
    assert "debayer it (image_proc)" in done.stdout


def test_the_real_tub_runs_end_to_end(shared_data, tmp_path):
    convert_tub(shared_data("donkeycar_tub") / "tub", tmp_path / "tub.mcap", limit=40)
    content = run_replay(tmp_path / "tub.mcap", tmp_path / "out")
    assert content["frames"]["answered"] == 40
    steering = [m.steering for m in outputs(tmp_path / "out" / "output.mcap", messages.COMMAND)]
    with BagReader(tmp_path / "tub.mcap") as bag:
        driven = [m.decode().steering for m in bag.messages(["/ground_truth/drive"])]
    # The gate smooths and starts from straight; what the person did must still be recognisable.
    assert np.corrcoef(steering[10:], driven[10:])[0, 1] > 0.5


def test_the_real_street_video_runs_end_to_end(shared_data, tmp_path):
    convert_video(shared_data("people") / "vtest.avi", tmp_path / "street.mcap", limit=20)
    content = run_replay(tmp_path / "street.mcap", tmp_path / "out", video=False)
    assert content["frames"]["answered"] == 20
    heads = outputs(tmp_path / "out" / "output.mcap", messages.HEADS)
    assert np.mean([len(m.heads) for m in heads]) > 0.5  # heads of 12 px and less, in the network's picture
