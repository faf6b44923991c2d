"""Runs one performance: brings the nodes to life, plays the bag, records the answers, waits for the last one.

Started by headway.graph as a process of its own, with a plan (JSON); tells its progress on stdout, a JSON line each.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from headway.errors import HeadwayError
from headway.nodes.player import CLOCK_PERIOD_S, Player
from headway.nodes.recorder import Recorder
from headway.nodes.stopped import Stopped
from headway.ros_environment import prepare

CONFIGURE_S = 900.0  # an engine that is built for this machine takes minutes, once
START_S, MATCH_S, SETTLE_S = 60.0, 15.0, 0.3
ALIVE_S = 0.5
ANSWER_S = 5.0  # longest wait for an answer after the last frame, without any coming in
FINAL_S = 2.5  # longest wait for the nodes' final account


class Conductor:
    """See the module's docstring."""

    def __init__(self, plan: dict[str, Any], stopped: Stopped) -> None:
        self._plan, self._stopped = plan, stopped
        self._node = rclpy.create_node("conductor")
        self._player = Player(self._node, Path(plan["bag"]), plan["inputs"], plan["rate"])
        self._recorder = Recorder(
            self._node, Path(plan["output"]), plan["outputs"], plan["answers"], self._player.now_ns
        )
        self._frames = 0
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, args=(executor,), daemon=True)
        self._thread.start()

    @staticmethod
    def _spin(executor: SingleThreadedExecutor) -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    def perform(self) -> dict[str, Any]:
        """The whole run; returns what is known of it."""
        for transition, name in (
            (Transition.TRANSITION_CONFIGURE, "configure"),
            (Transition.TRANSITION_ACTIVATE, "activate"),
        ):
            for node in self._plan["nodes"]:
                self._change(node, transition, name)
        self._match()
        tell(event="ready")
        loss = self._player.play(self._sent, lambda: self._going)
        self._await_answers()
        self._recorder.close()
        self._await_account()
        return self._result(loss)

    @property
    def _going(self) -> bool:
        return not self._stopped.asked

    def close(self) -> None:
        """Finishes the bag and leaves the graph."""
        self._recorder.close()
        rclpy.try_shutdown()
        self._thread.join(5.0)

    def _change(self, node: str, transition: int, name: str) -> None:
        client = self._node.create_client(ChangeState, f"/{node}/change_state")
        self._until(client.service_is_ready, START_S, f"node {node} did not start within {START_S:g} s")
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        self._until(future.done, CONFIGURE_S, f"node {node} did not {name} within {CONFIGURE_S:g} s")
        if not future.result().success:
            raise HeadwayError(f"node {node} could not {name}: see {node}.log")

    def _match(self) -> None:
        """Before the first frame goes out every subscriber must be there, or frames are lost without a trace."""
        for topic, count in self._plan["subscribers"].items():
            publisher = self._player.publishers.get(topic)
            have = publisher.get_subscription_count if publisher else lambda t=topic: self._node.count_subscribers(t)
            self._until(lambda h=have, c=count: h() >= c, MATCH_S, f"{topic} has not found its {count} subscribers")
        for topic in self._plan["outputs"]:
            self._until(lambda t=topic: self._node.count_publishers(t) > 0, MATCH_S, f"nobody publishes {topic}")
        time.sleep(SETTLE_S)  # a reader learns of its writer a little later than the writer of its reader

    def _until(self, done: Any, limit_s: float, otherwise: str) -> None:
        start = told = time.monotonic()
        while not done():
            now = time.monotonic()
            if not self._going:
                raise HeadwayError("stopped")
            if now - start > limit_s:
                raise HeadwayError(otherwise)
            if now - told > ALIVE_S:
                told = now
                tell(event="waiting")  # whoever listens looks meanwhile whether the nodes still live
            time.sleep(0.01)

    def _sent(self, topic: str, data: bytes) -> None:
        if topic == self._plan["image"]:
            self._recorder.sent(data)
            self._frames += 1
            tell(event="frame", count=self._frames)

    def _await_answers(self) -> None:
        owing, since = None, time.monotonic()
        while self._going:
            now_owing = self._recorder.waiting_for()
            if not now_owing:
                return
            progress = sum(len(a.answered) for a in self._recorder.accounts.values())
            if progress != owing:
                owing, since = progress, time.monotonic()
            if time.monotonic() - since > ANSWER_S:
                return
            self._player.tick()
            time.sleep(CLOCK_PERIOD_S)

    def _await_account(self) -> None:
        """Until every node's diagnostics, which come once a second, hold the final count."""
        end = time.monotonic() + FINAL_S
        begun = dict(self._recorder.diagnostics)
        while self._going and time.monotonic() < end:
            now = self._recorder.diagnostics
            if all(n in now and now[n] is not begun.get(n) for n in self._plan["nodes"]):
                return
            self._player.tick()
            time.sleep(CLOCK_PERIOD_S)

    def _result(self, loss: str) -> dict[str, Any]:
        return {
            "frames": self._frames,
            "tasks": self._recorder.results(),
            "diagnostics": self._recorder.diagnostics,
            "loss": loss,
        }


def tell(**fields: Any) -> None:
    """One line for whoever started this process."""
    print(json.dumps(fields), flush=True)


def main() -> int:
    """Entry point: conductor PLAN.json."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    prepare()
    # Before anything is opened: from here on a signal ends the performance early, and what was recorded stays readable.
    stopped = Stopped()
    stopped.listen()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    conductor = Conductor(plan, stopped)
    try:
        Path(plan["result"]).write_text(json.dumps(conductor.perform(), indent=1) + "\n", encoding="utf-8")
        return 0
    except HeadwayError as error:
        tell(event="error", text=str(error))
        return error.exit_code
    finally:
        conductor.close()


if __name__ == "__main__":
    sys.exit(main())
