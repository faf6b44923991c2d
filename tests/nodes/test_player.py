"""The player's time is the bag's, before the first message goes out too."""

from __future__ import annotations

from typing import Any

from headway.bags import BagReader
from headway.nodes.player import Player
from headway.paths import sample_dir


class Publishers:
    """In place of a node."""

    def create_publisher(self, *_: Any) -> list[bytes]:
        return []


def test_what_a_node_says_before_the_bag_plays_is_logged_at_the_start_of_the_bag() -> None:
    bag = sample_dir() / "street-vehicle.mcap"
    with BagReader(bag) as reader:
        kinds = {name: topic.msgtype for name, topic in reader.topics.items() if topic.msgtype.startswith("nav_msgs")}
        first = next(reader.messages(list(kinds)))
    player = Player(Publishers(), bag, kinds, 1.0)
    assert player.now_ns() == first.stamp_ns
