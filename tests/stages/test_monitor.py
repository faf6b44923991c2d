"""The image monitor finds what it names, within three images, and leaves every recorded frame alone."""

import math
from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.bags import BagReader
from headway.errors import FrameError
from headway.images import decode_image
from headway.paths import sample_dir
from headway.stages.monitor import FROZEN, INVALID, ImageMonitor, MonitorConfig, Verdict, exposure
from headway.tasks import DRIVING, HEAD_POSE, TASKS
from headway.types import Frame, Level, Odometry

START = 1_700_000_000_000_000_000
TOPIC = "/camera/image_raw/compressed"


def recorded(name):
    with BagReader(sample_dir() / name) as bag:
        for message in bag.messages([TOPIC]):
            yield decode_image(message.decode())


@pytest.fixture(scope="module", params=[(640, 480), (1280, 720), (1920, 1080)], ids=lambda size: f"{size[1]}p")
def street(request):
    """The bundled recording as it is, and as a camera with more pixels would see it."""
    pictures = islice(recorded("street-vehicle.mcap"), 30)
    return [cv2.resize(p, request.param, interpolation=cv2.INTER_CUBIC) for p in pictures]


def frame(index, image, speed=None, rate=15.0):
    stamp_ns = START + round(index * 1e9 / rate)
    odometry = None if speed is None else Odometry(stamp_ns, np.array([speed, 0.0, 0.0]), 0.0)
    return Frame(stamp_ns=stamp_ns, image=image, odometry=odometry)


def half_dark(image):
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = 12
    return covered


def half_light(image):
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = (140, 170, 210)
    return covered


FAULTS = {
    "black": (lambda i: np.zeros_like(i), "black"),
    "white": (lambda i: np.full_like(i, 255), "white"),
    "one colour": (lambda i: np.full_like(i, 120), "without texture"),
    "underexposed": (lambda i: i // 8, "underexposed"),
    "overexposed": (lambda i: cv2.convertScaleAbs(i, alpha=4.0), "overexposed"),
    "half covered, dark": (half_dark, "covered"),
    "half covered, light": (half_light, "covered"),
    "blurred": (lambda i: cv2.GaussianBlur(i, (0, 0), i.shape[1] / 128), "blurred"),
    "noise": (lambda i: np.random.default_rng(int(i[0, 0, 0])).integers(0, 256, i.shape, np.uint8), "noise"),
    "colours swapped": (lambda i: np.ascontiguousarray(i[..., ::-1]), "colour order"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sensor_is_invalid_within_three_images_and_valid_again_within_a_second(street, fault):
    spoil, word = FAULTS[fault]
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, spoil(image) if 8 <= i < 16 else image)) for i, image in enumerate(street)]
    assert not any(v.reason or v.suspect for v in verdicts[:8])
    assert word in verdicts[8].suspect, "the first one is suspect"
    assert verdicts[10].reason.startswith(INVALID)
    assert all(word in v.reason for v in verdicts[10:16])
    assert not any(v.reason or v.suspect for v in verdicts[16 + 3 :])


@pytest.mark.parametrize("rate", [15.0, 30.0])
def test_a_frozen_picture_is_found_within_three_periods_while_moving(street, rate):
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, street[min(i, 7)], speed=1.0, rate=rate)) for i in range(12)]
    assert not verdicts[7].reason
    assert FROZEN in verdicts[10].reason


def test_a_frozen_picture_is_found_after_a_second_when_nothing_is_known_of_motion(street):
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, street[min(i, 7)])) for i in range(30)]
    assert not any(v.reason for v in verdicts[: 7 + 15])
    assert FROZEN in verdicts[7 + 15].reason or FROZEN in verdicts[7 + 16].reason


@pytest.mark.parametrize("limit_s", [0.0, 0.09, 0.3, 10.0])
def test_while_moving_a_repeated_picture_is_frozen_from_its_limit_on_and_not_before(street, limit_s):
    monitor = ImageMonitor(MonitorConfig(frozen_moving_s=limit_s))
    verdicts = [monitor(frame(i, street[min(i, 7)], speed=1.0)) for i in range(20)]
    first = next((i for i, v in enumerate(verdicts) if v.reason or v.suspect), 20)
    assert first == min(7 + max(math.ceil(limit_s * 15.0), 1), 20)


@pytest.mark.parametrize("rate", [15.0, 30.0])
def test_a_driver_that_repeats_single_pictures_is_not_suspect(street, rate):
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, street[i // 2], speed=1.0, rate=rate)) for i in range(24)]
    assert not any(v.reason or v.suspect for v in verdicts)


def test_repeated_pictures_do_not_end_the_refusal_of_a_stuttering_camera(street):
    monitor = ImageMonitor()
    shown = [street[0]] * 6 + [street[1 + i // 4] for i in range(24)]
    verdicts = [monitor(frame(i, image, speed=1.0, rate=30.0)) for i, image in enumerate(shown)]
    assert all(v.reason for v in verdicts[4:])


def test_a_single_bad_image_is_suspect_and_no_more(street):
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, np.zeros_like(image) if i == 5 else image)) for i, image in enumerate(street[:12])]
    assert [bool(v.suspect) for v in verdicts] == [i == 5 for i in range(12)]
    assert not any(v.reason for v in verdicts)


@pytest.mark.parametrize("name", ["street-vehicle.mcap", "street-walker.mcap"])
def test_no_frame_of_the_bundled_recordings_is_refused_or_suspect(name):
    monitor = ImageMonitor()
    verdicts = [monitor(frame(i, image, speed=1.0)) for i, image in enumerate(recorded(name))]
    assert len(verdicts) == 150
    assert not any(v.reason or v.suspect for v in verdicts)


def test_no_frame_of_the_street_video_is_refused(shared_data):
    video, monitor, count = cv2.VideoCapture(str(shared_data("people") / "vtest.avi")), ImageMonitor(), 0
    while (read := video.read())[0]:
        assert monitor(frame(count, read[1])) == Verdict(), count
        count += 1
    assert count > 300


def test_no_frame_of_the_donkeycar_tub_is_refused(shared_data):
    files = sorted((shared_data("donkeycar_tub") / "tub" / "images").glob("[0-9]*.jpg"))
    files.sort(key=lambda file: int(file.name.split("_")[0]))
    monitor = ImageMonitor()
    assert len(files) > 500
    for i, file in enumerate(files):
        assert not monitor(frame(i, cv2.imread(str(file)))).reason, file.name


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (7, 7), (1080, 1920), (121, 163)])
def test_images_of_any_size_get_a_verdict(shape):
    monitor = ImageMonitor()
    rng = np.random.default_rng(0)
    for i in range(5):
        monitor(frame(i, rng.integers(0, 256, (*shape, 3), np.uint8)))


def test_an_array_that_is_no_image_is_refused_by_name():
    with pytest.raises(FrameError, match=r"float64\[2, 2\]"):
        ImageMonitor()(frame(0, np.zeros((2, 2))))


def test_the_image_is_never_written_to(street):
    image = street[0].copy()
    image.flags.writeable = False
    ImageMonitor()(frame(0, image))
    assert np.array_equal(image, street[0])


def test_the_monitor_can_be_switched_off(street):
    monitor = ImageMonitor(MonitorConfig(enabled=False))
    assert not any(monitor(frame(i, np.zeros_like(street[0]))).reason for i in range(9))


def test_an_invalid_sensor_silences_every_task_and_stops_the_vehicle(street):
    from headway.node_config import HeadwayNodeConfig, open_pipeline

    pipeline = open_pipeline(HeadwayNodeConfig())
    try:
        answers = [pipeline.step(frame(i, image, speed=1.0)) for i, image in enumerate(street[:12])]
        black = np.zeros_like(street[0])
        answers += [pipeline.step(frame(12 + i, black, speed=1.0)) for i in range(60)]
    finally:
        pipeline.close()
    assert not answers[11].reasons
    assert answers[12].motion.risks.level in (Level.UNSURE, Level.NOTICE, Level.ALERT)
    assert "suspect" in answers[12].motion.risks.unsure
    for answer in answers[14:]:
        assert set(answer.reasons) == set(TASKS)
        assert answer.reasons[HEAD_POSE] == answer.reasons[DRIVING] == f"{INVALID}: black"
        assert answer.heads is None
        assert not answer.command.valid
    speeds = [a.command.speed_mps for a in answers[14 + 8 :]]  # after the heartbeat
    assert all(b <= a + 0.05 for a, b in pairwise(speeds))
    assert speeds[-1] < 0.05 < answers[11].command.speed_mps


def counted(gray: np.ndarray) -> str:
    """What `exposure` says, by counting everything."""
    shares = {level: (gray < level).mean() for level in (21, 235, 41, 250)}
    if shares[21] >= 0.99:
        return "black"
    if 1 - shares[235] >= 0.99:
        return "white"
    if shares[41] >= 0.9:
        return "underexposed"
    if 1 - shares[250] >= 0.4:
        return "overexposed"
    return "covered (one colour without texture)" if gray.std() < 3.0 else ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 20, 21, 40, 41, 120, 234, 235, 249, 250, 255]), st.integers(1, 400))))
def test_what_need_not_be_counted_would_not_have_changed_the_finding(parts) -> None:
    """The mean decides what is looked for; the edges of every threshold are among the grey levels."""
    levels = np.concatenate([np.full(count, level, np.uint8) for level, count in parts or [(120, 100)]])
    gray = levels.reshape(1, -1)
    assert exposure(gray) == counted(gray)
