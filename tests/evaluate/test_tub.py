"""A donkeycar tub as frames with steering; whatever its catalog holds, an error names the file."""

import json

import cv2
import numpy as np
import pytest

from headway.errors import UsageError
from headway.evaluate.tub import HEIGHT, WIDTH, read_tub

GOOD = {"_index": 0, "cam/image_array": "0.png", "user/angle": 0.25, "user/throttle": 0.5}


@pytest.fixture
def tub(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "0.png"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    (tmp_path / "manifest.json").write_text("{}")
    return tmp_path


def test_steering_is_positive_to_the_left_and_catalogs_are_read_in_the_order_of_their_numbers(tub):
    for number, angle in ((10, -1.0), (9, 0.5)):
        (tub / f"catalog_{number}.catalog").write_text(json.dumps(GOOD | {"user/angle": angle}) + "\n")
    drive = read_tub(tub)
    assert drive.steering.tolist() == [-0.5, 1.0]
    assert drive.throttle.tolist() == [0.5, 0.5]
    assert (drive.images == 90).all()


def test_records_that_the_user_deleted_are_left_out(tub):
    rows = [GOOD | {"_index": i, "user/angle": i / 10} for i in range(4)]
    (tub / "catalog_0.catalog").write_text("\n".join(map(json.dumps, rows)))
    (tub / "manifest.json").write_text("[]\n" + json.dumps({"deleted_indexes": [0, 2]}) + "\n")
    assert read_tub(tub).steering.tolist() == pytest.approx([-0.1, -0.3])


@pytest.mark.parametrize("content", ["", "{", "7", '{"deleted_indexes": 3}', '{"deleted_indexes": [[]]}'])
def test_a_manifest_that_is_none_is_named(tub, content):
    (tub / "catalog_0.catalog").write_text(json.dumps(GOOD))
    (tub / "manifest.json").write_text(content)
    with pytest.raises(UsageError, match=r"manifest\.json is no manifest of a tub"):
        read_tub(tub)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[" * 200_000, "RecursionError"),
        ("{", "JSONDecodeError"),
        ("7", "TypeError"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "user/angle"}), "KeyError 'user/angle'"),
        (json.dumps(GOOD | {"user/throttle": float("nan")}), "not finite"),
        (json.dumps(GOOD | {"cam/image_array": None}), "TypeError"),
    ],
    ids=["deep", "cut", "a number", "no angle", "NaN", "no picture"],
)
def test_a_catalog_that_is_none_is_named(tub, content, named):
    (tub / "catalog_0.catalog").write_text(content)
    with pytest.raises(UsageError, match=rf"catalog_0\.catalog is no catalog of a tub: .*{named}"):
        read_tub(tub)


@pytest.mark.parametrize("name", ["missing.png", "\ud800.png", "a\0.png", "x" * 300 + ".png"])
def test_a_picture_that_cannot_be_read_is_named(tub, name):
    (tub / "catalog_0.catalog").write_text(json.dumps(GOOD | {"cam/image_array": name}))
    with pytest.raises(UsageError, match="cannot be read as an image"):
        read_tub(tub)


def test_a_catalog_without_a_number_is_named(tub):
    (tub / "catalog_last.catalog").write_text(json.dumps(GOOD))
    with pytest.raises(UsageError, match="catalog_last"):
        read_tub(tub)
