"""The core's types as messages: nested `Fields`, exactly those of the ROS messages, and back.

Markers are in headway/markers.py; what comes in beside heads and risks (camera_info, imu, odometry) is read in
headway/sensors.py. rosbags serializes `Fields` as they are; they become an rclpy message with the nodes' own
helper. Angles are radians in messages; a number that is not finite is never written. Every header is the source
image's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from headway.arrays import finite
from headway.fields import Fields
from headway.geometry import OPTICAL_TO_BODY, euler_radians, quaternion_from_rotation
from headway.received import heads_from_message as heads_from_message  # both directions under one name
from headway.received import risks_from_message as risks_from_message
from headway.stages.limits import GateConfig, curvature
from headway.types import DriveCommand, Forecast, Heads, Level, Risk, Risks, Trace, Tracks, View

HEADS = "headway_msgs/msg/HeadArray"
FORECASTS = "headway_msgs/msg/ForecastArray"
RISK = "headway_msgs/msg/RiskArray"
COMMAND = "headway_msgs/msg/DriveCommand"
TWIST = "geometry_msgs/msg/TwistStamped"


def stamp(stamp_ns: int) -> Fields:
    """builtin_interfaces/Time."""
    return Fields(sec=int(stamp_ns // 1_000_000_000), nanosec=int(stamp_ns % 1_000_000_000))


def header(view: View) -> Fields:
    """std_msgs/Header of the source image."""
    return Fields(stamp=stamp(view.stamp_ns), frame_id=view.frame_id)


def trace_fields(trace: Trace | Fields) -> Fields:
    """headway_msgs/Trace. What this gave serves for the other messages of the frame too."""
    if isinstance(trace, Fields):
        return trace
    return Fields(
        stages=list(trace.stage_ms),
        stage_ms=_finite(list(trace.stage_ms.values())),
        age_ms=_number(trace.age_ms),
        frame_index=int(trace.frame_index),
        dropped=int(trace.dropped),
        dropped_total=int(trace.dropped_total),
        models=list(trace.models),
        hashes=list(trace.models.values()),
    )


def head_array(
    heads: Heads | None,
    view: View,
    width: int,
    height: int,
    trace: Trace | Fields,
    valid: bool = True,
    reason: str = "",
    tracks: Tracks | None = None,
) -> Fields:
    """headway_msgs/HeadArray. No heads given (None) is never valid; `tracks` brings the track ids.

    Without intrinsics rotations are relative to the viewing ray, and the reason says so.
    """
    if heads is not None and view.camera is None and view.unsure:
        reason = "; ".join(filter(None, (reason, f"{view.unsure}: rotations are relative to the viewing ray")))
    ids = [-1] * (len(heads) if heads else 0)
    if heads is not None and tracks is not None:
        for track, row in zip(tracks.ids.tolist(), tracks.head_index.tolist(), strict=True):
            if 0 <= row < len(ids):
                ids[row] = track
    return Fields(
        header=header(view),
        valid=valid and heads is not None,
        reason=reason,
        width=int(width),
        height=int(height),
        heads=_heads(heads, ids) if heads is not None and valid else [],
        trace=trace_fields(trace),
    )


def _heads(heads: Heads, ids: list[int]) -> list[Fields]:
    n = len(heads)
    if not n:
        return []
    # One table, checked and turned into Python's numbers once: a head costs ten times less than one by one.
    table = np.empty((n, len(_INSTEAD)))
    table[:, 0:4], table[:, 4], table[:, 5:9] = heads.boxes, heads.scores, quaternion_from_rotation(heads.rotation)
    table[:, 9:12], table[:, 12], table[:, 13] = euler_radians(heads.rotation), heads.sigma_deg, heads.attention
    table[:, 12] *= math.pi / 180.0
    if not finite(table):
        good = np.isfinite(table)
        good[:, 12:14] &= good[:, 5:9].all(axis=1, keepdims=True)  # of a rotation that is none nobody is sure
        table = np.where(good, table, _INSTEAD)
    return [
        Fields(
            x_min=x_min,
            y_min=y_min,
            x_max=x_max,
            y_max=y_max,
            score=score,
            track_id=track,
            orientation=Fields(x=x, y=y, z=z, w=w),
            sigma=sigma,
            pitch=pitch,
            yaw=yaw,
            roll=roll,
            attention=attention,
        )
        for track, (x_min, y_min, x_max, y_max, score, x, y, z, w, pitch, yaw, roll, sigma, attention) in zip(
            ids, table.tolist(), strict=True
        )
    ]


_INSTEAD = np.array([0.0] * 8 + [1.0] + [0.0] * 3 + [math.pi, 0.0])
"""Stands for numbers that are none, in the order of `_heads`' table: the identity, and a sigma that says nothing."""


def forecast_array(
    forecast: Forecast | None, view: View, trace: Trace | Fields, valid: bool = True, reason: str = ""
) -> Fields:
    """headway_msgs/ForecastArray. Where the camera's orientation is unknown, the level one that was assumed is sent."""
    unsure = forecast.tracks.unsure if forecast is not None else ""
    return Fields(
        header=header(view),
        valid=valid and forecast is not None,
        unsure=bool(unsure),
        reason=reason or unsure,
        camera_orientation=_LEVEL
        if view.orientation is None
        else quaternion(quaternion_from_rotation(view.orientation)),
        forecasts=_forecasts(forecast) if forecast is not None and valid else [],
        trace=trace_fields(trace),
    )


def _forecasts(forecast: Forecast) -> list[Fields]:
    n, tracks = len(forecast), forecast.tracks
    if not n:
        return []
    # Over everybody at once: what is done for each person is paid for each person.
    covariance = _finite(tracks.covariance[:n, :2, :2], _UNKNOWN).reshape(n, 4)
    x, y = _finite(forecast.modes.transpose(3, 0, 1, 2)).reshape(2, n, -1)
    step, steps = _number(forecast.step_s), int(forecast.modes.shape[2])
    people = zip(
        tracks.ids[:n].tolist(),
        _numbers(np.concatenate((tracks.position[:n], tracks.velocity[:n], tracks.age_s[:n, None]), axis=1)),
        covariance,
        _finite(forecast.probability),
        x,
        y,
        _finite(forecast.radius, _UNKNOWN),
        strict=True,
    )
    return [
        Fields(
            track_id=track,
            position=Fields(x=px, y=py, z=pz),
            velocity=Fields(x=vx, y=vy, z=vz),
            position_covariance=spread,
            age=age,
            step=step,
            steps=steps,
            probability=probability,
            x=xs,
            y=ys,
            radius=radius,
        )
        for track, (px, py, pz, vx, vy, vz, age), spread, probability, xs, ys, radius in people
    ]


def risk_array(risks: Risks | None, view: View, trace: Trace | Fields, valid: bool = True, reason: str = "") -> Fields:
    """headway_msgs/RiskArray. Without risks (None) the level is UNSURE: silence must not be taken for safety."""
    unsure = risks.unsure if risks is not None else reason or "no answer for this frame"
    level = risks.level if risks is not None else Level.UNSURE
    return Fields(
        header=header(view),
        valid=valid and risks is not None,
        unsure=bool(unsure),
        reason=reason or unsure,
        level=int(level),
        risks=[_risk(r) for r in risks.items] if risks is not None and valid else [],
        trace=trace_fields(trace),
    )


def _risk(risk: Risk) -> Fields:
    contact = risk.time_to_contact_s is not None
    return Fields(
        track_id=int(risk.track_id),
        level=int(risk.level),
        contact=contact,
        time_to_contact=_number(risk.time_to_contact_s) if contact else 0.0,
        probability=_number(risk.probability, 1.0),
        closest=_number(risk.closest_m),
        direction=risk.direction,
        reason=risk.reason,
    )


def drive_command(
    command: DriveCommand, view: View, trace: Trace | Fields, valid: bool = True, reason: str = ""
) -> Fields:
    """headway_msgs/DriveCommand. An invalid one still carries the ramp to a stop."""
    return Fields(
        header=header(view),
        valid=valid and command.valid,
        reason=reason or command.reason,
        state=int(command.state),
        steering=_number(command.steering),
        throttle=_number(command.throttle),
        brake=_number(command.brake),
        steering_low=_number(command.interval[0], -1.0),
        steering_high=_number(command.interval[1], 1.0),
        confidence=_number(command.confidence),
        speed=_number(command.speed_mps),
        trace=trace_fields(trace),
    )


def twist_stamped(command: DriveCommand, view: View, vehicle: GateConfig, frame_id: str = "base_link") -> Fields:
    """geometry_msgs/TwistStamped in the vehicle's axes (x forward, z up): m/s and rad/s.

    The stamp is the image's, the frame is the vehicle's, since a twist along x in the camera's optical frame would
    point sideways.
    """
    speed = _number(command.speed_mps)
    turn = speed * curvature(_number(command.steering), vehicle)
    return Fields(
        header=Fields(stamp=stamp(view.stamp_ns), frame_id=frame_id),
        twist=Fields(linear=vector((speed, 0.0, 0.0)), angular=vector((0.0, 0.0, turn))),
    )


def orientation_of(view: View) -> np.ndarray:
    """(3, 3) camera optical frame -> semi-local axes; a level camera where the orientation is unknown."""
    return OPTICAL_TO_BODY if view.orientation is None else view.orientation


def vector(xyz: Any) -> Fields:
    """geometry_msgs Point or Vector3."""
    x, y, z = map(_number, xyz)
    return Fields(x=x, y=y, z=z)


def quaternion(xyzw: Any) -> Fields:
    """geometry_msgs/Quaternion; the identity where a number is not finite."""
    values = [float(v) for v in xyzw]
    x, y, z, w = values if all(map(math.isfinite, values)) else _IDENTITY
    return Fields(x=x, y=y, z=z, w=w)


_IDENTITY = (0.0, 0.0, 0.0, 1.0)
_LEVEL = quaternion(quaternion_from_rotation(OPTICAL_TO_BODY))


def _number(value: Any, otherwise: float = 0.0) -> float:
    value = float(value)
    return value if math.isfinite(value) else otherwise


def _numbers(values: Any, otherwise: float = 0.0) -> Any:
    """An array as nested lists of Python's floats, each as `_number` would have it."""
    found = np.asarray(values, float)
    return (found if finite(found) else np.where(np.isfinite(found), found, otherwise)).tolist()


def _finite(values: Any, otherwise: float = 0.0) -> np.ndarray:
    """The numbers as float32, NaN and infinities replaced, each row in one piece of memory."""
    found = np.ascontiguousarray(values, np.float32)
    return found if finite(found) else np.nan_to_num(found, nan=otherwise)


_UNKNOWN = float(np.finfo(np.float32).max)
"""Stands for a spread that is no number: as an infinite one, it says nothing. Zero would say that all is known."""
