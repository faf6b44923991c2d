"""The camera's orientation at the moment an image was taken, from IMU messages that come before and after it."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

import numpy as np
from numpy.typing import NDArray

from headway.geometry import are_rotations, rotation_from_quaternion, slerp
from headway.history import CLOCK_STEP_NS

Array = NDArray[np.floating]

_KEPT_S = 5.0
"""History of orientations: an image is never answered later than this after it was taken."""
_RATE_NS = 20_000_000
"""A turning rate is taken over at least this long: two samples stamped on arrival can be 0.1 ms apart."""


class OrientationBuffer:
    """IMU orientations by stamp; interpolates on the shortest arc and never guesses across a gap.

    camera_imu_rotation: (3, 3) camera optical frame -> IMU frame, None where unknown: then nothing is ever answered,
    because no mounting is assumed. max_gap_s: the longest time between two messages that is bridged, and the longest
    time that the newest motion is carried on past the newest message.
    """

    def __init__(self, camera_imu_rotation: Array | None, max_gap_s: float = 0.1) -> None:
        self._mounting = None if camera_imu_rotation is None else np.asarray(camera_imu_rotation, float)
        self._max_gap_ns = round(max_gap_s * 1e9)
        self._samples: deque[tuple[int, Array]] = deque()

    def push(self, stamp_ns: int, quaternion: Array) -> bool:
        """Adds an IMU orientation (4,) x, y, z, w, IMU frame -> world. False where it was refused.

        Refused: NaN, a length far from one, a stamp that is there already. A clock step back starts the buffer afresh.
        """
        q = np.asarray(quaternion, float)
        # A driver that rounds is forgiven; anything far from unit length is no orientation.
        if q.shape != (4,) or not are_rotations(q):
            return False
        if self._samples and stamp_ns < self._samples[-1][0] - CLOCK_STEP_NS:
            self._samples.clear()
        at = bisect_left(self._samples, stamp_ns, key=lambda sample: sample[0])
        if at < len(self._samples) and self._samples[at][0] == stamp_ns:
            return False
        # In its place: a message that is stamped ahead holds no later one back.
        self._samples.insert(at, (int(stamp_ns), q / np.linalg.norm(q)))
        while self._samples[-1][0] - self._samples[0][0] > _KEPT_S * 1e9:
            self._samples.popleft()
        return True

    def at(self, stamp_ns: int) -> Array | None:
        """(3, 3) camera optical frame -> semi-local axes at `stamp_ns`; None where it is not known."""
        if self._mounting is None or not self._samples:
            return None
        quaternion = self._quaternion(stamp_ns)
        return None if quaternion is None else rotation_from_quaternion(quaternion) @ self._mounting

    def _quaternion(self, stamp_ns: int) -> Array | None:
        after: tuple[int, Array] | None = None
        for sample in reversed(self._samples):  # the wanted stamp is nearly always among the newest few
            if sample[0] == stamp_ns:
                return sample[1]
            if sample[0] < stamp_ns:
                return self._between(sample, after, stamp_ns)
            after = sample
        return None

    def _between(self, before: tuple[int, Array], after: tuple[int, Array] | None, stamp_ns: int) -> Array | None:
        if after is None:
            return self._carried_on(stamp_ns)
        if after[0] - before[0] > self._max_gap_ns:
            return None
        return slerp(before[1], after[1], (stamp_ns - before[0]) / (after[0] - before[0]))

    def _carried_on(self, stamp_ns: int) -> Array | None:
        """Past the newest sample: turning on as over a stretch before it that is as long, or longer."""
        newest_ns, newest = self._samples[-1]
        if stamp_ns - newest_ns > self._max_gap_ns:
            return None
        stretch_ns = max(stamp_ns - newest_ns, _RATE_NS)
        after_ns = newest_ns
        for earlier_ns, earlier in reversed(self._samples):
            if after_ns - earlier_ns > self._max_gap_ns:
                break
            if newest_ns - earlier_ns >= stretch_ns:
                return slerp(earlier, newest, (stamp_ns - earlier_ns) / (newest_ns - earlier_ns))
            after_ns = earlier_ns
        return newest
