"""Recorded material becomes a bag; what is assumed and what is left out is said."""

import math

import cv2
import numpy as np
import pytest

from headway.bags import BagReader
from headway.convert.material import CAMERA_TOPIC, IMAGE_TOPIC, START_NS
from headway.convert.video import convert_video
from headway.errors import UsageError
from headway.images import decode_image
from headway.sensors import camera_from_message, stamp_of


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "pictures"
    source.mkdir()
    for i in (1, 2, 10):
        cv2.imwrite(str(source / f"frame{i}.png"), np.full((48, 64, 3), 20 * i, np.uint8))
    return source


def read(bag, topic):
    with BagReader(bag) as reader:
        return [m.decode() for m in reader.messages([topic])]


def test_a_folder_of_images_becomes_a_bag_in_natural_order(folder, tmp_path):
    result = convert_video(folder, tmp_path / "a.mcap", hfov_deg=90, rate_hz=10)
    images = read(tmp_path / "a.mcap", IMAGE_TOPIC)
    assert result.images == 3
    assert [int(decode_image(m).mean()) for m in images] == pytest.approx([20, 40, 200], abs=2)
    assert [stamp_of(m) - START_NS for m in images] == [0, 100_000_000, 200_000_000]
    camera = camera_from_message(read(tmp_path / "a.mcap", CAMERA_TOPIC)[0])
    assert (camera.width, camera.height, camera.cx) == (64, 48, 32)
    assert 2 * math.degrees(math.atan(32 / camera.fx)) == pytest.approx(90)
    assert any("90° horizontal field of view assumed" in note for note in result.notes)


def test_a_digit_that_is_no_number_may_stand_in_a_name(folder, tmp_path):
    (folder / "frame1.png").rename(folder / "m².png")
    assert convert_video(folder, tmp_path / "a.mcap").images == 3


def test_a_jpeg_file_goes_into_the_bag_byte_by_byte(tmp_path):
    source = tmp_path / "jpegs"
    source.mkdir()
    cv2.imwrite(str(source / "a.jpg"), np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    convert_video(source, tmp_path / "a.mcap")
    (image,) = read(tmp_path / "a.mcap", IMAGE_TOPIC)
    assert image.data.tobytes() == (source / "a.jpg").read_bytes()


def test_a_picture_that_cannot_be_read_is_left_out_and_counted(folder, tmp_path):
    (folder / "frame3.png").write_bytes(b"no picture")
    result = convert_video(folder, tmp_path / "a.mcap")
    assert result.images == 3
    assert result.lost == ["frame3.png is no image that can be read"]
    # It leaves a gap in time: without one everybody in the pictures would jump.
    steps = [round(15 * (stamp_of(m) - START_NS) / 1e9, 3) for m in read(tmp_path / "a.mcap", IMAGE_TOPIC)]
    assert steps == [0, 1, 3]


def test_a_folder_whose_last_pictures_cannot_be_read_is_no_video_that_ends(folder, tmp_path):
    for i in range(11, 50):
        (folder / f"frame{i}.png").write_bytes(b"no picture")
    result = convert_video(folder, tmp_path / "a.mcap")
    assert [line for line in result.lost if not line.endswith("is no image that can be read")] == []
    assert len(result.lost) == 39


def test_a_video_that_is_cut_off_says_where_it_ends(tmp_path):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(60):
        writer.write(np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert convert_video(path, tmp_path / "some.mcap", limit=5).lost == []
    (lost,) = convert_video(path, tmp_path / "all.mcap").lost
    assert lost.startswith("the video ends after 2.")
    assert lost.endswith("of 6.0 s")


def test_a_video_keeps_its_own_image_times(tmp_path):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for i in range(10):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    result = convert_video(path, tmp_path / "v.mcap")
    images = read(tmp_path / "v.mcap", IMAGE_TOPIC)
    assert (result.images, result.lost) == (10, [])
    assert [stamp_of(m) - START_NS for m in images] == [80_000_000 * i for i in range(10)]
    faster = convert_video(path, tmp_path / "w.mcap", rate_hz=50, limit=4)
    assert faster.images == 4
    assert [stamp_of(m) - START_NS for m in read(tmp_path / "w.mcap", IMAGE_TOPIC)] == [
        20_000_000 * i for i in range(4)
    ]


@pytest.mark.parametrize("name", ["street", "street.mcap"])
def test_the_path_that_is_told_is_the_one_that_was_written(folder, tmp_path, name):
    result = convert_video(folder, tmp_path / name)
    assert result.bag == tmp_path / "street.mcap"
    assert result.bag.is_file()


def test_an_existing_bag_is_kept_unless_told_otherwise(folder, tmp_path):
    bag = tmp_path / "a.mcap"
    bag.write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        convert_video(folder, bag)
    assert bag.read_text() == "mine"
    assert convert_video(folder, bag, overwrite=True).images == 3


def test_a_conversion_that_fails_leaves_no_bag(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="no image that can be read"):
        convert_video(tmp_path / "empty", tmp_path / "out" / "a.mcap")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["missing.avi", "text.avi"])
def test_what_is_no_video_is_named(tmp_path, name):
    (tmp_path / "text.avi").write_text("hello")
    with pytest.raises(UsageError, match=name):
        convert_video(tmp_path / name, tmp_path / "a.mcap")


@pytest.mark.parametrize("name", ["v\udcf6.avi", "v\0.avi"])
def test_a_video_whose_name_opencv_cannot_take_is_refused_in_its_stead(tmp_path, name):
    with pytest.raises(UsageError, match=r"OpenCV cannot take|NUL"):
        convert_video(tmp_path / name, tmp_path / "a.mcap")


def test_the_real_street_video_is_converted(shared_data, tmp_path):
    result = convert_video(shared_data("people") / "vtest.avi", tmp_path / "v.mcap", limit=10)
    assert (result.images, result.lost) == (10, [])
