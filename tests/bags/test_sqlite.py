"""Bags of sqlite3: read whole, or up to the damage."""

import contextlib
import shutil
import sqlite3

import pytest
from bag_files import IMAGE, write_sqlite

from headway.bags import BagReader
from headway.errors import BagError


def indices(bag):
    return [int(m.decode().data[0]) for m in bag.messages([IMAGE])]


def test_sqlite_is_read(tmp_path):
    with BagReader(write_sqlite(tmp_path / "bag.db3")) as bag:
        assert indices(bag) == list(range(40))
        assert bag.loss == ""


def test_what_a_recorder_that_died_left_in_its_write_ahead_log_is_read(tmp_path):
    """rosbag2's storage preset `resilient` writes so."""
    path, died = write_sqlite(tmp_path / "bag.db3"), tmp_path / "died" / "bag.db3"
    died.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("INSERT INTO messages(topic_id, timestamp, data) SELECT topic_id, timestamp, data FROM messages")
        db.commit()
        for name in ("bag.db3", "bag.db3-wal"):
            shutil.copy(tmp_path / name, died.parent)
    with BagReader(died) as bag:
        assert len(indices(bag)) == 80


@pytest.mark.parametrize("change", ["data = NULL", "data = 12", "timestamp = NULL", "timestamp = 'now'"])
def test_a_row_without_its_message_is_damage_and_what_lies_before_is_given(tmp_path, change):
    path = write_sqlite(tmp_path / "bag.db3")
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE messages SET {change} WHERE id = (SELECT id FROM messages ORDER BY id LIMIT 1 OFFSET 3)")
    with BagReader(path) as bag:
        assert len(list(bag.messages())) == 3
        assert "damaged after 3 messages" in bag.loss


def test_a_topic_without_a_name_is_named(tmp_path):
    path = write_sqlite(tmp_path / "bag.db3")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE topics SET name = NULL")
    with pytest.raises(BagError, match="table topics, id 1: name, type and serialization_format must be text"):
        BagReader(path)


def test_a_damaged_sqlite_gives_what_lies_before_the_damage(tmp_path):
    path = write_sqlite(tmp_path / "bag.db3")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with BagReader(path) as bag:
        found = indices(bag)
        assert "damaged" in bag.loss
    assert found == list(range(len(found)))
    assert 0 < len(found) < 40


def test_a_sqlite_bag_whose_only_part_is_missing_is_refused_in_one_line(tmp_path):
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {relative_file_paths: [gone.db3]}\n")
    with pytest.raises(BagError, match=r"gone\.db3 cannot be read: No such file"):
        BagReader(tmp_path)
