"""rosbag2's sqlite3 storage, read row by row so that a damaged file gives what lies before the damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from headway.bags.source import Damage, Record, Topic
from headway.errors import BagError


class SqliteSource:
    """One .db3 file, opened read-only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damage = ""
        path.open("rb").close()  # SQLite says of any file that it cannot open it, the system says why
        wal = path.with_name(f"{path.name}-wal")
        logged = wal.is_file() and wal.stat().st_size > 0
        # immutable: a bag on read-only media opens, and no journal file appears beside it. But it hides what a recorder
        # that died has left in its write-ahead log (rosbag2's preset `resilient`).
        flags = "mode=ro" if logged else "mode=ro&immutable=1"
        self._db = sqlite3.connect(f"{path.resolve().as_uri()}?{flags}", uri=True)
        try:
            # A file that was cut off is otherwise refused as a whole; nothing can be written through this connection.
            self._db.execute("PRAGMA writable_schema = ON")
            rows = self._db.execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id").fetchall()
            self.definitions = self._embedded()
        except sqlite3.DatabaseError as error:
            self._db.close()
            cure = (
                f"; with {wal.name} beside it the folder must be writable: copy both to one that is" if logged else ""
            )
            raise BagError(f"{path} is no rosbag2 sqlite3 file: {error}{cure}") from error
        for row in rows:  # SQLite keeps any type in any column, and NULL where a page is gone
            if not all(isinstance(cell, str) for cell in row[1:]):
                self._db.close()
                raise BagError(f"{path}: table topics, id {row[0]!r}: name, type and serialization_format must be text")
        self._names = {row[0]: row[1] for row in rows}
        counts = self._counts()
        self.topics = {
            name: Topic(name, kind, counts.get(number, 0) if counts is not None else -1, encoding)
            for number, name, kind, encoding in rows
        }

    def _counts(self) -> dict[int, int] | None:
        """Messages by topic id; None where the table is damaged, which reading it tells."""
        try:
            return dict(self._db.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id").fetchall())
        except sqlite3.DatabaseError as error:
            self.damage = f"{self._path.name} is damaged ({error})"
            return None

    def _embedded(self) -> dict[str, str]:
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "message_definitions" not in tables:
            return {}
        query = "SELECT topic_type, encoded_message_definition FROM message_definitions WHERE encoding = 'ros2msg'"
        return {kind: text for kind, text in self._db.execute(query) if isinstance(kind, str) and isinstance(text, str)}

    def records(self) -> Iterator[Record]:
        """See Source.records."""
        count = 0
        try:
            for topic_id, stamp, data in self._db.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id"):
                if topic_id in self._names:
                    if not isinstance(stamp, int) or not isinstance(data, bytes):
                        raise Damage(f"{self._path.name} is damaged after {count} messages (a row without its message)")
                    yield Record(stamp, self._names[topic_id], data)
                    count += 1
        except sqlite3.DatabaseError as error:
            raise Damage(f"{self._path.name} is damaged after {count} messages ({error})") from error

    def close(self) -> None:
        """Closes the data base."""
        self._db.close()
