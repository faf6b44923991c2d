"""Training moments of a camera without depth: boxes of heads, ranges from their size, the tracker that a device runs.

A recorded person wears the camera (`evaluate.egocentric`); what the network would be asked then is taken from the very
stage that asks it, and the answer from the recording.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headway.evaluate.egocentric import HEAD_SIZE, Columns, Wearing, at_level, dense, longest_stay, walk, wearers
from headway.evaluate.pedestrians import STEP_S, Recording
from headway.models.trajectory.camera import taken
from headway.models.trajectory.config import CameraConfig, TrajectoryConfig
from headway.stages.forecast import position_noise, resample
from headway.stages.tracks import TrackStage
from headway.types import Camera, Tracks

Array = NDArray[np.floating]
Scene = list[Array]
"""past (1, n, P, 2) and future (1, n, T, 2), NaN where unknown, sigma (1, n), relative (): one moment."""


def sized_scenes(
    recordings: Sequence[Recording], network: TrajectoryConfig, camera: CameraConfig, random: np.random.Generator
) -> list[Scene]:
    """All moments, `STEP_S` apart, of `camera.sized_wearers` people of each recording, some with odometry."""
    found: list[Scene] = []
    for recording in recordings:
        positions = dense(recording, camera.rate)
        for person in wearers(recording, camera.sized_wearers):
            found += _walked(recording, positions, person, some_camera(camera, random), network, random)
    return found


def some_camera(camera: CameraConfig, random: np.random.Generator) -> Wearing:
    """A lens, a detector's errors and odometry or none; heads are found down to the same size in every picture."""
    nominal = Wearing()
    odometry = bool(random.uniform() > camera.relative_share)
    focal, view = _spread(camera.sized_focal_px, random), _spread(camera.sized_view_deg, random)
    middle = focal * np.tan(np.radians(view / 2))
    how = Wearing(
        rate=camera.rate,
        odometry=odometry,
        view_deg=view,
        reach_m=nominal.reach_m * focal / nominal.camera.fx,
        camera=Camera(round(2 * middle), round(1.5 * middle), focal, focal, middle, 0.75 * middle),
        jitter_px=_spread(camera.sized_jitter_px, random),
    )
    return at_level(how, HEAD_SIZE)


def _spread(limits: tuple[float, float], random: np.random.Generator) -> float:
    """Between the two, every ratio as likely."""
    return float(np.exp(random.uniform(*np.log(limits))))


def _walked(
    recording: Recording,
    positions: Array,
    wearer: int,
    how: Wearing,
    network: TrajectoryConfig,
    random: np.random.Generator,
) -> list[Scene]:
    seen = walk(recording, positions, wearer, how, random)
    own = positions[longest_stay(positions, wearer), wearer]
    stride = round(STEP_S * how.rate)
    first = int(random.integers(stride))
    tracks, columns, found = TrackStage(), Columns(), []
    for frame in range(len(seen.seen)):
        now = tracks.follow(seen.view(frame), seen.sightings(frame))
        people = np.array(columns(now), int)
        if frame % stride == first and len(people):
            ahead = frame + stride * np.arange(1, network.future + 1)[None]
            future = taken(seen.relative, ahead, people)[0]
            if how.odometry:
                future = future + taken(own[:, None], ahead, np.array([0]))[0] - own[frame]
            found.append(_scene(now, np.where((people >= 0)[:, None, None], future, np.nan), network))
    return found


def _scene(tracks: Tracks, future: Array, network: TrajectoryConfig) -> Scene:
    n = min(len(tracks), network.slots)
    past, valid = resample(tracks, network.past, network.step_s)
    past[~valid] = np.nan
    return [
        past[None, :n],
        future[None, :n],
        position_noise(tracks)[None, :n],
        np.array(float(tracks.ego_velocity is None)),
    ]
