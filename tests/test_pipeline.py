"""What the pipeline says of a frame on which a task did its work and the answer is none all the same."""

from __future__ import annotations

import numpy as np

from headway.pipeline import Pipeline
from headway.stages.gate import Gate
from headway.stages.shrink import Shrinker
from headway.tasks import DRIVING, Driving
from headway.types import DriveCommand, DriveState, Frame, Risks, Steering, Trace, View

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
