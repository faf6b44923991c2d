"""Every row of the table of conditions names tests, and they exist."""

import re
from pathlib import Path

import pytest

from headway.faults.inject import FAULTS

ROOT = Path(__file__).parents[1]
HEADING = "## Conditions, detection, reaction, test"


def rows():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_condition_has_detection_reaction_and_tests_that_exist(row):
    condition, detection, reaction, test = row
    assert condition
    assert detection
    assert reaction
    names = [n for n in re.split(r"[,; ]+", test.replace("`", "")) if n]
    assert names
    for name in names:
        assert name in {f.name for f in FAULTS.values()} if "/" not in name else (ROOT / name).is_file(), name


def test_no_compliance_is_claimed():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split(HEADING)[1]
    assert "no compliance is claimed" in text.split("|")[0]
