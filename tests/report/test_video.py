"""The annotated video shows beside every frame what was said of that frame."""

import cv2
import pytest
from drives import START, STEP, write_drive

from headway import messages
from headway.annotate import draw
from headway.bags import BagReader, BagWriter
from headway.convert.material import IMAGE_TOPIC
from headway.messages import stamp
from headway.report import video
from headway.report.run import collect
from headway.stages.gate import Gate
from headway.types import Trace, View

FAST_NS = 12_124_000
HOUR = 3_600_000_000_000
STANDING = Gate().halt("")


@pytest.fixture
def told(monkeypatch):
    """The notes of every frame that is drawn."""
    seen = []

    def listen(image, scene):
        seen.append(scene.notes)
        return draw(image, scene)

    monkeypatch.setattr(video, "draw", listen)
    return seen


def write_answers(path, stamps, late_ns=50_000_000):
    """An answer for every stamp, `late_ns` after its image; the reason tells them apart."""
    with BagWriter(path) as bag:
        for i, stamp_ns in enumerate(stamps):
            say(bag, stamp_ns, f"answer {i}", START + i * STEP + late_ns)
    return path


def say(bag, stamp_ns, reason, at_ns):
    fields = messages.head_array(None, View(stamp_ns=stamp_ns), 0, 0, Trace(), False, reason)
    bag.write("/head_pose/heads", messages.HEADS, fields, at_ns)


@pytest.mark.parametrize("late_ns", [50_000_000, 4_000_000_000])
def test_frames_whose_stamps_went_back_show_their_answers(tmp_path, told, late_ns):
    """A source that starts anew: its stamps are an hour earlier, the recorder's clock goes on."""
    stamps = [START + i * STEP - HOUR * (i >= 6) for i in range(12)]

    def early(index, fields):
        return {**fields, "header": {"stamp": stamp(stamps[index]), "frame_id": "camera_optical_frame"}}

    bag = write_drive(tmp_path / "drive.mcap", change=early)
    output = write_answers(tmp_path / "out.mcap", stamps, late_ns)
    assert [s for s, _ in video.annotated(collect(bag, output))] == stamps
    assert told == [(f"answer {i}",) for i in range(12)]


def test_what_a_node_says_while_its_input_is_silent_stands_beside_no_frame(tmp_path, told):
    """It says so under the stamp of the frame that it answered last."""
    stamps = [START + i * STEP for i in range(3)]
    bag = write_drive(tmp_path / "drive.mcap", frames=3)
    output = write_answers(tmp_path / "out.mcap", stamps)
    with BagReader(output) as reader, BagWriter(tmp_path / "silent.mcap") as silent:
        for m in reader.messages():
            silent.write_raw(m.topic, m.msgtype, m.data, m.stamp_ns)
        say(silent, stamps[-1], "no image for 0.5 s", START + 10 * STEP)
    assert len(list(video.annotated(collect(bag, tmp_path / "silent.mcap")))) == 3
    assert told == [("answer 0",), ("answer 1",), ("answer 2",)]


def test_a_frame_that_one_task_dropped_does_not_look_like_one_with_nobody_in_it(tmp_path, told):
    stamps = [START + i * STEP for i in range(2)]
    bag = write_drive(tmp_path / "drive.mcap", frames=2)
    with BagWriter(tmp_path / "out.mcap") as output:
        say(output, stamps[0], "answer 0", START)
        for i, stamp_ns in enumerate(stamps):
            fields = messages.drive_command(STANDING, View(stamp_ns=stamp_ns), Trace(), True, "")
            output.write("/driving/command", messages.COMMAND, fields, START + i * STEP)
    assert len(list(video.annotated(collect(bag, tmp_path / "out.mcap")))) == 2
    assert told == [("answer 0",), ("no heads for this frame",)]


def test_a_video_of_the_first_images_ends_with_them_also_where_some_cannot_be_decoded(tmp_path):
    def no_picture(index, fields):
        return {**fields, "data": b"no picture"} if index == 1 else fields

    bag = write_drive(tmp_path / "drive.mcap", change=no_picture)
    with BagReader(bag) as reader, BagWriter(tmp_path / "broken.mcap") as broken:
        for i, m in enumerate(reader.messages([IMAGE_TOPIC])):
            broken.write_raw(m.topic, m.msgtype, b"no message" if i == 2 else m.data, m.stamp_ns)
    output = write_answers(tmp_path / "out.mcap", [START])
    frames = video.annotated(collect(tmp_path / "broken.mcap", output, limit=5))
    assert [s for s, _ in frames] == [START + i * STEP for i in (0, 3, 4)]


def test_a_fast_camera_gets_its_video_whatever_its_rate(tmp_path):
    """82.481 images a second: 1000/82481 is no time base of MPEG-4."""

    def fast(index, fields):
        return {**fields, "header": {"stamp": stamp(START + index * FAST_NS), "frame_id": "camera_optical_frame"}}

    bag = write_drive(tmp_path / "drive.mcap", frames=8, change=fast, sensors=False)
    run = collect(bag, write_answers(tmp_path / "out.mcap", [START]))
    video.write_video(run, tmp_path / "fast.mp4", set(), lambda done, total: None)
    film = cv2.VideoCapture(str(tmp_path / "fast.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 8
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(82.48, abs=0.005)
