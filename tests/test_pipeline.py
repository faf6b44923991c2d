"""The pipeline: one task that fails leaves the others alone, and what nobody looked for is unsure, never clear."""

from types import SimpleNamespace

import numpy as np
import pytest
from scripted_driving import START, Scripted, model_with

from headway.errors import EngineError, FrameError
from headway.pipeline import Pipeline
from headway.stages.drive import DriveConfig
from headway.stages.gate import Gate
from headway.stages.limits import GateConfig
from headway.stages.shrink import Shrinker
from headway.tasks import DRIVING, HEAD_POSE, TRAJECTORY, Driving
from headway.types import DriveCommand, DriveState, Frame, Heads, Level, Odometry, Risks, Steering, Trace, View

NOBODY = Heads(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 3, 3)), np.zeros(0), np.zeros(0))


class Task:
    """A task that answers `answer`, or raises it."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.shrinker = SimpleNamespace(halves=None)
        self.asked = 0

    def step(self, *_):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Broken(Scripted):
    def infer(self, feeds):
        raise EngineError("the network is gone")


def driving(engine: Scripted) -> Driving:
    return Driving(model_with(engine), DriveConfig(), GateConfig())


def frame(i: int) -> Frame:
    stamp_ns = START + i * 50_000_000
    odometry = Odometry(stamp_ns, np.array([2.0, 0.0, 0.0]), 0.0)
    return Frame(stamp_ns=stamp_ns, image=np.full((120, 160, 3), 90, np.uint8), odometry=odometry)


@pytest.mark.parametrize(
    ("head_pose", "trajectory", "reason"),
    [
        (Task(EngineError("no memory")), Task(None), "no heads: no memory"),
        (None, Task(None), "no heads: the head pose task is absent"),
        (Task(NOBODY), Task(FrameError("no stamp")), "no stamp"),
    ],
    ids=["heads fail", "no heads", "trajectory fails"],
)
def test_where_nobody_was_looked_for_the_gate_hears_unsure(head_pose, trajectory, reason):
    answer = Pipeline(head_pose, trajectory, driving(Scripted())).step(frame(0))
    assert answer.motion is None
    assert answer.reasons[TRAJECTORY] == reason
    assert (answer.risks.level, answer.risks.unsure) == (Level.UNSURE, reason)
    assert "pedestrians unsure" in answer.command.reason
    assert answer.command.valid, "the driving task answers all the same"


def test_without_a_trajectory_task_nothing_is_said_of_people():
    answer = Pipeline(Task(NOBODY), None, driving(Scripted())).step(frame(0))
    assert (answer.risks, answer.reasons) == (None, {})
    assert answer.heads is NOBODY


def test_where_the_driving_network_fails_the_vehicle_is_still_brought_to_a_stop():
    heads = Task(NOBODY)
    pipeline = Pipeline(heads, None, driving(Broken()))
    answers = [pipeline.step(frame(i)) for i in range(100)]
    assert all(a.reasons == {DRIVING: "the network is gone"} for a in answers)
    assert heads.asked == 100
    assert not any(a.command.valid for a in answers)
    assert answers[0].command.speed_mps > 1.5, "taken over while it rolls"
    assert (answers[-1].command.speed_mps, answers[-1].command.state) == (0.0, DriveState.STOP)


def test_a_monitor_that_refuses_the_image_asks_no_task_and_stops_the_vehicle():
    heads, trajectory, network = Task(NOBODY), Task(None), Scripted()

    class Refusing:
        def check(self, frame):
            raise FrameError("SENSOR_INVALID: black")

    pipeline = Pipeline(heads, trajectory, driving(network), Refusing())
    answers = [pipeline.step(frame(i)) for i in range(100)]
    assert (heads.asked, trajectory.asked, network.seen) == (0, 0, None)
    assert answers[0].reasons == dict.fromkeys((HEAD_POSE, TRAJECTORY, DRIVING), "SENSOR_INVALID: black")
    assert answers[0].risks.level == Level.UNSURE
    assert answers[-1].command.speed_mps == 0.0


def test_a_reset_forgets_the_images_and_leaves_the_gate_with_its_last_command():
    pipeline = Pipeline(None, None, driving(Scripted()))
    for i in range(40):
        moving = pipeline.step(frame(i)).command
    pipeline.reset()
    assert pipeline.step(frame(40)).command.speed_mps == pytest.approx(moving.speed_mps, abs=0.1)


def test_an_error_that_is_nobodys_fault_of_input_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        Pipeline(Task(ZeroDivisionError())).step(frame(0))


SECOND = 1_000_000_000


class Straight(Driving):
    """The gate behind a network that always says the same."""

    def __init__(self) -> None:
        self.shrinker, self._said = Shrinker(), Gate()

    def step(self, frame: Frame, risks: Risks | None, trace: Trace) -> tuple[Steering, DriveCommand]:
        steering = Steering(0.0, 1.0, (-0.1, 0.1), 0.9, DriveState.DRIVE)
        return steering, self._said(frame.stamp_ns, steering, frame.odometry, risks)

    def idle(self, view: View, risks: Risks | None = None) -> DriveCommand:
        raise AssertionError("the gate was asked twice for one frame")


def test_a_command_that_the_gate_calls_invalid_is_no_answer_of_the_task() -> None:
    pipeline, image = Pipeline(driving=Straight()), np.zeros((8, 8, 3), np.uint8)
    stamps = (10 * SECOND, 10 * SECOND + SECOND // 10, 5 * SECOND, 5 * SECOND + SECOND // 10)  # a source restarted
    answers = [pipeline.step(Frame(stamp_ns=stamp, image=image)) for stamp in stamps]
    assert [a.command is not None and a.command.valid for a in answers] == [True, True, False, True]
    assert [DRIVING in a.reasons for a in answers] == [False, False, True, False]
    assert "the time stamp did not advance" in answers[2].reasons[DRIVING]
