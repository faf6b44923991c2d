"""Closed-loop worlds behind one small protocol, so that a user's own simulator joins with one file.

    headway evaluate driving --world roadworld
    headway evaluate driving --world metadrive
    headway evaluate driving --world my_package.my_simulator:MyWorld

A world is a class with the attributes and methods of `World`, made without arguments. `my_simulator.py` needs no
import of headway except `Observation`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headway.errors import HeadwayError, UsageError
from headway.stages.limits import GateConfig
from headway.types import DriveCommand

KNOWN = {"roadworld": "headway.worlds.roadworld:Roadworld", "metadrive": "headway.worlds.metadrive:Metadrive"}


@dataclass(frozen=True)
class Observation:
    """What one step of a world gives. World axes: x east, y north, z up, metres; yaw radians, + to the left.

    image (H, W, 3) uint8 BGR; pose (x, y, yaw) of the vehicle's reference point; lateral_m offset from the lane
    centre, + left; progress 0..1 along the route; off_road: the reference point is outside its lane; done: the route
    is finished, or the run is beyond help.
    """

    image: NDArray[np.uint8]
    stamp_ns: int
    pose: tuple[float, float, float]
    speed_mps: float
    yaw_rate: float
    lateral_m: float
    progress: float
    off_road: bool
    done: bool


class World(Protocol):
    """A simulator. `vehicle` says what the gate must know; `routes` names what `reset` accepts; step_s is fixed.

    A world with a true `starts_beside` takes a third argument of `reset`: start, a lateral offset in metres and a
    heading error in radians. Recorded training drives use it.
    """

    name: str
    routes: tuple[str, ...]
    step_s: float
    vehicle: GateConfig

    def reset(self, route: str, seed: int) -> Observation:
        """A fresh run; the same route and seed give the same run, to the bit."""
        ...

    def step(self, command: DriveCommand) -> Observation:
        """Drives `step_s` seconds with this steering and speed_mps."""
        ...

    def lane(self) -> NDArray[np.floating]:
        """(N, 2) metres: the centre of the lane to follow, from start to end, of the present run."""
        ...

    def expert(self) -> tuple[float, float]:
        """Steering -1..1 (+ left) and throttle 0..1 that an expert gives in the present state."""
        ...

    def close(self) -> None:
        """Frees what the world holds."""
        ...


def open_world(name: str) -> World:
    """ "roadworld", "metadrive", or "module:Class"; raises UsageError naming what cannot be found, or opened.

    MissingDependencyError where the simulator of "metadrive" is not installed.
    """
    target = KNOWN.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise UsageError(f"--world {name}: roadworld, metadrive, tub, or module:Class is wanted")
    try:
        world = getattr(importlib.import_module(module), attribute)()
    except HeadwayError:
        raise
    except Exception as error:  # a user's module may raise anything
        raise UsageError(f"--world {name}: {type(error).__name__}: {error}") from error
    for wanted in ("name", "routes", "step_s", "vehicle", "reset", "step", "lane", "expert", "close"):
        if not hasattr(world, wanted):
            raise UsageError(f"--world {name}: {attribute} has no '{wanted}'; see headway/worlds/__init__.py")
    return world
