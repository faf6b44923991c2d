"""The metadata of a bag's folder: what it must not make of the reader."""

import pytest

from headway.bags import BagReader
from headway.errors import BagError


def test_metadata_that_is_no_yaml_is_refused_in_one_line(tmp_path):
    (tmp_path / "metadata.yaml").write_text("a: [\n")
    with pytest.raises(BagError, match=r"^[^\n]*metadata\.yaml cannot be read[^\n]*$"):
        BagReader(tmp_path)


@pytest.mark.parametrize("name", ["a\\0.mcap", "\\ud800.mcap", "x" * 300 + ".mcap"], ids=["NUL", "half a pair", "long"])
def test_metadata_with_a_name_that_no_file_can_have_is_refused_by_its_name(tmp_path, name):
    (tmp_path / "metadata.yaml").write_text(f'rosbag2_bagfile_information: {{relative_file_paths: ["{name}"]}}\n')
    with pytest.raises(BagError, match=str(tmp_path)):
        BagReader(tmp_path)


def test_metadata_nested_too_deeply_is_refused_by_its_name(tmp_path):
    (tmp_path / "metadata.yaml").write_text("[" * 20_000)
    with pytest.raises(BagError, match=r"metadata\.yaml cannot be read"):
        BagReader(tmp_path)


def test_metadata_cannot_lead_out_of_the_bag(tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  relative_file_paths: [../../../secret.mcap]\n"
    )
    with pytest.raises(BagError, match=str(folder / "secret.mcap")):
        BagReader(folder)
