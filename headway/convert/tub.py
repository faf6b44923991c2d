"""A donkeycar tub as a bag: its images and what the person drove."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from headway.convert.material import (
    FRAME_ID,
    START_NS,
    Converted,
    Progress,
    bag_file,
    read_picture,
    write_picture,
    writing,
)
from headway.errors import UsageError
from headway.evaluate.tub import NO_TUB, find_tub, last_of_manifest
from headway.messages import COMMAND, stamp

DRIVE_TOPIC = "/ground_truth/drive"
TUB_RATE_HZ = 20.0


def convert_tub(
    source: Path,
    bag: Path,
    rate_hz: float = TUB_RATE_HZ,
    limit: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """A donkeycar tub (version 2) -> images and the person's steering, turned to + = left, as /ground_truth/drive.
    `source`: the tub, or a folder that holds it as `tub`.

    The time stamps of a tub's catalog are those of writing, too close together to be frame times: not used.
    """
    if not 0.1 <= rate_hz <= 1000:
        raise UsageError(f"--rate {rate_hz:g}: 0.1 to 1000 images a second are wanted")
    folder = find_tub(source)
    records = tub_records(folder)
    result = Converted(
        bag_file(bag),
        notes=[f"{rate_hz:g} images a second assumed: the catalog's stamps are no frame times (--rate)"],
    )
    result.notes.append("no camera_info: a tub has no calibration")
    with writing(result.bag, overwrite) as writer:
        for record in records[:limit]:
            name = Path(str(record.get("cam/image_array", ""))).name
            picture = read_picture(folder / "images" / name) if name else None
            angle, throttle = _finite(record.get("user/angle")), _finite(record.get("user/throttle"))
            if picture is None or angle is None or throttle is None:
                result.lost.append(f"record {record.get('_index')}: no image, or no steering")
                continue
            # The index keeps its place in time: a record that was left out leaves a gap, not a jump of the vehicle.
            stamp_ns = START_NS + round(int(record.get("_index", result.images)) * 1e9 / rate_hz)
            write_picture(writer, picture, stamp_ns)
            writer.write(DRIVE_TOPIC, COMMAND, _person(angle, throttle, stamp_ns), stamp_ns)
            result.images += 1
            progress(result.images, min(limit or len(records), len(records)))
        if not result.images:
            raise UsageError(f"{folder}: no record with image and steering")
        writer.finish()
    return result


def tub_records(source: Path) -> list[dict[str, Any]]:
    """Records of a tub in order of their index, without those its user deleted."""
    try:
        catalog, deleted = last_of_manifest(source)
        names = [Path(p).name for p in catalog["paths"]]
        rows = [
            json.loads(row) for name in names for row in (source / name).read_text(encoding="utf-8").splitlines() if row
        ]
        return sorted((r for r in rows if r.get("_index") not in deleted), key=lambda r: int(r.get("_index", 0)))
    except NO_TUB as error:
        raise UsageError(
            f"{source} is no donkeycar tub (manifest.json with its catalogs): {type(error).__name__} {error}"
        ) from error


def _person(angle: float, throttle: float, stamp_ns: int) -> dict[str, Any]:
    steering = float(np.clip(-angle, -1.0, 1.0))
    return {
        "header": {"stamp": stamp(stamp_ns), "frame_id": FRAME_ID},
        "valid": True,
        "reason": "driven by a person",
        "steering": steering,
        "steering_low": steering,
        "steering_high": steering,
        "throttle": float(np.clip(throttle, 0.0, 1.0)),
        "brake": float(np.clip(-throttle, 0.0, 1.0)),
        "confidence": 1.0,
    }


def _finite(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None
