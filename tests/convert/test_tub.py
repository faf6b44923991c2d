"""A tub becomes a bag with what the person drove."""

import json

import cv2
import numpy as np
import pytest

from headway.bags import BagReader
from headway.convert.material import IMAGE_TOPIC, START_NS
from headway.convert.tub import DRIVE_TOPIC, convert_tub
from headway.errors import UsageError
from headway.sensors import stamp_of


def read(bag, topic):
    with BagReader(bag) as reader:
        return [m.decode() for m in reader.messages([topic])]


@pytest.fixture
def tub(tmp_path):
    source = tmp_path / "tub"
    (source / "images").mkdir(parents=True)
    rows = []
    for i, angle in enumerate((0.25, -0.5, 1.5, 0.0, 0.75)):
        cv2.imwrite(str(source / "images" / f"{i}.jpg"), np.full((120, 160, 3), 50 * i, np.uint8))
        rows.append({"_index": i, "cam/image_array": f"{i}.jpg", "user/angle": angle, "user/throttle": 0.5})
    rows[3]["user/angle"] = None
    (source / "catalog_0.catalog").write_text("\n".join(map(json.dumps, rows)) + "\n")
    last = {"paths": ["catalog_0.catalog"], "deleted_indexes": [1]}
    (source / "manifest.json").write_text("[]\n[]\n{}\n{}\n" + json.dumps(last))
    return source


def test_a_tub_gives_steering_with_plus_to_the_left_and_keeps_gaps_in_time(tub, tmp_path):
    result = convert_tub(tub, tmp_path / "tub.mcap")
    commands = read(tmp_path / "tub.mcap", DRIVE_TOPIC)
    assert [c.steering for c in commands] == [-0.25, -1.0, -0.75]
    assert [stamp_of(c) - START_NS for c in commands] == [0, 100_000_000, 200_000_000]
    assert len(read(tmp_path / "tub.mcap", IMAGE_TOPIC)) == 3
    assert result.lost == ["record 3: no image, or no steering"]
    assert any("20 images a second assumed" in note for note in result.notes)


def test_the_folder_above_a_tub_leads_to_it(tub, tmp_path):
    result = convert_tub(tub.parent, tmp_path / "above")
    assert (result.images, result.bag) == (3, tmp_path / "above.mcap")


def test_a_folder_that_is_no_tub_is_named(tmp_path):
    with pytest.raises(UsageError, match="holds no donkeycar tub"):
        convert_tub(tmp_path, tmp_path / "a.mcap")


def test_a_tub_cannot_lead_out_of_its_folder(tub, tmp_path):
    cv2.imwrite(str(tmp_path / "secret.jpg"), np.zeros((8, 8, 3), np.uint8))
    row = {"_index": 0, "cam/image_array": "../../secret.jpg", "user/angle": 0.0, "user/throttle": 0.0}
    (tub / "catalog_0.catalog").write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match="no record with image"):
        convert_tub(tub, tmp_path / "a.mcap")


def test_the_real_tub_is_converted(shared_data, tmp_path):
    result = convert_tub(shared_data("donkeycar_tub") / "tub", tmp_path / "tub.mcap", limit=40)
    assert (result.images, result.lost) == (40, [])
