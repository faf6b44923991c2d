"""The data that travels between the stages: frozen dataclasses of numpy arrays.

Conventions, stated once: N people, K modes, T future steps. Boxes are (N, 4) float32, xyxy, pixels of the source image.
Rotations are (N, 3, 3) float64, head-to-camera, camera optical frame (x right, y down, z forward). Positions are metres
in the semi-local frame: origin at the camera, axes those of the IMU's world (z up).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics in pixels of a `width` x `height` image; `distortion` in OpenCV order, () for none."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    @property
    def matrix(self) -> FloatArray:
        """(3, 3) float64 intrinsic matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Odometry:
    """Motion of the camera's carrier. Velocity (3,) m/s in semi-local axes; yaw rate rad/s, + to the left."""

    stamp_ns: int
    velocity: FloatArray
    yaw_rate: float

    @property
    def speed(self) -> float:
        """Metres per second."""
        return float(np.linalg.norm(self.velocity))


@dataclass(frozen=True, kw_only=True)
class View:
    """What is known of the camera at one stamp.

    orientation: (3, 3) rotation from the camera optical frame to the semi-local axes at `stamp_ns`, None where unknown.
    depth: (H, W) float32 metres along z, 0 or NaN = unknown. unsure: why the view is degraded, "" where it is not.
    """

    stamp_ns: int
    frame_id: str = "camera"
    camera: Camera | None = None
    orientation: FloatArray | None = None
    odometry: Odometry | None = None
    depth: FloatArray | None = None
    unsure: str = ""


@dataclass(frozen=True, kw_only=True)
class Frame(View):
    """A view with its image: (H, W, 3) uint8 BGR, a view on somebody else's memory: never written to."""

    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Heads:
    """Heads of one image, best score first. scores (N,) 0..1; sigma_deg (N,) expected angular error; attention (N,)."""

    boxes: FloatArray
    scores: FloatArray
    rotation: FloatArray
    sigma_deg: FloatArray
    attention: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls) -> Heads:
        """No heads."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 3, 3)), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Tracks:
    """People followed over time, in the semi-local frame at `stamp_ns`, nearest first.

    ids (N,) int; position (N, 3) m; velocity (N, 3) m/s relative to the camera; covariance (N, 4, 4) of (x, y, vx, vy);
    history (N, H, 2) m, newest last, and history_age_s (N, H) seconds before `stamp_ns` (NaN where there is none);
    age_s (N,) seconds since the first observation; head_direction (N, 2) unit vector on the ground in semi-local axes
    (NaN where unknown); head_index (N,) row of the head seen in this frame, -1 where the track is coasting.

    The history is people's own motion, shifted so that the camera is at the origin now, where `ego_velocity` (2,) m/s
    in semi-local axes is known; where that is None it is motion relative to the camera. heading_rad: where the camera
    looks on the ground, + to the left of semi-local x. left_out: people beyond the number that is reported.

    head_rotation (N, 3, 3) head to semi-local axes, head_sigma_deg (N,) and attention (N,) are the heads' poses
    smoothed over time, NaN for a person whose head was not seen yet; None where nothing smooths them.
    existence (N,) probability that the track is a person at all; None: nobody asked, and all are.
    by_size (N,) whether the range last came from the size of the head, for want of depth; None: nobody's did.
    """

    stamp_ns: int
    ids: NDArray[np.int64]
    position: FloatArray
    velocity: FloatArray
    covariance: FloatArray
    history: FloatArray
    history_age_s: FloatArray
    age_s: FloatArray
    head_direction: FloatArray
    head_index: NDArray[np.int64]
    unsure: str = ""
    ego_velocity: FloatArray | None = None
    heading_rad: float = 0.0
    left_out: int = 0
    head_rotation: FloatArray | None = None
    head_sigma_deg: FloatArray | None = None
    attention: FloatArray | None = None
    existence: FloatArray | None = None
    by_size: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Forecast:
    """modes (N, K, T, 2) m semi-local, step t is (t + 1) * step_s after `tracks.stamp_ns`; probability (N, K), rows sum
    to 1; radius (N, T) m, conformal, round the most likely mode at level `nominal`."""

    tracks: Tracks
    modes: FloatArray
    probability: FloatArray
    radius: FloatArray
    step_s: float
    nominal: float

    def __len__(self) -> int:
        return len(self.tracks)


class Level(IntEnum):
    """Risk levels, numbered as in headway_msgs/Risk."""

    CLEAR = 0
    NOTICE = 1
    ALERT = 2
    UNSURE = 3


@dataclass(frozen=True)
class Risk:
    """Risk of one track. time_to_contact_s is None where no contact is expected within the horizon; probability, of a
    contact within it, is calibrated (`stages.contact_belief`), the share of the paths in `reason` is not."""

    track_id: int
    level: Level
    time_to_contact_s: float | None
    probability: float
    closest_m: float
    direction: str
    reason: str = ""


@dataclass(frozen=True)
class Risks:
    """Risks of one frame; `unsure` is the reason why silence must not be trusted, "" where it may."""

    stamp_ns: int
    items: tuple[Risk, ...] = ()
    unsure: str = ""

    @property
    def level(self) -> Level:
        """ALERT and NOTICE outrank UNSURE, which outranks CLEAR."""
        levels = {r.level for r in self.items} | ({Level.UNSURE} if self.unsure else set())
        for level in (Level.ALERT, Level.NOTICE, Level.UNSURE):
            if level in levels:
                return level
        return Level.CLEAR


class DriveState(IntEnum):
    """Behaviour of the driving stage, numbered as in headway_msgs/DriveCommand."""

    DRIVE = 0
    SLOW = 1
    HANDOVER = 2
    STOP = 3


@dataclass(frozen=True)
class Steering:
    """What the driving network says, before the gate. steering -1..1, + left; interval (low, high); throttle 0..1, the
    wanted share of the highest speed; brake 0..1, the wanted share of the gate's strongest deceleration."""

    steering: float
    throttle: float
    interval: tuple[float, float]
    confidence: float
    state: DriveState = DriveState.DRIVE
    reason: str = ""
    brake: float = 0.0


@dataclass(frozen=True)
class DriveCommand:
    """What the vehicle should do, after the gate. steering -1..1, + left; throttle and brake 0..1; speed_mps target."""

    steering: float
    throttle: float
    brake: float
    interval: tuple[float, float]
    confidence: float
    state: DriveState
    speed_mps: float
    reason: str = ""
    valid: bool = True


@dataclass
class Trace:
    """How one answer came about. stage_ms maps stage name -> duration, in the order the stages ran."""

    stage_ms: dict[str, float] = field(default_factory=dict)
    age_ms: float = 0.0
    frame_index: int = 0
    dropped: int = 0
    dropped_total: int = 0
    models: dict[str, str] = field(default_factory=dict)

    def timed(self, stage: str) -> Stopwatch:
        """A context that notes how long its block took under `stage`, also when the block raises."""
        return Stopwatch(self.stage_ms, stage)


class Stopwatch:
    """See Trace.timed. A class: the context of a generator costs three times as much, a dozen times a frame."""

    __slots__ = ("_stage", "_stage_ms", "_start")

    def __init__(self, stage_ms: dict[str, float], stage: str) -> None:
        self._stage_ms, self._stage = stage_ms, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._stage_ms[self._stage] = 1e3 * (time.perf_counter() - self._start)
