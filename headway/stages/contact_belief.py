"""How likely a contact is, from the share of the forecast paths that meet the wearer.

The share alone is no probability. The paths of one network agree with each other more than with what people then do;
all of them begin at one point, however badly it is known where somebody out of sight is; and of a camera that knows its
motion they take for granted that it goes on as it does. Of recorded pedestrians of whom 85 % of the paths met the
wearer 58 % came within reach, and 42 % where the wearer's velocity was known (`tools/calibrate_contacts.py`).

So the log-odds of a contact are linear in those of the share, with a weight that is less for who is new or out of view.
Somebody who is within reach already has no share to speak of: there it counts only how long nobody has seen them.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]

SURE = 0.005
"""Shares nearer to 0 or 1 than this say no more than this: of 20 paths none is a hundredth part."""
NEW_S = 0.5
"""The velocity of somebody seen for less than this is still being found out."""
UNSEEN_S = 1.0
"""The numbers were found on people out of view for less; longer counts as this long."""


@dataclass(frozen=True)
class ContactBelief:
    """Log-odds of a contact. Outside reach: bias + own + logit(share) · (weight + new · newness + unseen · seconds),
    with `own` where the camera's own motion is known and newness 1 at first sight, 0 from NEW_S on; within reach:
    within + within_unseen · seconds. Seconds are those since the person was last in view.

    The numbers come from `python tools/calibrate_contacts.py`.
    """

    bias: float = -1.11
    weight: float = 0.66
    new: float = -0.42
    unseen: float = -0.43
    own: float = -0.27
    within: float = 4.81
    within_unseen: float = -3.60

    def probability(
        self, share: ArrayLike, within: ArrayLike, unseen_s: ArrayLike, age_s: ArrayLike, own_motion: ArrayLike
    ) -> Array:
        """(N,) that people come within reach before the horizon; arguments as in `features`."""
        z = features(share, within, unseen_s, age_s, own_motion) @ self._weights
        return np.asarray(1.0 / (1.0 + np.exp(-z)))

    @cached_property
    def _weights(self) -> Array:
        return np.array(astuple(self))


CONTACT = ContactBelief()


def features(
    share: ArrayLike, within: ArrayLike, unseen_s: ArrayLike, age_s: ArrayLike, own_motion: ArrayLike
) -> Array:
    """(N, 7) what the log-odds are linear in, in the order of the fields of `ContactBelief`.

    share (N,) 0..1 of the paths that come within reach, by weight; within (N,) whether they are within reach now;
    unseen_s (N,) seconds since last in view, 0 for who is; age_s (N,) seconds since first seen; own_motion (N,) or one
    for all, whether the camera's velocity was known.
    """
    columns = [np.asarray(c, float).tolist() for c in (share, within, unseen_s, age_s, own_motion)]
    if not isinstance(columns[-1], list):
        columns[-1] = [columns[-1]] * len(columns[0])
    return np.array([_features(*row) for row in zip(*columns, strict=True)], float).reshape(-1, 7)


def _features(share: float, within: float, unseen_s: float, age_s: float, own_motion: float) -> tuple[float, ...]:
    kept = min(max(share, SURE), 1.0 - SURE)
    unseen, newness, outside = min(unseen_s, UNSEEN_S), max(1.0 - age_s / NEW_S, 0.0), 1.0 - within
    paths = outside * math.log(kept / (1.0 - kept))
    return outside, paths, paths * newness, paths * unseen, outside * own_motion, within, within * unseen
