"""The ramp in silence knows of people: a vehicle whose camera stops brakes for somebody as hard as with one."""

from types import SimpleNamespace

import numpy as np

from headway.nodes.headway import HeadwayNode
from headway.nodes.watch import Heartbeat
from headway.pipeline import Answer
from headway.types import Frame, Level, Risk, Risks, Trace, View

STAMP = 1_700_000_000_000_000_000
SOMEBODY = Risks(STAMP, (Risk(1, Level.ALERT, 1.0, 0.9, 0.3, "ahead"),))


def test_the_heartbeat_tells_the_gate_of_people_once_it_is_due():
    asked, said, ticks = [], [], []
    request = SimpleNamespace(stamp_ns=STAMP, message=SimpleNamespace(header=SimpleNamespace(frame_id="lens")))
    node = SimpleNamespace(
        config=SimpleNamespace(heartbeat_period_s=0.05, heartbeat_s=0.5),
        silence_s=lambda: node.silence,
        silent_request=lambda: request,
        every=lambda period_s, tick: ticks.append(tick),
        silence=0.4,
    )
    task = SimpleNamespace(
        begin=lambda: None, idle=lambda view, *said: asked.append((view.stamp_ns, *said)) or "command"
    )
    publisher = SimpleNamespace(say=lambda *a, **k: said.append((a[1], k["valid"], k["reason"])))
    sensors = SimpleNamespace(view=lambda stamp_ns, *_: View(stamp_ns=stamp_ns))
    heartbeat = Heartbeat(node, task, publisher, sensors)
    heartbeat.risks = SOMEBODY
    heartbeat.start()
    ticks[0]()
    assert asked == []
    node.silence = 0.6
    ticks[0]()
    assert asked == [(STAMP, SOMEBODY, True)], "the gate is told that this is silence"
    assert said == [("command", False, "no image answered for 0.6 s")]


def test_the_node_with_all_tasks_keeps_what_its_last_frame_said_of_people():
    node = object.__new__(HeadwayNode)  # what is published is not the matter
    node._command = node._motion = node._heads = None
    node._heartbeat, node._picture = SimpleNamespace(risks=None), SimpleNamespace(wanted=False)
    frame = Frame(stamp_ns=STAMP, image=np.zeros((2, 2, 3), np.uint8))
    node._publish(None, frame, Answer(None, None, None, None, SOMEBODY, Trace()))
    assert node._heartbeat.risks is SOMEBODY
