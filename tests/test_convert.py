"""Recorded material becomes a bag; what is assumed and what is left out is said."""

import json
import math

import cv2
import numpy as np
import pytest

from headway.bags import BagReader
from headway.convert import CAMERA_TOPIC, DRIVE_TOPIC, IMAGE_TOPIC, START_NS, convert_tub, convert_video
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


@pytest.fixture
def tub(tmp_path):
    source = tmp_path / "tub"
    (source / "images").mkdir(parents=True)
    rows = []
    for i, angle in enumerate((0.25, -0.5, 1.5, 0.0, 0.75)):
        cv2.imwrite(str(source / "images" / f"{i}.jpg"), np.full((120, 160, 3), 50 * i, np.uint8))
        rows.append({"_index": i, "cam/image_array": f"{i}.jpg", "user/angle": angle, "user/throttle": 0.5})
    rows[3]["user/angle"] = None
    (source / "catalog_0.catalog").write_text("\n".join(map(json.dumps, rows)) + "\n")
    last = {"paths": ["catalog_0.catalog"], "deleted_indexes": [1]}
    (source / "manifest.json").write_text("[]\n[]\n{}\n{}\n" + json.dumps(last))
    return source


def test_a_tub_gives_steering_with_plus_to_the_left_and_keeps_gaps_in_time(tub, tmp_path):
    result = convert_tub(tub, tmp_path / "tub.mcap")
    commands = read(tmp_path / "tub.mcap", DRIVE_TOPIC)
    assert [c.steering for c in commands] == [-0.25, -1.0, -0.75]
    assert [stamp_of(c) - START_NS for c in commands] == [0, 100_000_000, 200_000_000]
    assert len(read(tmp_path / "tub.mcap", IMAGE_TOPIC)) == 3
    assert result.lost == ["record 3: no image, or no steering"]
    assert any("20 images a second assumed" in note for note in result.notes)


def test_a_folder_that_is_no_tub_is_named(tmp_path):
    with pytest.raises(UsageError, match="is no donkeycar tub"):
        convert_tub(tmp_path, tmp_path / "a.mcap")


def test_a_tub_cannot_lead_out_of_its_folder(tub, tmp_path):
    cv2.imwrite(str(tmp_path / "secret.jpg"), np.zeros((8, 8, 3), np.uint8))
    row = {"_index": 0, "cam/image_array": "../../secret.jpg", "user/angle": 0.0, "user/throttle": 0.0}
    (tub / "catalog_0.catalog").write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match="no record with image"):
        convert_tub(tub, tmp_path / "a.mcap")


def test_the_real_tub_is_converted(shared_data, tmp_path):
    result = convert_tub(shared_data("donkeycar_tub") / "tub", tmp_path / "tub.mcap", limit=40)
    assert (result.images, result.lost) == (40, [])


def test_the_real_street_video_is_converted(shared_data, tmp_path):
    result = convert_video(shared_data("people") / "vtest.avi", tmp_path / "v.mcap", limit=10)
    assert (result.images, result.lost) == (10, [])
