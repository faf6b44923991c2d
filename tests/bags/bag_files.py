"""Bags made for the tests: small, with known content."""

import random
import sqlite3
from pathlib import Path

from headway.bags import BagWriter, build, typestore

START = 1_700_000_000_000_000_000
STEP = 50_000_000
IMAGE = "/camera/image_raw/compressed"
IMU = "/imu/data"


def image(index, size=3000):
    """A CompressedImage whose first byte tells its index."""
    stamp = {"sec": 1_700_000_000, "nanosec": index * STEP % 1_000_000_000}
    data = bytes([index % 256]) + random.Random(index).randbytes(size - 1)  # as little compressible as a JPEG
    return {"header": {"stamp": stamp, "frame_id": "cam"}, "format": "jpeg", "data": data}


def write_bag(path: Path, images=40):
    """Images and, between them, two IMU messages each."""
    with BagWriter(path) as bag:
        for i in range(images):
            bag.write(IMAGE, "sensor_msgs/msg/CompressedImage", image(i), START + i * STEP)
            for k in (1, 2):
                imu = {"orientation": {"w": 1.0}, "angular_velocity": {"x": float(i)}}
                bag.write(IMU, "sensor_msgs/msg/Imu", imu, START + i * STEP + k * STEP // 3)
    return path


def write_sqlite(path: Path, images=40):
    """The same images as rosbag2's sqlite3 storage lays them out."""
    store = typestore()
    kind = "sensor_msgs/msg/CompressedImage"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, q TEXT)")
    db.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)")
    db.execute("INSERT INTO topics VALUES (1, ?, ?, 'cdr', '')", (IMAGE, kind))
    for i in range(images):
        data = bytes(store.serialize_cdr(build(store, kind, image(i)), kind))
        db.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)", (START + i * STEP, data))
    db.commit()
    db.close()
    return path
