"""Opens the MetaDrive simulator so that a frame without a GPU takes tenths of a second, and builds its maps.

One simulator a process: MetaDrive keeps its engine in a global.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from headway.errors import MissingDependencyError, UsageError
from headway.worlds.scenery import CAMERA_HEIGHT_M, CAMERA_PITCH, FOCAL, HEIGHT, WIDTH

MISSING = "the world 'metadrive' needs its simulator, in an environment of its own: tools/metadrive_env.sh makes it"
NO_SCREEN = "the world 'metadrive' found no screen to draw on ({}): run it under `xvfb-run -a`"
START_SPEED_MPS = 3.0
SPAWN_M = 5.0  # of the first lane: where the car starts
FIRST_NODES = (">", ">>")  # MetaDrive's names of the ends of the first road
CHASSIS_ABOVE_GROUND_M = 0.54  # of the car's origin, once its springs have settled


def open_simulator() -> Any:
    """A MetaDriveEnv with a running engine; raises MissingDependencyError or UsageError in one line."""
    try:
        from metadrive.engine.core import our_pbr
        from metadrive.engine.engine_utils import engine_initialized
        from metadrive.envs.metadrive_env import MetaDriveEnv
        from panda3d.core import loadPrcFileData
    except ImportError as error:
        raise MissingDependencyError(f"{MISSING} ({error})") from None
    if engine_initialized():
        raise UsageError("the world 'metadrive' is open already: close() it first, its engine is one a process")
    # Multisampling costs 3 s a frame in a software renderer. MetaDrive asks for it in the configuration, which the
    # import of its engine has written (the last line counts), and in the pipeline's arguments.
    for line in ("framebuffer-multisample 0", "multisamples 0"):
        loadPrcFileData("", line)
    if not os.environ.get("DISPLAY"):
        loadPrcFileData("", "load-display p3headlessgl")  # EGL, which needs no screen where a driver has it
    # Mesa's software renderer filters a grazing surface in a loop over its whole footprint: up to 50 s a frame.
    os.environ.setdefault("MESA_EXTENSION_OVERRIDE", "-GL_EXT_texture_filter_anisotropic")
    asked = our_pbr.OurPipeline.__init__

    def without_multisampling(self: Any, **settings: Any) -> None:
        asked(self, **{**settings, "msaa_samples": 0})

    our_pbr.OurPipeline.__init__ = without_multisampling
    simulator = MetaDriveEnv(_config())
    try:
        simulator.lazy_init()
    except Exception as error:  # panda3d raises plain Exception where no window can be opened
        raise UsageError(NO_SCREEN.format(str(error).strip() or type(error).__name__)) from error
    finally:
        our_pbr.OurPipeline.__init__ = asked
    if os.environ.get("PYTHONUTF8") == "on":  # which the engine sets, and with which no further Python starts
        os.environ["PYTHONUTF8"] = "1"
    # The only shadow is the own car's, and a software renderer draws its map anew in every frame.
    simulator.engine.world_light.direction_np.node().setShadowCaster(False)
    return simulator


def _config() -> dict[str, Any]:
    return {
        "image_observation": True,
        "rgb_clip": False,
        "vehicle_config": {
            "rgb_camera": (WIDTH, HEIGHT),
            "stack_size": 1,
            "show_navi_mark": False,
            "spawn_longitude": SPAWN_M,
            "spawn_velocity": (START_SPEED_MPS, 0.0),
            "spawn_velocity_car_frame": True,
        },
        "map_config": {"type": "block_sequence", "config": "S", "lane_num": 1, "lane_width": 3.5, "exit_length": 30},
        "random_spawn_lane_index": False,
        "traffic_density": 0.0,
        "on_continuous_line_done": False,
        "multi_thread_render": False,  # so that an image is of its own step
        "force_destroy": True,  # a fresh car and map for every run
        "disable_model_compression": True,  # a software renderer has to compress each texture first
        "show_skybox": False,  # slow in a software renderer, and it says nothing of the road
        "show_interface": False,
        "show_logo": False,
        "show_fps": False,
    }


def build(simulator: Any, blocks: str, seed: int) -> Any:
    """A fresh map of MetaDrive's `blocks` with the car at its start -> the first image, as `image_of` takes it.

    The seed draws the blocks' lengths, radii and angles, the car's forces (MetaDrive), and here the lanes and the look.
    """
    rng = np.random.default_rng(seed)
    lanes, width = int(rng.integers(1, 3)), float(rng.uniform(3.0, 4.0))
    engine, config = simulator.engine, simulator.config
    config["map_config"].update({"config": blocks, "lane_num": lanes, "lane_width": width})
    config["target_vehicle_configs"]["default_agent"]["spawn_lane_index"] = (*FIRST_NODES, lanes - 1)  # the right lane
    old = engine.map_manager.current_map
    if old is not None:
        engine.map_manager.unload_map(old)
        engine.clear_objects([old.id], force_destroy=True)
    engine.map_manager.maps = {seed: None}  # the simulator's cache of maps does not know the routes apart
    simulator.start_seed, simulator.env_num = seed, 1
    simulator.reset(force_seed=seed)
    sun = float(rng.uniform(0.6, 1.2))
    engine.world_light.direction_np.node().setColor((sun, sun, sun, 1.0))
    sky = np.array([[0.63, 0.78, 0.92], [0.80, 0.82, 0.84], [0.55, 0.63, 0.70]][rng.integers(3)]) * rng.uniform(
        0.8, 1.05
    )
    _place_camera(simulator, (*np.clip(sky, 0.0, 1.0).tolist(), 1.0))
    return image_of(simulator)


def _place_camera(simulator: Any, sky: tuple[float, ...]) -> None:
    """The camera of `roadworld`: same height, pitch and angles of view, above the middle of the car."""
    from metadrive.constants import CamMask

    car = simulator.vehicle
    camera = car.image_sensors["rgb_camera"]
    camera.get_cam().setPos(0.0, 0.1, CAMERA_HEIGHT_M - CHASSIS_ABOVE_GROUND_M)
    camera.get_cam().setHpr(0.0, -float(np.degrees(CAMERA_PITCH)), 0.0)
    camera.get_lens().setFov(*(2.0 * float(np.degrees(np.arctan(side / 2 / FOCAL))) for side in (WIDTH, HEIGHT)))
    camera.buffer.getDisplayRegion(1).setClearColor(sky)
    car.origin.hide(CamMask.RgbCam)  # the camera stands where the roof is


def image_of(simulator: Any) -> np.ndarray:
    """(120, 160, 3) uint8 BGR: what the camera sees in the present state."""
    car = simulator.vehicle
    camera = car.image_sensors["rgb_camera"]
    camera.track(car)
    simulator.engine.graphicsEngine.renderFrame()
    return np.ascontiguousarray(camera.get_rgb_array())  # panda3d's pixels are BGRA; the method's name is wrong
