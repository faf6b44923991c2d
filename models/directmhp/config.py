"""Constants of the published DirectMHP networks, all from the paper and its released configuration."""

from __future__ import annotations

from dataclasses import dataclass

VALUES = 9
"""Of one candidate: x, y, w, h, objectness, class, then pitch, yaw, roll."""
ANCHORS_PER_LEVEL = 3
STRIDES = (8, 16, 32, 64)
ANCHORS = (
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)
"""Width and height in pixels at 1280, level by level (P3 to P6)."""
TOP_K = 300
SCORE_THRESHOLD, NMS_IOU = 0.7, 0.45
"""Of the published demo; the published evaluation keeps everything above 0.001 and suppresses at IoU 0.65."""
PUBLISHED_SIGMA_DEG = {"s": 23.0, "m": 20.7}
"""Norm of the published mean errors in pitch, yaw, roll on AGORA-HPE: the network gives no error of its own."""


@dataclass(frozen=True)
class Variant:
    """Depth and width factors of a network, and how many parameters it must have."""

    depth: float
    width: float
    parameters: int

    def channels(self, base: int) -> int:
        """`base` channels scaled by the width factor and rounded up to a multiple of 8."""
        return -(-int(base * self.width) // 8) * 8

    def repeats(self, base: int) -> int:
        """`base` repeats scaled by the depth factor, at least one."""
        return max(round(base * self.depth), 1)


VARIANTS = {"s": Variant(0.33, 0.50, 12_375_084), "m": Variant(0.67, 0.75, 35_478_348)}
