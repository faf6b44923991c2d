"""Live and replay agree: the node `headway` and `headway replay` say the same of the same messages, to the bit."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from ros_bench import Bench
from sensor_msgs.msg import CompressedImage

from headway import messages
from headway.bags import BagReader, BagWriter, typestore
from headway.bags.topics import choose_topics
from headway.evaluate.reference_output import SKIPPED, leaves
from headway.faults.inject import FAULTS, Injector
from headway.node_config import HeadwayNodeConfig, load
from headway.nodes.headway import HeadwayNode
from headway.nodes.inputs import Item
from headway.nodes.outputs import message_class
from headway.paths import sample_dir
from headway.replay import TOPICS, replay
from headway.runtime.model import installed_models
from headway.sensors import stamp_of
from headway.stages.drive import DriveStage
from headway.types import Steering

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="the shipped weights are missing"
    ),
]

BAG = sample_dir() / "street-vehicle.mcap"
FRAMES = 40


# Without alerts the gate drives, and it shows what else it hears of people.
CALM = {"risk.alert_share": 1.0, "risk.notice_share": 1.0}


def configuration(changes: dict[str, Any]) -> HeadwayNodeConfig:
    return load(HeadwayNodeConfig(), "headway").replaced({"input.transport": "compressed", **changes})


def from_the_node(bench: Bench, bag: Path, config: HeadwayNodeConfig) -> dict[str, list[Any]]:
    """type -> messages of the live node, which gets the bag's bytes in the order in which replay takes them."""
    defaults = {p.name: p.value for p in HeadwayNodeConfig().parameters()}
    changed = [p for p in config.parameters() if p.value != defaults[p.name]]
    given = [Parameter(p.name, value=list(p.value) if isinstance(p.value, tuple) else p.value) for p in changed]
    node = HeadwayNode(context=bench.context, parameter_overrides=given)
    store, said = typestore(), {kind: [] for kind in TOPICS}

    def keep(message: Any) -> None:
        package, kind = type(message).__module__.split(".")[0], type(message).__name__
        name = f"{package}/msg/{kind}"
        if name in said:
            said[name].append(store.deserialize_cdr(serialize_message(message), name))

    try:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        for publisher in node._publishers_made:
            publisher.publish = keep
        sides = {s.topic_name.rpartition("/")[2]: s.callback for s in node._subscriptions_made}
        play(node, sides, bag)
        node.last_word = lambda: None  # a replay ends without one
    finally:
        node.stop()
        node.destroy_node()
    return said


def play(node: Any, sides: dict[str, Any], path: Path) -> None:
    """Feeds the node; an image waits until the IMU has passed it, so that its orientation is interpolated."""
    waiting: deque[tuple[int, bytes]] = deque()
    imu_ns = frames = 0
    with BagReader(path) as bag:
        topics = choose_topics(bag)
        names = {topics.camera_info: "camera_info", topics.imu: "imu", topics.odom: "odom", topics.depth: "depth"}
        for message in bag.messages(topics.names):
            if message.topic == topics.image:
                waiting.append((stamp_of(message.decode()), message.data))
            else:
                decoded = deserialize_message(message.data, message_class(message.msgtype))
                sides[names[message.topic]](decoded)
                imu_ns = stamp_of(decoded) if message.topic == topics.imu else imu_ns
            while waiting and imu_ns >= waiting[0][0]:
                node._handle(CompressedImage, Item(waiting.popleft()[1], node.ledger.arrive(), 0))
                frames += 1
                if frames == FRAMES:
                    return


def damaged(path: Path) -> Path:
    """The recording with five images of which only a half came, in the midst of a drive."""
    with BagReader(BAG) as bag, BagWriter(path) as writer:
        topics = choose_topics(bag)
        first = next(bag.messages([topics.image])).stamp_ns
        fault = Injector(replace(FAULTS["truncated"], frames=5), topics, first + 1_500_000_000, 0)
        for message in fault.stream(bag.messages(topics.names)):
            writer.write_raw(message.topic, message.msgtype, message.data, message.stamp_ns)
    return path


def values(message: Any) -> dict[tuple[str, int], Any]:
    """Everything that the message says but how long it took."""
    return {(p, person): v for p, person, v in leaves(message) if not SKIPPED.search(p)}


@pytest.mark.parametrize("whole", [True, False], ids=["as recorded", "with damaged images, driving fast"])
def test_the_live_node_and_replay_say_the_same_in_every_field_to_the_bit(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    bag = BAG if whole else damaged(tmp_path / "damaged.mcap")
    if not whole:
        monkeypatch.setattr(DriveStage, "__call__", lambda *_: Steering(0.0, 1.0, (-0.1, 0.1), 0.9))
    config = configuration({} if whole else CALM)
    live = from_the_node(bench, bag, config)
    assert all(m.valid for m in live[messages.HEADS]) == whole
    replay(bag, tmp_path / "output.mcap", config, limit=FRAMES)
    with BagReader(tmp_path / "output.mcap") as reader:
        for kind, topic in TOPICS.items():
            again = [m.decode() for m in islice(reader.messages([topic]), FRAMES)]
            assert len(live[kind]) == len(again) == FRAMES, kind
            for mine, theirs in zip(live[kind], again, strict=True):
                assert stamp_of(mine) == stamp_of(theirs)
                a, b = values(mine), values(theirs)
                assert a.keys() == b.keys()
                different = [k for k in a if not np.array_equal(a[k], b[k])]
                assert not different, f"{kind} at {stamp_of(mine)}: {[(k, a[k], b[k]) for k in different[:3]]}"
