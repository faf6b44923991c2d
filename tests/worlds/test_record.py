"""One pipeline, two hosts: a run recorded in the loop is answered the same way when its bag is replayed."""

from __future__ import annotations

from headway.bags import BagReader
from headway.evaluate.closed_loop import HeadwayDriver, drive
from headway.node_config import HeadwayNodeConfig
from headway.replay import replay
from headway.runtime.model import open_model
from headway.worlds.record import COMMAND_TOPIC, RunRecorder
from headway.worlds.roadworld import VEHICLE, Roadworld

MODEL = "driving-roadworld"
STEERING_TOLERANCE = 1e-6  # float32 messages on both sides
FIELDS = ("steering", "throttle", "brake", "confidence", "steering_low", "steering_high", "speed")


def commands(bag, topic):
    with BagReader(bag) as reader:
        return [m.decode() for m in reader.messages([topic])]


def test_replay_answers_a_recorded_run_as_the_driver_did_in_the_loop(tmp_path):
    bag = tmp_path / "run.mcap"
    with RunRecorder(bag) as recorder:
        run = drive(Roadworld(), HeadwayDriver(open_model(MODEL, "driving")), "straight", 20_004, watch=recorder.step)
    gate = {f"gate.{p.name}": p.value for p in VEHICLE.parameters()}
    config = HeadwayNodeConfig().replaced(
        {"models.head_pose": "", "models.trajectory": "", "models.driving": MODEL, **gate}
    )
    replay(bag, tmp_path / "out.mcap", config)
    driven, replayed = commands(bag, COMMAND_TOPIC), commands(tmp_path / "out.mcap", "/driving/command")
    assert len(driven) == len(replayed) == len(run.states) > 20
    for a, b in zip(driven, replayed, strict=True):
        assert (a.state, a.valid, a.reason) == (b.state, b.valid, b.reason)
        assert all(abs(getattr(a, name) - getattr(b, name)) <= STEERING_TOLERANCE for name in FIELDS)
