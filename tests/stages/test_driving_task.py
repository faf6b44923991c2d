"""The driving task as a node has it: what outlasts a camera that starts anew, and what an activation forgets."""

from scripted_driving import Scripted, frame, model_with

from headway.pipeline import Pipeline
from headway.stages.drive import DriveConfig
from headway.stages.limits import GateConfig
from headway.tasks import Driving
from headway.types import DriveState, Trace


def states(task: Driving, first: int, count: int) -> list[DriveState]:
    return [task.step(frame(i), None, Trace())[0].state for i in range(first, first + count)]


def test_a_camera_that_starts_anew_does_not_set_a_vehicle_going_that_was_stopped_in_doubt():
    task = Driving(model_with(Scripted(novelty=4.0)), DriveConfig(), GateConfig())
    assert states(task, 1000, 80)[-1] == DriveState.STOP
    Pipeline(driving=task).reset()
    assert set(states(task, 0, 80)) == {DriveState.STOP}
    task.begin()
    assert states(task, 100, 1) != [DriveState.STOP]
