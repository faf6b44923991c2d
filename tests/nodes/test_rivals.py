"""Two nodes that command one vehicle: said aloud by name, and no longer once one of them is gone."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from ros_bench import Bench, wait
from test_monitor_nodes import started

from headway.runtime.model import installed_models

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif("driving" not in installed_models(), reason="the shipped weights are missing"),
]


def spoken(diagnostics: list[Any]) -> list[Any]:
    """What was said of the command in the newest message."""
    return [s for s in diagnostics[-1].status if s.name == "driving: command"] if diagnostics else []


def test_a_second_publisher_of_the_command_is_an_error_that_names_it(bench: Bench) -> None:
    from headway.nodes.driving import DrivingNode

    node = started(bench, DrivingNode, diagnostics_period_s=0.1)
    diagnostics = bench.record(DiagnosticArray, "/diagnostics")
    bench.matched("/diagnostics")
    wait(lambda: len(diagnostics) > 2, "no diagnostics")
    assert spoken(diagnostics) == []

    rival = bench.tester.create_publisher(TwistStamped, "/driving/twist", 1)
    wait(lambda: bool(spoken(diagnostics)), "nobody was told of the second publisher")
    (status,) = spoken(diagnostics)
    assert status.level == DiagnosticStatus.ERROR
    assert "/driving/twist" in status.message
    assert bench.tester.get_name() in status.message
    assert node.get_name() not in status.message.replace("/driving/twist", "")

    bench.tester.destroy_publisher(rival)
    wait(lambda: spoken(diagnostics) == [], "the error outlived the second publisher")
