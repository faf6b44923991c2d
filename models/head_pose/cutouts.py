"""Photo-like heads cut out of the `openpeople` character sheets, pasted into rendered training pictures.

The sheets show ten generated people from front, left, back and right, once the head and once the whole body. P008, P009
and P010 are held out: this file knows nothing of them. Boxes (whole head without hair) and sides were read by eye off
the sheets with a drawn grid, by this project: good to about 3 % of the head and 10 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from headway.geometry import rotation_from_euler
from headway.models.head_pose.data import Sample, Warp, area
from headway.models.head_pose.photos import curated, read

PANEL_X = (72, 664, 1258, 1851)
HEAD_PANEL = (0, 141, 474, 500)
BODY_PANEL = (140, 885, 200, 180)
"""Left (after PANEL_X), top, width, height of the panels in a sheet of 2400 x 1792 px."""

# Person -> row -> four views: x0, y0, x1, y1 in the panel, and the yaw in degrees (published sign: + looks to the
# image's left). The left views of P001 and P005 are three-quarter views.
R, L = -90, 90
SHEETS: dict[str, dict[str, tuple[tuple[int, int, int, int, int], ...]]] = {
    "P001": {
        "head": ((135, 45, 345, 365, 0), (100, 45, 372, 365, -58), (130, 45, 355, 350, 180), (90, 45, 396, 362, R)),
        "body": ((66, 21, 136, 130, 0), (50, 21, 150, 128, -80), (64, 21, 135, 122, 180), (55, 21, 149, 128, L)),
    },
    "P002": {
        "head": ((140, 60, 340, 355, 0), (110, 60, 408, 357, R), (138, 60, 346, 345, 180), (115, 60, 417, 357, R)),
        "body": ((64, 22, 134, 130, 0), (47, 22, 146, 126, L), (63, 22, 133, 122, 180), (52, 22, 150, 128, R)),
    },
    "P003": {
        "head": ((115, 25, 358, 355, 0), (85, 25, 387, 348, R), (130, 25, 370, 340, 180), (80, 22, 395, 345, L)),
        "body": ((62, 32, 133, 130, 0), (54, 32, 147, 127, R), (64, 32, 134, 126, 180), (51, 32, 145, 127, L)),
    },
    "P004": {
        "head": ((128, 15, 375, 355, 0), (110, 10, 430, 372, R), (125, 25, 360, 350, 180), (45, 10, 365, 372, L)),
        "body": ((64, 30, 136, 142, 0), (60, 32, 159, 140, R), (61, 32, 133, 134, 180), (47, 32, 146, 141, L)),
    },
    "P005": {
        "head": ((142, 33, 334, 310, 0), (142, 35, 366, 312, -60), (140, 32, 332, 300, 180), (122, 31, 375, 312, -80)),
        "body": ((63, 22, 137, 128, 0), (55, 22, 152, 127, R), (60, 22, 135, 122, 180), (48, 22, 145, 127, L)),
    },
    "P006": {
        "head": ((131, 38, 346, 332, 0), (85, 32, 369, 332, L), (126, 36, 350, 322, 180), (106, 32, 394, 335, R)),
        "body": ((64, 32, 136, 129, 0), (60, 32, 154, 128, R), (67, 32, 136, 124, 180), (52, 32, 147, 128, L)),
    },
    "P007": {
        "head": ((140, 58, 332, 351, 0), (108, 55, 378, 342, R), (135, 58, 345, 330, 180), (98, 55, 368, 340, L)),
        "body": ((66, 26, 135, 131, 0), (58, 26, 155, 131, R), (65, 26, 135, 122, 180), (51, 26, 148, 131, L)),
    },
}


@dataclass(frozen=True)
class Cutout:
    """One head. image (H, W, 4) uint8 BGRA, alpha 0 where the sheet's background is; box (4,) xyxy; rotation (3, 3)."""

    image: np.ndarray
    box: np.ndarray
    rotation: np.ndarray


def load_cutouts() -> list[Cutout]:
    """All head views of P001..P007."""
    cutouts = []
    for person, rows in SHEETS.items():
        sheet: np.ndarray = read(curated() / person / "assets" / "character_sheet.jpg")
        for row, views in rows.items():
            left, top, width, height = HEAD_PANEL if row == "head" else BODY_PANEL
            for x, (x0, y0, x1, y1, yaw) in zip(PANEL_X, views, strict=True):
                panel = sheet[top : top + height, x + left : x + left + width]
                box = np.array([x0, y0, x1, y1], float)
                if row == "head":
                    # Half size still has heads of 150 px, and GrabCut's time goes with the pixels.
                    panel, box = cv2.resize(panel, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), box / 2
                cutouts.append(
                    Cutout(
                        _with_alpha(panel, box),
                        box,
                        rotation_from_euler(np.zeros(()), np.array(yaw, float), np.zeros(())),
                    )
                )
    return cutouts


def _with_alpha(panel: np.ndarray, box: np.ndarray) -> np.ndarray:
    """GrabCut from what is surely background (colour of the upper corners) and surely head (inside the box)."""
    corner = np.median(np.concatenate([panel[:25, :25].reshape(-1, 3), panel[:25, -25:].reshape(-1, 3)]), axis=0)
    far = np.abs(panel.astype(float) - corner).max(-1)
    mask = np.where(far > 40, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    centre, half = ((box[:2] + box[2:]) / 2).astype(int), ((box[2:] - box[:2]) / 2).astype(int)
    cv2.ellipse(mask, tuple(centre.tolist()), tuple((half * 0.8).astype(int).tolist()), 0, 0, 360, cv2.GC_FGD, -1)
    mask[:8], mask[: panel.shape[0] // 2, :8], mask[: panel.shape[0] // 2, -8:] = (cv2.GC_BGD,) * 3
    model = np.zeros((1, 65))
    cv2.grabCut(panel.copy(), mask, (0, 0, 1, 1), model, model.copy(), 3, cv2.GC_INIT_WITH_MASK)
    alpha = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    return np.dstack([panel, cv2.GaussianBlur(alpha, (3, 3), 0)])


def paste(sample: Sample, cutout: Cutout, size_px: float, rng: np.random.Generator) -> Sample:
    """`sample` with one cut-out head of about `size_px` somewhere in it; heads that it covers are ignored."""
    size, box = sample.image.shape[0], cutout.box
    scale = min(size_px / float(np.sqrt(area(box[None])[0])), 1.6)
    angle = float(np.radians(np.clip(rng.normal(0, 12), -40, 40)))
    target = rng.uniform(0.2, 0.8, 2) * size
    middle = (box[:2] + box[2:]) / 2
    warp = Warp(scale, angle, (middle[0], middle[1]), (target[0], target[1]), bool(rng.random() < 0.5))
    image = cutout.image
    if rng.random() < 0.5:
        # Half of them without shoulders, so that a white shirt does not become the mark of a head.
        image = image.copy()
        image[int(box[3] + rng.uniform(0.05, 0.4) * (box[3] - box[1])) :, :, 3] = 0
    patch = warp.image(image, size, border=(0, 0, 0, 0)).astype(np.float32)
    alpha = patch[..., 3:] / 255.0
    blended = (patch[..., :3] * alpha + sample.image * (1.0 - alpha)).astype(np.uint8)
    covered = np.array([_covered(alpha[..., 0], b) for b in sample.boxes.astype(int)], bool)
    new = warp.boxes(box[None]).clip(0, size)
    return Sample(
        blended,
        np.concatenate([sample.boxes, new]),
        np.concatenate([sample.rotation, warp.rotation(cutout.rotation[None])]),
        np.concatenate([sample.ignore | covered.reshape(-1), [area(new)[0] < 36.0]]),
    )


def _covered(alpha: np.ndarray, box: np.ndarray) -> bool:
    part = alpha[box[1] : box[3] + 1, box[0] : box[2] + 1]
    return bool(part.size) and float(part.mean()) > 0.4
