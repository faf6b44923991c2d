"""Launch files are checked with the real launch where a ROS installation has it, and always against what they name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headway.paths import share_dir

LAUNCH = share_dir() / "launch"
ACTIONS = ("DeclareLaunchArgument", "EmitEvent", "RegisterEventHandler", "SetEnvironmentVariable")


class Recorded:
    """Stands for any class of launch: remembers how it was made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


def _module(name: str, *classes: str) -> ModuleType:
    module = ModuleType(name)
    for kind in classes:
        setattr(module, kind, type(kind, (Recorded,), {}))
    return module


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Returns a function: launch file -> its description, made with recording classes where launch is not installed.

    `launch` comes with a ROS installation and from no registry: here only the words of the files are checked.
    """
    pytest.importorskip("lifecycle_msgs", reason="ROS 2 is not installed")
    modules = [
        _module("launch", "LaunchDescription"),
        _module("launch.actions", *ACTIONS),
        _module("launch.conditions", "IfCondition", "UnlessCondition"),
        _module("launch.events"),
        _module("launch.substitutions", "LaunchConfiguration"),
        _module("launch_ros"),
        _module("launch_ros.actions", "LifecycleNode"),
        _module("launch_ros.event_handlers", "OnStateTransition"),
        _module("launch_ros.events"),
        _module("launch_ros.events.lifecycle", "ChangeState"),
    ]  # fmt: skip
    modules[3].matches_action = lambda action: action  # type: ignore[attr-defined]
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "headway.nodes.launching", raising=False)

    def describe(file: Path) -> Any:
        spec = importlib.util.spec_from_file_location(file.stem.replace(".", "_"), file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.generate_launch_description().args[0]

    yield describe
    sys.modules.pop("headway.nodes.launching", None)
