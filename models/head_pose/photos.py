"""Photo-like pictures without labels: selfies, portraits, postures and emotion sheets of `openpeople` P001-P007.

P008, P009 and P010 are held out: this file knows nothing of them. All that is known of a picture is that it shows one
person: the sheets are cut into their panels.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import MissingDependencyError
from headway.images import picture_file

Image = NDArray[np.uint8]

PEOPLE = tuple(f"P{n:03d}" for n in range(1, 8))
SINGLE = ("amateur_posture", "amateur_selfie", "studio_portrait", "studio_posture")
SHEET, PANELS = "emotions_sheet", 16
LONGEST = 640
"""Longer sides are shrunk to this: heads keep at least 60 pixels, and memory stays small."""

FRAME_WHITE, FRAME_SHARE = 225, (0.12, 0.30)
"""A panel has a white frame, whose sides are such shares of the sheet's."""


def curated() -> Path:
    """Folder of the people of `openpeople`; raises MissingDependencyError where it is not installed."""
    try:
        import openpeople
    except ImportError:
        raise MissingDependencyError("openpeople is not installed: pip install openpeople") from None
    return Path(openpeople.__file__).parent / "data" / "curated"


def load_photos() -> list[Image]:
    """All pictures, each of one person, (H, W, 3) uint8 BGR of different sizes."""
    photos = []
    for person in PEOPLE:
        assets = curated() / person / "assets"
        photos += [shrunk(read(assets / f"{name}.jpg")) for name in SINGLE]
        photos += [shrunk(panel) for panel in panels(read(assets / f"{SHEET}.jpg"))]
    return photos


def read(path: Path) -> Image:
    """One picture; raises MissingDependencyError where it is not there."""
    image = picture_file(path)
    if image is None:
        raise MissingDependencyError(f"{path} is missing: install openpeople again")
    return image


def shrunk(image: Image) -> Image:
    """The picture with its longer side at LONGEST or below."""
    share = LONGEST / max(image.shape[:2])
    if share >= 1.0:
        return image
    return np.asarray(cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def panels(sheet: Image) -> list[Image]:
    """The pictures inside the white frames of an emotion sheet, row by row."""
    high, wide = sheet.shape[:2]
    white = (sheet.min(2) >= FRAME_WHITE).astype(np.uint8)
    # Dilated, so that a frame which a shoulder or a cut in the line interrupts is one outline all the same.
    outlines, _ = cv2.findContours(
        cv2.dilate(white, np.ones((5, 5), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    low, most = FRAME_SHARE
    boxes = [cv2.boundingRect(outline) for outline in outlines]
    boxes = [b for b in boxes if low * wide < b[2] < most * wide and low * high < b[3] < most * high]
    boxes.sort(key=lambda b: (round(b[1] / (0.1 * high)), b[0]))
    edge = max(2, wide // 200)
    return [sheet[y + edge : y + h - edge, x + edge : x + w - edge] for x, y, w, h in boxes]
