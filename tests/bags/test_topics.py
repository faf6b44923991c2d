"""Which topics are taken, and what is said where none fits."""

import sqlite3

import pytest
from bag_files import START

from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics, choose_topics, other_images
from headway.errors import BagError

BAG = [
    ("/front/depth/image", "sensor_msgs/msg/Image"),
    ("/rear/camera_info", "sensor_msgs/msg/CameraInfo"),
    ("/front/image", "sensor_msgs/msg/Image"),
    ("/front/camera_info", "sensor_msgs/msg/CameraInfo"),
    ("/rear/image/compressed", "sensor_msgs/msg/CompressedImage"),
    ("/imu", "sensor_msgs/msg/Imu"),
    ("/chatter", "std_msgs/msg/String"),
]


@pytest.fixture
def bag(tmp_path):
    def make(topics):
        with BagWriter(tmp_path / "topics.mcap") as writer:
            for name, kind in topics:
                writer.write(name, kind, {}, START)
        return BagReader(tmp_path / "topics.mcap")

    return make


def test_the_first_image_is_taken_with_the_camera_info_beside_it(bag):
    with bag(BAG) as reader:
        found = choose_topics(reader)
    assert found == InputTopics("/front/image", "/front/camera_info", "/imu", "", "/front/depth/image")


def test_a_named_image_brings_its_own_camera_info(bag):
    with bag(BAG) as reader:
        found = choose_topics(reader, InputTopics(image="/rear/image/compressed"))
    assert (found.image, found.camera_info) == ("/rear/image/compressed", "/rear/camera_info")


def with_rows(tmp_path, *messages):
    """A sqlite3 bag of BAG's topics with messages on those that are named."""
    path = tmp_path / "topics.db3"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE topics(id INTEGER, name TEXT, type TEXT, serialization_format TEXT)")
        db.execute("CREATE TABLE messages(id INTEGER, topic_id INTEGER, timestamp INTEGER, data BLOB)")
        for number, (name, kind) in enumerate(BAG):
            db.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr')", (number, name, kind))
            if name in messages:
                db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", (number, number, START, b""))
    return BagReader(path)


def test_a_topic_with_messages_goes_before_one_without(tmp_path):
    with with_rows(tmp_path, "/rear/image/compressed", "/front/camera_info", "/imu") as reader:
        found = choose_topics(reader)
        assert found == InputTopics("/rear/image/compressed", "/front/camera_info", "/imu", "", "/front/depth/image")
        assert reader.topics["/imu"].count == 1
        assert other_images(reader, found.image) == ""


def test_images_that_are_left_alone_are_named_with_the_option_that_chooses(bag):
    with bag(BAG) as reader:
        note = other_images(reader, "/front/image")
    assert note == (
        "images are those of /front/image; /rear/image/compressed left alone (`headway replay --image` chooses)"
    )


def test_a_bag_without_an_image_lists_what_it_has(bag):
    with bag(BAG[-2:]) as reader, pytest.raises(BagError, match=r"/imu \(sensor_msgs/msg/Imu\), /chatter"):
        choose_topics(reader)


def test_a_bag_of_heads_says_what_it_is_for(bag):
    heads = ("/ground_truth/heads", "headway_msgs/msg/HeadArray")
    with bag([heads, *BAG[-2:]]) as reader, pytest.raises(BagError, match="it is for the trajectory node"):
        choose_topics(reader)


def test_a_named_topic_that_is_missing_or_of_another_type_is_named(bag):
    with bag(BAG) as reader:
        with pytest.raises(BagError, match=r"no topic /nose; it has /front"):
            choose_topics(reader, InputTopics(image="/nose"))
        with pytest.raises(BagError, match=r"/chatter is of type std_msgs/msg/String"):
            choose_topics(reader, InputTopics(imu="/chatter"))


def test_where_damage_may_have_taken_the_image_it_is_named(bag, tmp_path):
    with bag(BAG) as whole:
        data = whole.path.read_bytes()
    short = tmp_path / "short.mcap"
    for kept, said in ((40, "it has no topics; short.mcap is damaged at byte"), (len(data) // 4, "short.mcap")):
        short.write_bytes(data[:kept])
        with BagReader(short) as reader, pytest.raises(BagError, match=said):
            choose_topics(reader, InputTopics(image="/nose"))
