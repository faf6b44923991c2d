"""A full disk is told in one line that names the file, and what is half written does not pass for whole."""

import contextlib
import resource

import cv2
import numpy as np
import pytest

from headway.bags import BagWriter
from headway.bags.topics import InputTopics
from headway.convert.video import convert_video
from headway.errors import HeadwayError
from headway.json_files import write_json
from headway.report import video
from headway.report.run import Run


@contextlib.contextmanager
def full_disk(size):
    """Files can be no longer than `size` bytes; the system refuses the rest as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 2000])
def test_a_bag_is_named(tmp_path, size):
    noise = np.random.default_rng(0).bytes(5000)
    with full_disk(size), pytest.raises(HeadwayError, match=r"a\.mcap cannot be written: File too large"):  # noqa: SIM117
        with BagWriter(tmp_path / "a.mcap") as bag:
            bag.write("/a", "std_msgs/msg/UInt8MultiArray", {"data": noise}, 1)


@pytest.mark.parametrize("size", [0, 2000])
def test_a_conversion_leaves_nothing_behind(tmp_path, size):
    (tmp_path / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), noise)
    with full_disk(size), pytest.raises(HeadwayError, match=r"mcap cannot be written: File too large"):
        convert_video(tmp_path / "pictures", tmp_path / "out" / "a.mcap")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_report_is_named(tmp_path):
    with full_disk(100), pytest.raises(HeadwayError, match=r"a\.json cannot be written: File too large"):
        write_json(tmp_path / "a.json", {"text": "a" * 1000})


def test_a_video_that_opencv_writes_into_nothing_is_named(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (40, 240, 320, 3), dtype=np.uint8)
    monkeypatch.setattr(video, "annotated", lambda run: enumerate(noise))
    run = Run(tmp_path / "a.mcap", tmp_path / "b.mcap", InputTopics("/image"), "", "", stamps=list(range(len(noise))))
    path = tmp_path / "annotated.mp4"
    with full_disk(100_000), pytest.raises(HeadwayError, match=r"annotated\.mp4 cannot be written: 0 of 40 images"):
        video.write_video(run, path, set(), lambda done, total: None)
    video.write_video(run, path, set(), lambda done, total: None)
    assert path.stat().st_size > 100_000
