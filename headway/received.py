"""Heads and risks that come in as messages, from our own nodes or from anybody else's.

What comes in beside them (camera_info, imu, odometry, depth) is read in headway/sensors.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from headway.geometry import are_rotations, rotation_from_quaternion
from headway.sensors import stamp_of
from headway.types import Heads, Level, Risk, Risks

HEADS_LIMIT = 300  # what is taken from one message, best first: the work grows with its square
LEVELS = frozenset(map(int, Level))
UNKNOWN_TRACK = -1
MISSING = "the risk message has a level that none of its risks has"
NONSENSE = "the risk message holds an unknown level, NaN or infinity"


def heads_from_message(message: Any) -> Heads:
    """headway_msgs/HeadArray -> Heads, no more than HEADS_LIMIT; an empty or invalid message gives no heads.

    A head whose orientation is no rotation has one of NaN: somebody is there, and nobody knows where they look. A
    negative sigma, which would pass for the surest one there is, is NaN as well.
    """
    if not message.valid or not message.heads:
        return Heads.empty()
    heads = message.heads[:HEADS_LIMIT]
    q = np.array([[h.orientation.x, h.orientation.y, h.orientation.z, h.orientation.w] for h in heads], float)
    q[~are_rotations(q)] = np.nan
    sigma = np.array([h.sigma for h in heads], float)
    sigma[sigma < 0.0] = np.nan
    return Heads(
        boxes=np.array([[h.x_min, h.y_min, h.x_max, h.y_max] for h in heads], np.float32),
        scores=np.array([h.score for h in heads], np.float32),
        rotation=rotation_from_quaternion(q),
        sigma_deg=np.degrees(sigma),
        attention=np.array([h.attention for h in heads], float),
    )


def risks_from_message(message: Any) -> Risks:
    """headway_msgs/RiskArray -> Risks. An invalid message is unsure, and so is one with numbers that are none, or whose
    own level is more than that of its risks; where that is an alert, it is an alert about somebody unknown."""
    items = tuple(map(_risk, message.risks))
    unsure = message.reason or "the risk message says unsure" if message.unsure or not message.valid else ""
    if not unsure and any(item.reason == NONSENSE for item in items):
        unsure = NONSENSE
    risks = Risks(stamp_of(message), items, unsure)
    if message.level == Level.ALERT != risks.level:
        return replace(risks, items=(*items, Risk(UNKNOWN_TRACK, Level.ALERT, 0.0, 1.0, 0.0, "", MISSING)))
    return replace(risks, unsure=MISSING) if message.level != risks.level == Level.CLEAR else risks


def _risk(r: Any) -> Risk:
    numbers = (float(r.time_to_contact) if r.contact else 0.0, float(r.probability), float(r.closest))
    if r.level not in LEVELS or not all(map(math.isfinite, numbers)):
        # NaN fails every comparison, so it would brake for nobody: an alert stays one, at its worst.
        alert = r.level == Level.ALERT
        level = Level.ALERT if alert else Level.UNSURE
        return Risk(int(r.track_id), level, 0.0 if alert or r.contact else None, 1.0, 0.0, r.direction, NONSENSE)
    return Risk(
        track_id=int(r.track_id),
        level=Level(r.level),
        time_to_contact_s=max(0.0, numbers[0]) if r.contact else None,
        probability=min(1.0, max(0.0, numbers[1])),
        closest_m=numbers[2],
        direction=r.direction,
        reason=r.reason,
    )
