"""Bags are read whole, or up to the damage, and then they say what is lost."""

import contextlib
import sqlite3
import struct
import zlib

import pytest
import zstandard
from bag_files import IMAGE, IMU, START, STEP, image, write_bag, write_sqlite
from hypothesis import given
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2 import Reader
from rosbags.rosbag2 import Writer as DirectoryWriter

from headway.bags import BagReader, BagWriter, typestore
from headway.errors import BagError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("bag") / "whole.mcap")


def indices(bag):
    return [int(m.decode().data[0]) for m in bag.messages([IMAGE])]


def test_a_whole_bag_gives_every_message_in_order_of_time_and_no_loss(whole):
    with BagReader(whole) as bag:
        messages = list(bag.messages())
        assert bag.topics[IMAGE].count == 40
        assert bag.topics[IMU].count == 80
        assert bag.loss == ""
    assert [m.stamp_ns for m in messages] == sorted(m.stamp_ns for m in messages)
    assert len(messages) == 120


def test_a_topic_filter_gives_those_topics_only(whole):
    with BagReader(whole) as bag:
        assert {m.topic for m in bag.messages([IMU])} == {IMU}
        assert indices(bag) == list(range(40))


def test_rosbags_itself_reads_what_is_written(whole):
    with Reader(whole) as reader:
        connection = next(c for c in reader.connections if c.topic == IMAGE)
        messages = list(reader.messages([connection]))
    store = typestore()
    decoded = [store.deserialize_cdr(data, connection.msgtype) for _, _, data in messages]
    assert [int(d.data[0]) for d in decoded] == list(range(40))
    assert decoded[0].header.frame_id == "cam"


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_a_directory_written_by_rosbags_is_read(tmp_path, kind):
    from rosbags.rosbag2 import StoragePlugin

    store = typestore()
    folder = tmp_path / "bag"
    with DirectoryWriter(folder, version=9, storage_plugin=StoragePlugin[kind.upper()]) as writer:
        connection = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
        for i in range(5):
            message = store.types["std_msgs/msg/String"](data=str(i))
            writer.write(connection, START + i, store.serialize_cdr(message, "std_msgs/msg/String"))
    with BagReader(folder) as bag:
        assert [m.decode().data for m in bag.messages()] == list("01234")
        assert bag.loss == ""


def test_a_directory_without_metadata_is_read_as_a_recorder_that_died_leaves_it(tmp_path, whole):
    folder = tmp_path / "died"
    folder.mkdir()
    (folder / "died_0.mcap").write_bytes(whole.read_bytes())
    with BagReader(folder) as bag:
        assert indices(bag) == list(range(40))


def test_files_that_were_recorded_side_by_side_are_merged_by_time(tmp_path):
    """Else all of the first came before any of the second, and an IMU in a file of its own was never there in time."""
    with BagWriter(tmp_path / "a.mcap") as a, BagWriter(tmp_path / "b.mcap") as b:
        for i in range(20):
            bag = a if i % 2 else b
            bag.write(IMAGE, "sensor_msgs/msg/CompressedImage", image(i), START + i * 2_000_000_000)
    with BagReader(tmp_path) as bag:
        assert indices(bag) == list(range(20))


def test_the_parts_of_a_folder_without_metadata_are_read_in_order_of_time(tmp_path):
    """Of their names 10 comes before 2."""
    for part in range(11):
        with BagWriter(tmp_path / f"died_{part}.mcap") as bag:
            bag.write(IMAGE, "sensor_msgs/msg/CompressedImage", image(part), START + part * 2_000_000_000)
    with BagReader(tmp_path) as bag:
        assert indices(bag) == list(range(11))


@pytest.mark.parametrize("both", [False, True])
def test_compressed_parts_of_a_folder_without_metadata_are_read_once(tmp_path, whole, both):
    (tmp_path / "died_0.mcap.zstd").write_bytes(zstandard.compress(whole.read_bytes()))
    if both:
        (tmp_path / "died_0.mcap").write_bytes(whole.read_bytes())
    with BagReader(tmp_path) as bag:
        assert indices(bag) == list(range(40))
        assert bag.loss == ""


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_truncated_mcap_gives_what_lies_before_the_end(tmp_path, whole, share):
    data = whole.read_bytes()
    path = tmp_path / "cut.mcap"
    path.write_bytes(data[: int(share * len(data))])
    with BagReader(path) as bag:
        found = indices(bag)
        assert "cut.mcap" in bag.loss
    assert found == list(range(len(found)))


def test_each_damaged_part_is_told_and_told_once_however_often_the_bag_is_read(tmp_path, whole):
    data = whole.read_bytes()
    for part, share in (("a_0.mcap", 0.5), ("a_1.mcap", 0.7)):
        (tmp_path / part).write_bytes(data[: int(share * len(data))])
    with BagReader(tmp_path) as bag:
        for _ in range(2):
            indices(bag)
            assert sorted(text.split()[0] for text in bag.losses) == ["a_0.mcap", "a_1.mcap"]


def test_a_truncated_chunk_gives_its_whole_messages(tmp_path):
    path = tmp_path / "cut.mcap"
    write_bag(path, 80)  # fits one chunk of two compressed blocks
    data = path.read_bytes()
    start = data.index(b"zstd")
    path.write_bytes(data[: start + 200_000])
    with BagReader(path) as bag:
        found = indices(bag)
        assert bag.loss == f"cut.mcap ends early, after {sum(1 for _ in bag.messages())} messages"
    assert found == list(range(len(found)))
    assert 20 <= len(found) < 70


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    # Uncompressed, so that nothing but the checksum can notice.
    path = tmp_path / "flipped.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=2000, compression=CompressionType.NONE)
        writer.start("ros2")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channel = writer.register_channel("/text", "cdr", schema)
        for i in range(100):
            text = b"%03d" % i + b"x" * 200
            writer.add_message(channel, START + i, b"\0\1\0\0" + struct.pack("<I", 204) + text + b"\0", START + i)
        writer.finish()
    data = bytearray(path.read_bytes())
    data[data.index(b"050xxx") + 10] ^= 1
    path.write_bytes(data)
    with BagReader(path) as bag:
        found = [m.decode().data[:3] for m in bag.messages()]
        assert "checksum" in bag.loss
        assert "of 100 messages" in bag.loss
    assert found == [f"{i:03d}" for i in range(len(found))]
    assert 30 < len(found) <= 50


def test_an_oversized_record_is_refused_not_read(tmp_path, whole):
    data = bytearray(whole.read_bytes()[:8])
    data += b"\x06" + struct.pack("<Q", 1 << 40)
    path = tmp_path / "huge.mcap"
    path.write_bytes(data)
    with BagReader(path) as bag:
        assert list(bag.messages()) == []
        assert "limit of 64 MiB" in bag.loss


def test_a_chunk_that_claims_to_grow_beyond_the_limit_is_refused(tmp_path):
    body = struct.pack("<QQQI", 0, 0, 1 << 40, 0) + struct.pack("<I", 4) + b"zstd" + struct.pack("<Q", 4) + b"abcd"
    path = tmp_path / "bomb.mcap"
    path.write_bytes(b"\x89MCAP0\r\n" + b"\x06" + struct.pack("<Q", len(body)) + body)
    with BagReader(path) as bag:
        assert list(bag.messages()) == []
        assert "over the limit" in bag.loss


def test_a_wrong_checksum_of_the_data_section_is_a_loss(tmp_path, whole):
    data = whole.read_bytes()
    end = data.index(b"\x0f" + struct.pack("<Q", 4))
    path = tmp_path / "section.mcap"
    for crc, wrong in ((zlib.crc32(data[:end]), False), (12345, True)):
        path.write_bytes(data[: end + 9] + struct.pack("<I", crc) + data[end + 13 :])
        with BagReader(path) as bag:
            assert len(list(bag.messages())) == 120
            assert ("checksum of the data section" in bag.loss) == wrong


@given(cut=st.integers(8, 100_000), flip=st.integers(0, 100_000), mask=st.integers(0, 255))
def test_no_damage_raises_anything_but_a_bag_error(tmp_path_factory, cut, flip, mask):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    original = folder / "original.mcap"
    if not original.exists():
        write_bag(original, 30)
    data = bytearray(original.read_bytes()[:cut])
    data[flip % len(data)] ^= mask
    path = folder / "damaged.mcap"
    path.write_bytes(data)
    with contextlib.suppress(BagError), BagReader(path) as bag:
        for message in bag.messages():
            message.decode()


def test_a_missing_bag_and_one_of_another_kind_are_named(tmp_path):
    with pytest.raises(BagError, match="does not exist"):
        BagReader(tmp_path / "nothing.mcap")
    other = tmp_path / "old.bag"
    other.write_bytes(b"#ROSBAG V2.0")
    with pytest.raises(BagError, match="rosbags-convert"):
        BagReader(other)
    (tmp_path / "street.avi").touch()
    with pytest.raises(BagError, match="`headway convert video` makes a bag"):
        BagReader(tmp_path / "street.avi")
    text = tmp_path / "text.mcap"
    text.write_text("hello hello")
    with pytest.raises(BagError, match="no MCAP file"):
        BagReader(text)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BagError, match="it is no bag"):
        BagReader(tmp_path / "empty")
    with sqlite3.connect(tmp_path / "other.db3") as db:
        db.execute("CREATE TABLE a(b)")
    with pytest.raises(BagError, match="no rosbag2 sqlite3"):
        BagReader(tmp_path / "other.db3")


@pytest.mark.parametrize("kind", [".db3", ".mcap"])
def test_a_part_of_a_split_bag_that_is_missing_is_a_loss_and_the_rest_is_read(tmp_path, kind):
    first = f"a_0{kind}"
    (write_sqlite if kind == ".db3" else write_bag)(tmp_path / first)
    (tmp_path / f"a_2{kind}").mkdir()
    names = f"[{first}, a_1{kind}, a_2{kind}]"
    (tmp_path / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{relative_file_paths: {names}}}\n")
    with BagReader(tmp_path) as bag:
        assert indices(bag) == list(range(40))
        missing, folder = bag.losses
    assert missing == f"file {tmp_path}/a_1{kind} cannot be read: No such file or directory"
    assert folder == f"file {tmp_path}/a_2{kind} cannot be read: Is a directory"


def test_messages_out_of_order_are_sorted(tmp_path):
    with BagWriter(tmp_path / "mixed.mcap") as bag:
        for offset in (0, 3, 1, 2, 5, 4):
            bag.write("/text", "std_msgs/msg/String", {"data": str(offset)}, START + offset * STEP)
    with BagReader(tmp_path / "mixed.mcap") as bag:
        assert [m.decode().data for m in bag.messages()] == list("012345")


def test_bytes_that_are_no_message_are_named_with_topic_and_type(tmp_path):
    with BagWriter(tmp_path / "bad.mcap") as bag:
        bag.write_raw("/text", "sensor_msgs/msg/Imu", b"\0\1\0\0abc", START)
    with BagReader(tmp_path / "bad.mcap") as bag:
        (message,) = bag.messages()
        with pytest.raises(BagError, match=r"/text is not a valid sensor_msgs/msg/Imu"):
            message.decode()


def test_a_type_the_bag_defines_itself_is_decoded_with_that_definition(tmp_path):
    with BagWriter(tmp_path / "old.mcap") as bag:
        # An older headway_msgs/Trace with fewer fields.
        data = b"\0\1\0\0" + struct.pack("<f", 2.5)
        bag.write_raw("/trace", "headway_msgs/msg/Trace", data, START, schema="float32 age_ms\n")
    with BagReader(tmp_path / "old.mcap") as bag:
        (message,) = bag.messages()
        assert message.decode().age_ms == 2.5
