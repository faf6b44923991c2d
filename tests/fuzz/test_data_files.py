"""Labels, catalogs and calibrations: read, or refused in headway's own words with the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from documents import JSON, paths, put
from fuzzing import Outcomes, examples, named
from hypothesis import given
from hypothesis import strategies as st

from headway.convert.tub import tub_records
from headway.errors import HeadwayError
from headway.evaluate.head_formats import read_labels
from headway.evaluate.tub import HEIGHT, WIDTH, read_tub
from headway.stages.calibration import CONDITIONS, Calibration

IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
HEAD = {
    "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [2.0, 2.0, 8.0, 9.0], "visibility": 1.0,
    "euler_angles": [0.0, 0.0, 0.0], "rotation": IDENTITY,
}  # fmt: skip
CAMERA = {"fx": 50.0, "fy": 50.0, "cx": 16.0, "cy": 16.0}
LABELS = {
    "images": [{"id": 1, "file_name": "0.png", "width": 32, "height": 32, "camera": CAMERA}],
    "annotations": [HEAD, HEAD | {"id": 2}],
}
FACES = [{"image": "0.png", "landmark_box": [2.0, 2.0, 8.0, 9.0], "R_ray": IDENTITY}]
ROW = {"_index": 0, "cam/image_array": "0.png", "user/angle": 0.1, "user/throttle": 0.2}
CATALOGS = {"paths": ["catalog_0.catalog"], "deleted_indexes": []}
SCORES = {"floor_m": [0.1], "levels": [0.9], "people": [1], "scores": {name: [[1.0]] for name in CONDITIONS}}
# name -> the file that is changed, a good one, and what reads it
READERS: dict[str, tuple[str, Any, Callable[[Path], Any]]] = {
    "labels": ("annotations.json", LABELS, read_labels),
    "faces": ("labels.json", FACES, read_labels),
    "tub row": ("catalog_0.catalog", ROW, read_tub),
    "tub row converted": ("catalog_0.catalog", ROW, tub_records),
    "tub catalogs": ("manifest.json", CATALOGS, tub_records),
    "calibration": ("calibration.json", SCORES, lambda folder: Calibration.parse(folder / "calibration.json")),
}


def lay(folder: Path, name: str) -> None:
    """Everything good that the reader wants beside the file that is changed."""
    (folder / "images").mkdir()
    for place in (folder, folder / "images"):
        cv2.imwrite(str(place / "0.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    if name.startswith("tub"):
        (folder / "manifest.json").write_text(json.dumps(CATALOGS))
        (folder / "catalog_0.catalog").write_text(json.dumps(ROW))


@pytest.mark.parametrize("name", READERS)
def test_data_file(name: str, tmp_path: Path, outcomes: Outcomes) -> None:
    file, good, read = READERS[name]
    lay(tmp_path, name)
    (tmp_path / file).write_text(json.dumps(good))
    read(tmp_path)

    @examples(20)
    @given(st.tuples(st.sampled_from(list(paths(good))), JSON).map(lambda drawn: json.dumps(put(good, *drawn))))
    def run(content: str) -> None:
        (tmp_path / file).write_text(content)
        try:
            read(tmp_path)
        except HeadwayError as error:
            named(tmp_path, error)
            outcomes("refused")
            return
        outcomes("read")

    run()
