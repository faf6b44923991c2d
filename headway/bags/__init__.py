"""Recorded bags: rosbag2 in mcap or sqlite3, read and written without a ROS installation."""

from headway.bags.reader import BagReader, Message
from headway.bags.source import Topic
from headway.bags.types import build, typestore
from headway.bags.writer import BagWriter

__all__ = ["BagReader", "BagWriter", "Message", "Topic", "build", "typestore"]
