"""A run recorded in roadworld drives the real node, over real topics, as it drove the car in the loop."""

from __future__ import annotations

from pathlib import Path

from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from ros_bench import Bench, wait
from sensor_msgs.msg import Image
from task_messages import TASK_NODE, matched, started

from headway.bags import BagReader
from headway.evaluate.closed_loop import HeadwayDriver, drive
from headway.runtime.model import open_model
from headway.sensors import stamp_of
from headway.worlds.record import COMMAND_TOPIC, IMAGE_TOPIC, ODOM_TOPIC, RunRecorder
from headway.worlds.roadworld import VEHICLE, Roadworld
from headway_msgs.msg import DriveCommand

pytestmark = TASK_NODE

MODEL = "driving-roadworld"
TOLERANCE = 1e-6  # float32 messages on both sides
FIELDS = ("steering", "throttle", "brake", "confidence", "steering_low", "steering_high", "speed")


def test_the_node_answers_a_recorded_run_as_the_driver_did_in_the_loop(bench: Bench, tmp_path: Path) -> None:
    from headway.nodes.driving import DrivingNode

    bag = tmp_path / "run.mcap"
    with RunRecorder(bag) as recorder:
        drive(Roadworld(), HeadwayDriver(open_model(MODEL, "driving")), "one-turn", 20_004, watch=recorder.step)
    gate = {f"gate.{p.name}": p.value for p in VEHICLE.parameters()}
    node = started(bench, DrivingNode, model=MODEL, heartbeat_s=2.0, **gate)
    commands = bench.record(DriveCommand, "/driving/command")
    matched(bench, "/driving/command")
    odom, camera = bench.publisher(Odometry, "odom"), bench.publisher(Image, "image")
    driven = []
    with BagReader(bag) as reader:
        for message in reader.messages([ODOM_TOPIC, IMAGE_TOPIC, COMMAND_TOPIC]):
            if message.topic == COMMAND_TOPIC:
                driven.append(message.decode())
                continue
            sent = deserialize_message(message.data, Odometry if message.topic == ODOM_TOPIC else Image)
            at = stamp_of(sent)
            if message.topic == ODOM_TOPIC:
                odom.publish(sent)
                wait(lambda at=at: known_at(node, at), "odometry did not arrive")
            else:
                camera.publish(sent)
                wait(lambda at=at: any(stamp_of(c) == at for c in commands[-3:]), "not answered")
    assert len(driven) == len(commands) > 20
    for a, b in zip(driven, commands, strict=True):
        assert (stamp_of(a), a.state, a.valid, a.reason) == (stamp_of(b), b.state, b.valid, b.reason)
        assert all(abs(getattr(a, name) - getattr(b, name)) <= TOLERANCE for name in FIELDS)


def known_at(node: object, stamp_ns: int) -> bool:
    """Whether the node has the odometry of this stamp."""
    known = node.sensors.view(stamp_ns, "lens", 0, 0).odometry
    return known is not None and known.stamp_ns == stamp_ns
