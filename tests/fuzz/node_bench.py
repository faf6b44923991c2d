"""Real nodes with the shipped networks, fed past DDS: good messages, hostile ones, and a look at all that comes out."""

from __future__ import annotations

import array
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu

from headway.bags import BagReader
from headway.counting import MOST_REASONS
from headway.images import COMPRESSED, decode_image
from headway.nodes.inputs import Item
from headway.order import Order
from headway.paths import sample_dir
from headway_msgs.msg import DriveCommand, Head, HeadArray, Risk, RiskArray

WIDTH, HEIGHT = 96, 72
START_NS, STEP_NS = 1_700_000_000_000_000_000, 66_666_667
MAIN = ("image", "compressed", "heads")
FORWARD = [-0.5, 0.5, -0.5, 0.5]


@functools.cache
def pictures() -> list[np.ndarray]:
    """Two pictures of the world: the image monitor rightly refuses anything else."""
    with BagReader(sample_dir() / "street-vehicle.mcap") as bag:
        found = itertools.islice(bag.messages(bag.of_type(COMPRESSED)), 2)
        return [cv2.resize(decode_image(m.decode()), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for m in found]


def stamped(message: Any, index: int) -> Any:
    """`message` with the stamp of frame `index`."""
    stamp_ns = START_NS + index * STEP_NS
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    message.header.frame_id = "lens"
    return message


def good(topic: str, index: int = 0) -> Any:
    """A message of the kind that `topic` is made for."""
    pixels = pictures()[index % 2]
    if topic == "image":
        message = Image(width=WIDTH, height=HEIGHT, encoding="bgr8", step=3 * WIDTH)
        message.data = array.array("B", pixels.tobytes())
    elif topic == "compressed":
        message = CompressedImage(format="jpeg", data=array.array("B", cv2.imencode(".jpg", pixels)[1].tobytes()))
    elif topic == "depth":
        message = Image(width=WIDTH, height=HEIGHT, encoding="32FC1", step=4 * WIDTH)
        message.data = array.array("B", np.full((HEIGHT, WIDTH), 5.0, np.float32).tobytes())
    elif topic == "camera_info":
        k = [90.0, 0.0, WIDTH / 2, 0.0, 90.0, HEIGHT / 2, 0.0, 0.0, 1.0]
        message = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5, k=k)
    elif topic == "imu":
        message = Imu()
        message.orientation.w, message.linear_acceleration.z = 1.0, 9.81
    elif topic == "odom":
        message = Odometry()
        message.pose.pose.orientation.w, message.twist.twist.linear.x = 1.0, 1.5
    elif topic == "heads":
        heads = [Head(x_min=x, y_min=20.0, x_max=x + 8.0, y_max=30.0, score=0.9, sigma=0.2) for x in (20.0, 50.0)]
        for head in heads:
            head.orientation.w = 1.0
        message = HeadArray(valid=True, width=WIDTH, height=HEIGHT, heads=heads)
    else:
        risk = Risk(track_id=3, level=2, contact=True, time_to_contact=1.5, probability=0.8, closest=0.3)
        message = RiskArray(valid=True, level=2, risks=[risk])
    return stamped(message, index)


class Fed:
    """One active node and what it published since `begin`."""

    def __init__(self, kind: type, context: Any, compressed: bool = False) -> None:
        overrides = {"input.transport": "compressed"} if compressed else {}
        turned = {"sensors.camera_imu_rotation": FORWARD, "sensors.camera_base_rotation": FORWARD}
        if kind.__name__ in ("TrajectoryNode", "HeadwayNode"):
            overrides |= turned
        self.node = kind(context=context, parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()])
        assert self.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.published: list[Any] = []
        self.internal: list[str] = []
        for publisher in self.node._publishers_made:
            publisher.publish = self.published.append
        self.node.report = lambda what, error: self.internal.append(f"{what}: {type(error).__name__}: {error}")
        self._callbacks = {s.topic_name.rpartition("/")[2]: s.callback for s in self.node._subscriptions_made}
        self.sides = [t for t in self._callbacks if t not in MAIN]
        self.main = next(t for t in self._callbacks if t in MAIN)
        self.stamps: set[tuple[int, int]] = set()

    def begin(self) -> None:
        """Everything that is carried from message to message is forgotten, so that an example stands for itself."""
        self.published.clear()
        self.internal.clear()
        self.stamps = {(0, 0)}
        self.node._order, self.node.last_request = Order(), None
        self.node.restart()

    def send(self, topic: str, message: Any) -> None:
        """One message, by way of its bytes."""
        data = serialize_message(message)
        if topic == self.main:
            self.stamps.add((message.header.stamp.sec, message.header.stamp.nanosec))
            self.node._handle(type(message), Item(data, self.node.ledger.arrive(), 0))
        else:
            self._callbacks[topic](deserialize_message(data, type(message)))

    def tick(self) -> None:
        """All timers: what is said in silence."""
        for timer in self.node._timers_made:
            timer.callback()
        self.node.diagnose()

    def check(self) -> None:
        """Raises AssertionError where a promise is broken."""
        assert not self.internal, self.internal[:3]
        account = self.node.ledger.summary()
        assert account["received"] == account["answered"] + sum(account["dropped"].values())
        assert len(account["invalid"]) <= MOST_REASONS + 1
        assert len(account["dropped"]) <= MOST_REASONS + 1
        assert all(math.isfinite(age) for age in account["ages_ms"])
        for message in self.published:
            serialize_message(message)
            assert all(map(math.isfinite, numbers(message))), f"{type(message).__name__} holds NaN or infinity"
            stamp = message.header.stamp
            assert (stamp.sec, stamp.nanosec) in self.stamps, "a stamp was invented"
            if isinstance(message, DriveCommand):
                assert abs(message.steering) <= 1
                assert 0 <= message.throttle <= 1
                assert 0 <= message.brake <= 1
                assert message.valid or message.reason

    def close(self) -> None:
        """Ends the node."""
        self.node.stop()
        self.node.destroy_node()


def numbers(message: Any) -> Iterator[float]:
    """Every floating point number of a message."""
    for name in message.get_fields_and_field_types():
        yield from _numbers(getattr(message, name))


def _numbers(thing: Any) -> Iterator[float]:
    if isinstance(thing, float):
        yield thing
    elif hasattr(thing, "get_fields_and_field_types"):
        yield from numbers(thing)
    elif isinstance(thing, (list, tuple, np.ndarray)) or (isinstance(thing, array.array) and thing.typecode in "fd"):
        for item in thing:
            yield from _numbers(float(item) if isinstance(item, np.floating) else item)
